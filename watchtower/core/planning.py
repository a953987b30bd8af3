"""The life of a rollback: a table of (step, fact) -> (step, decisions, note). Pure: workers act on what is committed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar, get_args

from watchtower.core import moves, returning, wording
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.facts import (
    AllResolved,
    Approved,
    Asked,
    Cleared,
    DeadlinePassed,
    Fact,
    Faded,
    Fired,
    Frozen,
    Judged,
    Prepared,
    Refused,
    Serving,
    Stopped,
    Switched,
    SwitchFailed,
    Unreached,
)
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.step import Step

FACTS: tuple[type, ...] = get_args(Fact)
Arm = Callable[[Plan, Fact, datetime], Move]
Told = TypeVar("Told")


def _on(kind: type[Told], move: Callable[[Plan, Told, datetime], Move]) -> tuple[type, Arm]:
    def arm(plan: Plan, fact: Fact, now: datetime) -> Move:
        if not isinstance(fact, kind):
            msg = f"{type(fact).__name__} is no {kind.__name__}"
            raise TypeError(msg)
        return move(plan, fact, now)

    return kind, arm


def unheard(plan: Plan, _fact: Fact, _now: datetime) -> Move:
    """The fact is recorded and moves nothing."""
    return Move(plan)


_HEARD: Mapping[Step, Mapping[type, Arm]] = {
    Step.ON_TRIAL: dict([_on(Judged, moves.judged), _on(Serving, moves.overtaken), _on(Faded, moves.withdrawn)]),
    Step.AWAITING_APPROVAL: dict(
        [
            _on(Approved, moves.approved),
            _on(Refused, moves.refused),
            _on(Serving, moves.overtaken),
            _on(Faded, moves.withdrawn),
            _on(AllResolved, moves.resolved_unapproved),
            _on(DeadlinePassed, moves.unapproved),
        ]
    ),
    Step.SWITCHING: dict(
        [
            _on(Prepared, moves.prepared),
            _on(Switched, moves.switched),
            _on(SwitchFailed, moves.switch_failed),
            _on(Unreached, moves.unreached),
            _on(Serving, moves.served),
            _on(Faded, moves.faded),
            _on(Frozen, moves.frozen),
            _on(Stopped, moves.stopped),
        ]
    ),
    Step.VERIFYING: dict(
        [_on(Serving, moves.served), _on(Faded, moves.faded), _on(AllResolved, moves.resolved), _on(DeadlinePassed, moves.unverified)],
    ),
    Step.RETURNING: dict(
        [
            _on(Prepared, moves.prepared),
            _on(Switched, returning.returned),
            _on(SwitchFailed, returning.not_returned),
            _on(Unreached, moves.unreached),
            _on(Frozen, returning.return_frozen),
            _on(Stopped, returning.return_stopped),
        ]
    ),
    Step.HELD: dict([_on(Cleared, moves.cleared)]),
    Step.ROLLED_BACK: {},
    Step.FAILED: {},
    Step.CANCELLED: {},
}
"""Which facts a step listens to; every other one is recorded and moves nothing."""

TABLE: Mapping[tuple[Step, type], Arm] = MappingProxyType({(step, kind): heard.get(kind, unheard) for step, heard in _HEARD.items() for kind in FACTS})
"""Every (step, fact), and what follows from it."""


def open_plan(fired: Fired, plan_id: str, incident_id: str, now: datetime) -> Move:
    """The plan that *fired* opens, on trial; its decision is `begin_trial` and names the alerts and the candidates."""
    names = ", ".join(str(alert) for alert in fired.alerts)
    against = wording.question(fired.live, fired.candidates, canary=fired.canary)
    plan = Plan(
        id=plan_id,
        model=fired.model,
        incident=incident_id,
        step=Step.ON_TRIAL,
        live=fired.live,
        candidates=fired.candidates,
        opened_at=fired.fired_at,
        rollback=fired.rollback,
        dry_run=fired.dry_run,
        approval_required=fired.approval_required,
        target=fired.target,
        fired=fired.respond_measures,
        canary=fired.canary,
        aborts_canaries=fired.aborts_canaries,
        limits=fired.limits,
        again=fired.again,
    )
    after = f" ({', '.join(fired.again)} has cleared)" if fired.again else ""
    begun = Decision(
        DecisionKind.BEGIN_TRIAL,
        fired.model,
        now,
        f"{names} fired: {against}{after}",
        live=fired.live,
        candidate=next(iter(fired.candidates), None),
        plan=plan_id,
    )
    return Move(plan, (begun,), f"trial begun: {against}{after}")


def ask(asked: Asked, plan_id: str, incident_id: str, now: datetime) -> Move:
    """The plan that a person opens by hand: without a trial, under the guards that need no evidence."""
    why = f"{asked.by} ({asked.origin}) asked to go back from {asked.live} to {asked.candidate}" + (f": {asked.reason}" if asked.reason else "")
    plan = Plan(
        id=plan_id,
        model=asked.model,
        incident=incident_id,
        step=Step.HELD if asked.guards else Step.SWITCHING,
        live=asked.live,
        candidates=(asked.candidate,),
        opened_at=asked.asked_at,
        candidate=asked.candidate,
        reason=f"{'; '.join(asked.guards)}; {why}" if asked.guards else why,
        target=asked.target,
        limits=asked.limits,
        by=asked.by,
        decided_at=asked.asked_at,
        guards=asked.guards,
    )
    kind = DecisionKind.HOLD if asked.guards else DecisionKind.ROLL_BACK
    return Move(plan, (moves.decision(plan, kind, now),), plan.reason)


def opened(fact: Fact, plan_id: str, incident_id: str, now: datetime) -> Move:
    """The plan that *fact* opens; ValueError where it opens none."""
    if isinstance(fact, Fired):
        return open_plan(fact, plan_id, incident_id, now)
    if isinstance(fact, Asked):
        return ask(fact, plan_id, incident_id, now)
    msg = f"{fact.kind} opens no plan"
    raise ValueError(msg)


def advance(plan: Plan, fact: Fact, now: datetime) -> Move:
    """The plan after *fact*; its revision grows by one, whether or not the fact moves it.

    *now* begins deadlines, where the fact does not say when it happened. A decision that a judgement brings carries the judgement's own time.
    """
    return TABLE[plan.step, type(fact)](replace(plan, revision=plan.revision + 1), fact, now)


def folded(facts: Sequence[tuple[datetime, Fact]], plan_id: str, incident_id: str) -> Plan:
    """The plan that its *facts*, each with the moment at which it was recorded, make: what the store must hold."""
    (first, opening), *rest = facts
    plan = opened(opening, plan_id, incident_id, first).plan
    for at, fact in rest:
        plan = advance(plan, fact, at).plan
    return plan
