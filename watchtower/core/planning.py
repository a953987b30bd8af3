"""The life of a rollback: a table of (step, fact) -> (step, decisions, note). Pure: workers act on what is committed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from watchtower.core import wording
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.facts import AllResolved, Approved, DeadlinePassed, Fact, Fired, Frozen, Judged, Prepared, Refused, Serving, Switched, SwitchFailed
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.step import Step

APPROVAL_WITHIN = timedelta(hours=24)
VERIFY_WITHIN = timedelta(minutes=10)

_HEARD: Mapping[Step, frozenset[type[Fact]]] = {
    Step.ON_TRIAL: frozenset({Judged, Serving}),
    Step.AWAITING_APPROVAL: frozenset({Approved, Refused, Serving, AllResolved, DeadlinePassed}),
    Step.SWITCHING: frozenset({Prepared, Switched, SwitchFailed, Serving}),
    Step.VERIFYING: frozenset({Serving, AllResolved, DeadlinePassed}),
    Step.ROLLED_BACK: frozenset(),
    Step.HELD: frozenset(),
    Step.FAILED: frozenset(),
    Step.CANCELLED: frozenset(),
}
"""Which facts a step listens to; every other one is recorded and moves nothing."""


def open_plan(fired: Fired, plan_id: str, incident_id: str, now: datetime) -> Move:
    """The plan that *fired* opens, on trial; its decision is `begin_trial` and names the alerts and the candidates."""
    names = ", ".join(str(alert) for alert in fired.alerts)
    against = wording.question(fired.live, fired.candidates)
    plan = Plan(
        id=plan_id,
        model=fired.model,
        incident=incident_id,
        step=Step.ON_TRIAL,
        live=fired.live,
        candidates=fired.candidates,
        opened_at=now,
        rollback=fired.rollback,
        dry_run=fired.dry_run,
        approval_required=fired.approval_required,
        target=fired.target,
        fired=fired.respond_measures,
    )
    reason = f"{names} fired: {against}"
    begun = Decision(DecisionKind.BEGIN_TRIAL, fired.model, now, reason, live=fired.live, candidate=next(iter(fired.candidates), None), plan=plan_id)
    return Move(plan, (begun,), f"trial begun: {against}")


def advance(plan: Plan, fact: Fact, now: datetime, *, verify_within: timedelta = VERIFY_WITHIN) -> Move:
    """The plan after *fact*; its revision grows by one, whether or not the fact moves it.

    *now* begins deadlines; *verify_within* is how long the traffic may take to show the candidate and the alerts to resolve. A decision that a
    judgement brings carries the judgement's own time (event time).
    """
    heard = replace(plan, revision=plan.revision + 1)
    return _moved(heard, fact, now, verify_within) if type(fact) in _HEARD[plan.step] else Move(heard)


def observed(plan: Plan | None, live: str | None, *, firing: bool) -> tuple[Fact, ...]:
    """What an evaluation must tell an open *plan*, in order: each fact once, and only where it can move the plan.

    Args:
        plan: the open one; None: nothing is to be told.
        live: the live version after the evaluation, as the traffic shows it.
        firing: whether an alert of the plan's incident still fires.
    """
    if plan is None or live is None:
        return ()
    match plan.step:
        case Step.ON_TRIAL | Step.AWAITING_APPROVAL:
            if live != plan.live:
                return (Serving(live),)
            return (AllResolved(),) if plan.step is Step.AWAITING_APPROVAL and not firing else ()
        case Step.SWITCHING | Step.VERIFYING:
            serving = plan.serving_at is not None
            seen: tuple[Fact, ...] = (Serving(live),) if not serving and live == plan.candidate else ()
            done = plan.step is Step.VERIFYING and (serving or bool(seen)) and not firing
            return (*seen, AllResolved()) if done else seen
        case Step.ROLLED_BACK | Step.HELD | Step.FAILED | Step.CANCELLED:
            return ()
        case _:
            assert_never(plan.step)


def _moved(plan: Plan, fact: Fact, now: datetime, verify_within: timedelta) -> Move:  # noqa: PLR0911  one arm a fact
    match fact:
        case Judged():
            return _judged(plan, fact, now)
        case Approved():
            return _approved(plan, fact, now)
        case Refused():
            return _ended(plan, Step.HELD, f"{fact.by} refused to go back to {plan.candidate}")
        case Prepared():
            return Move(replace(plan, prepared=fact.token))
        case Switched():
            return _switched(plan, fact, now, verify_within)
        case SwitchFailed():
            return _switch_failed(plan, fact)
        case Serving():
            return _serving(plan, fact, now)
        case AllResolved():
            return _all_resolved(plan)
        case DeadlinePassed():
            return _deadline_passed(plan, fact)
        case Fired() | Frozen():
            return Move(plan)
        case _:
            assert_never(fact)


@dataclass(frozen=True, slots=True)
class _Answer:
    """Where a judgement leads, and the reason that is printed and told."""

    step: Step
    reason: str


def _judged(plan: Plan, fact: Judged, now: datetime) -> Move:
    answer = _answer(plan, fact)
    judged = replace(
        plan,
        step=answer.step,
        candidate=fact.candidate,
        verdict=fact.verdict,
        diagnosis=fact.diagnosis,
        reason=answer.reason,
        judged_at=fact.judged_at,
        deadline=now + APPROVAL_WITHIN if answer.step is Step.AWAITING_APPROVAL else None,
    )
    kind = DecisionKind.ROLL_BACK if answer.step is Step.SWITCHING else DecisionKind.HOLD
    return Move(judged, (_decision(judged, kind, fact.judged_at),), wording.verdict(judged))


def _answer(plan: Plan, fact: Judged) -> _Answer:
    """Only ACCEPT acts, and only where nothing holds it."""
    match fact.verdict:
        case Verdict.ACCEPT:
            return _accepted(plan, fact)
        case Verdict.INCONCLUSIVE | Verdict.REJECT | Verdict.BROKEN:
            asked = fact.approval_asked and fact.candidate is not None and plan.rollback and not plan.dry_run
            return _Answer(Step.AWAITING_APPROVAL, f"{fact.reason}; approval asked") if asked else _Answer(Step.HELD, fact.reason)
        case _:
            assert_never(fact.verdict)


def _accepted(plan: Plan, fact: Judged) -> _Answer:
    if not plan.rollback:
        return _Answer(Step.HELD, f"shadow only, the rule asks for no rollback: {fact.reason}")
    if plan.dry_run:
        return _Answer(Step.HELD, f"dry run, would have gone back to {fact.candidate}: {fact.reason}")
    if fact.candidate is None:
        return _Answer(Step.HELD, f"no candidate is named: {fact.reason}")
    if fact.guards:
        return _Answer(Step.HELD, f"{'; '.join(fact.guards)}; evidence: {fact.reason}")
    if plan.approval_required or fact.approval_asked:
        return _Answer(Step.AWAITING_APPROVAL, f"{fact.reason}; approval asked")
    return _Answer(Step.SWITCHING, fact.reason)


def _approved(plan: Plan, fact: Approved, now: datetime) -> Move:
    """A person's approval acts under the same guards; it must name the candidate that was asked for."""
    if fact.candidate != plan.candidate:
        return Move(plan, (), f"{fact.by} approved {fact.candidate}, but {plan.candidate} is what was asked: still awaiting approval")
    if fact.guards:
        return Move(plan, (), f"{fact.by} approved {fact.candidate}, held: {'; '.join(fact.guards)}")
    switching = replace(plan, step=Step.SWITCHING, deadline=None)
    decision = replace(_decision(switching, DecisionKind.ROLL_BACK, now), reason=f"approved by {fact.by} ({fact.origin}): {plan.reason}")
    return Move(switching, (decision,), f"{fact.by} approved: going back to {plan.candidate}")


