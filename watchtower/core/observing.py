"""What an evaluation tells an open plan. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never

from watchtower.core.versions import FADED
from watchtower.nouns.alert import Alert, AlertState
from watchtower.nouns.facts import AllResolved, Fact, Faded, Serving
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step


def observed(plan: Plan | None, live: str | None, *, firing: bool, at: datetime | None = None, shares: Mapping[str, float] | None = None) -> tuple[Fact, ...]:
    """What an evaluation must tell an open *plan*, in order: each fact once, and only where it can move the plan.

    Args:
        plan: the open one; None: nothing is to be told.
        live: the live version after the evaluation, as the traffic shows it.
        firing: whether an alert of the plan's rules still fires.
        at: end of the evaluated window.
        shares: version -> share of the served predictions in it; empty where nothing was served, which shows nothing.
    """
    if plan is None or live is None:
        return ()
    match plan.step:
        case Step.ON_TRIAL | Step.AWAITING_APPROVAL:
            if live != plan.stable:
                return (Serving(live, at),)
            if _has_faded(plan, shares):
                return (Faded(plan.live, at),)
            return (AllResolved(at),) if plan.step is Step.AWAITING_APPROVAL and not firing else ()
        case Step.SWITCHING | Step.VERIFYING:
            return _after_the_decision(plan, live, firing=firing, at=at, shares=shares)
        case Step.RETURNING | Step.ROLLED_BACK | Step.HELD | Step.FAILED | Step.CANCELLED:
            return ()
        case _:
            assert_never(plan.step)


def _after_the_decision(plan: Plan, live: str, *, firing: bool, at: datetime | None, shares: Mapping[str, float] | None) -> tuple[Fact, ...]:
    known = plan.serving_at is not None
    if plan.canary:
        seen: tuple[Fact, ...] = (Faded(plan.live, at),) if not known and _has_faded(plan, shares) else ()
    else:
        seen = (Serving(live, at),) if not known and live == plan.candidate else ()
        if plan.step is Step.VERIFYING and live != plan.candidate and (known or live != plan.live):
            return (Serving(live, at),)
    done = plan.step is Step.VERIFYING and (known or bool(seen)) and not firing
    return (*seen, AllResolved(at)) if done else seen


def _has_faded(plan: Plan, shares: Mapping[str, float] | None) -> bool:
    """Whether a window with traffic has less than 1 % of the canary's."""
    return plan.canary and shares is not None and sum(shares.values()) > 0 and shares.get(plan.live, 0.0) < FADED


def fires(plan: Plan, alerts: Sequence[Alert]) -> bool:
    """Whether an alert of the plan's rules still fires: of any rule where a person asked for it, of the canary where it is on one."""
    rules = {rule for rule, _ in plan.fired}
    return any(
        each.state is AlertState.FIRING and (not rules or each.id.rule in rules) and (not plan.canary or each.id.version == plan.live) for each in alerts
    )
