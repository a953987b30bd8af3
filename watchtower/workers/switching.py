"""Reads a target's state, and calls it: once, on what is committed, and only as the leader."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from watchtower.core import wording
from watchtower.core.guards import is_freeze
from watchtower.edges.points import reached
from watchtower.nouns.errors import RollbackError
from watchtower.nouns.facts import Fact, Frozen, Prepared, Stopped, Switched, SwitchFailed, Unreached
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.rollback_targets import CanarySession, Switch, TargetSession
from watchtower.rollback_targets._errors import Moved
from watchtower.store import Store
from watchtower.workers.guarding import Guarding, as_promised

_REPLAYED = "replay, nothing was called"
_NO_TARGET = "no target is configured for this model"


@dataclass(frozen=True, slots=True)
class Switching:
    """What the target is asked, and what comes of it as a fact."""

    store: Store
    guarding: Guarding

    def prepared(self, plan: Plan, now: Callable[[], datetime]) -> Fact:
        """Reads the target's state, which is kept before anything is written."""
        target = self._target(plan)
        if target is None:
            return SwitchFailed(_NO_TARGET, void=False)
        reached("switch.before_state")
        try:
            with as_promised(), closing(target()) as session:
                state = session.state()
        except RollbackError as unread:
            return _failed(plan, unread, now(), "the target cannot be read: ")
        reached("switch.after_state")
        return Prepared(plan.target, state.version, state.token, state.detail)

    def switched(self, plan: Plan, now: Callable[[], datetime]) -> Fact:
        """Switches, and says what came of it.

        The step is committed, so that after a kill this is called again; the compare-and-set makes a second call harmless: the candidate is
        there already (nothing changes), live still is (it is switched now), or somebody else switched (the plan is void). Fenced, and nothing is
        called, where another replica leads by now or the plan has moved: a holder of the lease that was stopped and woken again switches nothing.
        """
        wanted, before = _ends(plan)
        if not self.guarding.act:
            return Switched(_REPLAYED, before, wanted)
        target = self._target(plan)
        if target is None:
            return SwitchFailed(_NO_TARGET, void=False)
        reached("switch.before_call")
        try:
            held = self._held(plan, target, now())
            if held is not None:
                return held
            self.store.plans.confirm(plan)
            reached("switch.confirmed")
            with as_promised(), closing(target()) as session:
                switch = _called(session, plan)
        except Moved as moved:
            return SwitchFailed(str(moved), void=True)
        except RollbackError as failed:
            return _failed(plan, failed, now())
        reached("switch.after_call")
        return Switched(plan.target, before, switch.after, switch.dry_run, switch.changed, switch.detail)

    def _held(self, plan: Plan, target: Callable[[], TargetSession], now: datetime) -> Fact | None:
        """What the guards that can have changed say, unless the target was called already (a crash came between the call and its record)."""
        held = self.guarding.changed(plan, self.store.evaluations.memory(plan.model), now)
        if not held:
            return None
        with as_promised(), closing(target()) as session:
            done = session.current() == _ends(plan)[0] and not plan.canary
        if done:
            return None
        frozen = "; ".join(each for each in held if is_freeze(each))
        return Frozen(frozen) if frozen else Stopped(held)

    def _target(self, plan: Plan) -> Callable[[], TargetSession] | None:
        return self.guarding.steering(plan.model).target


def _failed(plan: Plan, error: RollbackError, now: datetime, what: str = "") -> Fact:
    """A refusal is final; what may pass is tried again within the plan's limit, which began with the first time."""
    said = f"{what}{error}"
    if not error.retryable:
        return SwitchFailed(said, void=False)
    until = plan.deadline or now + plan.limits.reach_within
    if now < until:
        return Unreached(said, until)
    again = f" (called again until {wording.moment(until)})" if plan.deadline is not None else ""
    return SwitchFailed(f"{said}{again}", void=False)


def _ends(plan: Plan) -> tuple[str, str]:
    """The version that the target shall name, and the one that it names now."""
    candidate = plan.candidate or ""
    return (plan.live, candidate) if plan.step is Step.RETURNING else (candidate, plan.live)


def _called(session: TargetSession, plan: Plan) -> Switch:
    """A canary's traffic is taken away, or the version is switched, on exactly the state that was read."""
    if plan.canary:
        return cast("CanarySession", session).abort(plan.live, stable=plan.stable, key=plan.id, dry_run=plan.dry_run)
    wanted, before = _ends(plan)
    key = f"{plan.id}/forward" if plan.step is Step.RETURNING else plan.id
    return session.switch_to(wanted, expected=before, token=plan.prepared or "", key=key, dry_run=plan.dry_run)
