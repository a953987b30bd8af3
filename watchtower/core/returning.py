"""Going forward again, where going back did not help: what each fact does to a plan that is returning. Pure."""

from dataclasses import replace
from datetime import datetime

from watchtower.core import wording
from watchtower.core.moves import LOOK, ended
from watchtower.nouns.facts import Frozen, Stopped, Switched, SwitchFailed
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.step import Step


def returned(plan: Plan, fact: Switched, now: datetime) -> Move:
    """The former live version is named again."""
    back = f"switched from {plan.live} to {plan.candidate} at {wording.moment(plan.switched_at or now)}"
    plan = replace(plan, returned_at=now)
    return ended(plan, Step.FAILED, f"{back}, which did not help, and from {fact.before} to {fact.after} again at {wording.moment(now)}: {LOOK}")


def not_returned(plan: Plan, fact: SwitchFailed, _now: datetime) -> Move:
    """The second switch did not happen."""
    who = "somebody else switched meanwhile" if fact.void else "the switch failed"
    return ended(plan, Step.FAILED, f"went back to {plan.candidate}, which did not help, and not forward to {plan.live} again, {LOOK}: {who}, {fact.reason}")


def return_frozen(plan: Plan, fact: Frozen, _now: datetime) -> Move:
    """Frozen before the second switch."""
    return _not_forward(plan, fact.by)


def return_stopped(plan: Plan, fact: Stopped, _now: datetime) -> Move:
    """A guard holds the second switch."""
    return _not_forward(plan, "; ".join(fact.guards))


def _not_forward(plan: Plan, why: str) -> Move:
    return ended(plan, Step.FAILED, f"went back to {plan.candidate}, which did not help, and not forward to {plan.live} again, {LOOK}: {why}")