def _switched(plan: Plan, fact: Switched, now: datetime, verify_within: timedelta) -> Move:
    if fact.dry_run:
        return _ended(plan, Step.HELD, f"dry run: {fact.target} would have been switched from {fact.before} to {fact.after}")
    verifying = replace(plan, step=Step.VERIFYING, switched_at=now, deadline=now + verify_within)
    return Move(verifying, (), f"switched from {fact.before} to {fact.after} ({fact.target}); waiting for the traffic to show it")


def _switch_failed(plan: Plan, fact: SwitchFailed) -> Move:
    if fact.void:
        return _ended(plan, Step.CANCELLED, f"somebody else switched meanwhile, nothing was done: {fact.reason}")
    return _ended(plan, Step.FAILED, f"the switch to {plan.candidate} failed, a person must look: {fact.reason}")


def _serving(plan: Plan, fact: Serving, now: datetime) -> Move:
    """While the target is being called, its compare-and-set decides about third versions, not the traffic."""
    if plan.step in {Step.SWITCHING, Step.VERIFYING}:
        if fact.version != plan.candidate or plan.serving_at is not None:
            return Move(plan)
        return Move(replace(plan, serving_at=now), (), f"the traffic shows version {fact.version} serving")
    if fact.version == plan.live:
        return Move(plan)
    back = "rolled back" if fact.version in plan.candidates else f"switched to {fact.version}"
    return _ended(plan, Step.CANCELLED, f"a person {back} meanwhile: version {fact.version} serves, no longer {plan.live}")


def _all_resolved(plan: Plan) -> Move:
    if plan.step is Step.AWAITING_APPROVAL:
        return _ended(plan, Step.CANCELLED, "every alert resolved while approval was awaited: nothing was switched")
    if plan.serving_at is None:
        return Move(plan)
    return _ended(plan, Step.ROLLED_BACK, f"rolled back: version {plan.candidate} serves and every alert has resolved")


def _deadline_passed(plan: Plan, fact: DeadlinePassed) -> Move:
    if fact.step is not plan.step:
        return Move(plan)
    if plan.step is Step.AWAITING_APPROVAL:
        return _ended(plan, Step.HELD, "nobody approved in time: nothing was switched")
    missing = f"version {plan.candidate} does not serve" if plan.serving_at is None else f"version {plan.candidate} serves but the alerts still fire"
    return _ended(plan, Step.FAILED, f"the rollback did not help in time, a person must look: {missing}")


def _ended(plan: Plan, step: Step, note: str) -> Move:
    """An ended plan keeps the verdict's arithmetic in its reason; what ended it stands before."""
    told = note if step is Step.ROLLED_BACK or not plan.reason else f"{note}; evidence: {plan.reason}"
    return Move(replace(plan, step=step, deadline=None, reason=plan.reason if step is Step.ROLLED_BACK else told), (), note)


def _decision(plan: Plan, kind: DecisionKind, at: datetime) -> Decision:
    return Decision(kind, plan.model, at, plan.reason, live=plan.live, candidate=plan.candidate, verdict=plan.verdict, diagnosis=plan.diagnosis, plan=plan.id)
