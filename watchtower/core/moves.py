"""What each fact does to a plan that listens to it: the arms of the table in planning. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from watchtower.core import changes, wording
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.facts import (
    AllResolved,
    Approved,
    Cleared,
    DeadlinePassed,
    Faded,
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

LOOK = "a person must look"


@dataclass(frozen=True, slots=True)
class _Answer:
    """Where a judgement leads, the reason that is printed and told, and what is decided."""

    step: Step
    reason: str
    kind: DecisionKind = DecisionKind.HOLD
    guards: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------------- on trial


def judged(plan: Plan, fact: Judged, now: datetime) -> Move:
    """Only ACCEPT acts, and only where nothing holds it."""
    answer = _answer(plan, fact)
    after = replace(
        plan,
        step=answer.step,
        candidate=fact.candidate,
        verdict=fact.verdict,
        diagnosis=fact.diagnosis,
        reason=answer.reason,
        judged_at=fact.judged_at,
        decided_at=fact.judged_at,
        guards=answer.guards,
        asked_at=now if answer.step is Step.AWAITING_APPROVAL else None,
        deadline=now + plan.limits.approval_within if answer.step is Step.AWAITING_APPROVAL else None,
    )
    differing = changes.short(fact.evidence.get("changed"))
    note = wording.verdict(after) + (f". What differs: {differing}" if differing else "")
    return Move(after, (decision(after, answer.kind, fact.judged_at),), note)


def _answer(plan: Plan, fact: Judged) -> _Answer:
    match fact.verdict:
        case Verdict.ACCEPT:
            return _accepted(plan, fact)
        case Verdict.INCONCLUSIVE | Verdict.REJECT | Verdict.BROKEN:
            asked = fact.approval_asked and fact.candidate is not None and plan.rollback and not plan.dry_run and not _only_told(plan)
            return _Answer(Step.AWAITING_APPROVAL, f"{fact.reason}; approval asked") if asked else _Answer(Step.HELD, fact.reason)
        case _:
            assert_never(fact.verdict)


def _accepted(plan: Plan, fact: Judged) -> _Answer:  # noqa: PLR0911  one return a reason
    if not plan.rollback:
        return _Answer(Step.HELD, f"shadow only, the rule asks for no rollback: {fact.reason}")
    if plan.dry_run:
        would = f"taken the traffic of canary {plan.live} away" if plan.canary else f"gone back to {fact.candidate}"
        return _Answer(Step.HELD, f"dry run, would have {would}: {fact.reason}")
    if fact.candidate is None:
        return _Answer(Step.HELD, f"no candidate is named: {fact.reason}")
    if fact.guards:
        return _Answer(Step.HELD, f"{'; '.join(fact.guards)}; evidence: {fact.reason}", guards=fact.guards)
    if _only_told(plan):
        where = f"target {plan.target} cannot take a canary's traffic away" if plan.target else "no target is configured"
        return _Answer(Step.HELD, f"{where}: abort canary {plan.live} where its rollout was begun; evidence: {fact.reason}", DecisionKind.ABORT)
    if plan.approval_required or fact.approval_asked:
        return _Answer(Step.AWAITING_APPROVAL, f"{fact.reason}; approval asked")
    return _Answer(Step.SWITCHING, fact.reason, acting(plan))


def _only_told(plan: Plan) -> bool:
    return plan.canary and not plan.aborts_canaries


def acting(plan: Plan) -> DecisionKind:
    """What the decision to act is called: a canary is aborted, not rolled back."""
    return DecisionKind.ABORT if plan.canary else DecisionKind.ROLL_BACK


def overtaken(plan: Plan, fact: Serving, _now: datetime) -> Move:
    """Another version became live before anything was decided."""
    if fact.version == plan.stable:
        return Move(plan)
    if plan.canary:
        return ended(plan, Step.CANCELLED, f"version {fact.version} became live meanwhile, no longer {plan.stable} beside canary {plan.live}")
    back = "rolled back" if fact.version in plan.candidates else f"switched to {fact.version}"
    return ended(plan, Step.CANCELLED, f"a person {back} meanwhile: version {fact.version} serves, no longer {plan.live}")


def withdrawn(plan: Plan, fact: Faded, _now: datetime) -> Move:
    """The canary's traffic went away before anything was decided."""
    if not plan.canary or fact.version != plan.live:
        return Move(plan)
    return ended(plan, Step.CANCELLED, f"a person took the traffic of canary {plan.live} away meanwhile")


# ------------------------------------------------------------------------------------------------- awaiting approval


def approved(plan: Plan, fact: Approved, now: datetime) -> Move:
    """A person's approval acts once, in time, under the same guards; it must name the candidate that was asked for."""
    if fact.candidate != plan.candidate:
        return Move(plan, (), f"{fact.by} approved {fact.candidate}, but {plan.candidate} is what was asked: still awaiting approval")
    if plan.deadline is not None and now >= plan.deadline:
        return ended(plan, Step.HELD, f"{fact.by} approved too late, it was asked for until {wording.moment(plan.deadline)}: nothing was switched")
    if fact.guards:
        return Move(replace(plan, approved_by=fact.by), (), f"{fact.by} approved {fact.candidate}, held: {'; '.join(fact.guards)}")
    going = replace(plan, step=Step.SWITCHING, deadline=None, decided_at=now, approved_by=fact.by)
    why = f"{fact.reason}; " if fact.reason else ""
    decided = replace(decision(going, acting(plan), now), reason=f"approved by {fact.by} ({fact.origin}): {why}{plan.reason}")
    doing = f"taking the traffic of canary {plan.live} away" if plan.canary else f"going back to {plan.candidate}"
    return Move(going, (decided,), f"{fact.by} ({fact.origin}) approved: {why}{doing}")


def refused(plan: Plan, fact: Refused, _now: datetime) -> Move:
    """A person's no ends it."""
    why = f": {fact.reason}" if fact.reason else ""
    return ended(plan, Step.HELD, f"{fact.by} refused to go back to {plan.candidate}{why}")


def resolved_unapproved(plan: Plan, _fact: AllResolved, _now: datetime) -> Move:
    """Nothing fires any more, so there is nothing to approve."""
    return ended(plan, Step.CANCELLED, "every alert resolved while approval was awaited: nothing was switched")


def unapproved(plan: Plan, fact: DeadlinePassed, _now: datetime) -> Move:
    """Nobody said yes in time."""
    if fact.step is not plan.step:
        return Move(plan)
    return ended(plan, Step.HELD, "nobody approved in time: nothing was switched")


# ------------------------------------------------------------------------------------------------- switching


def prepared(plan: Plan, fact: Prepared, _now: datetime) -> Move:
    """The target's state was read; the call will act on exactly this one."""
    return Move(replace(plan, prepared=fact.token))


def switched(plan: Plan, fact: Switched, now: datetime) -> Move:
    """The target names the candidate; now the traffic must show it."""
    if fact.dry_run:
        return ended(plan, Step.HELD, f"dry run: {fact.target} would have been switched from {fact.before} to {fact.after}")
    left = plan.limits.verify_within if plan.serving_at is None else plan.limits.resolve_within
    verifying = replace(plan, step=Step.VERIFYING, switched_at=now, deadline=now + left)
    if plan.canary:
        return Move(verifying, (), f"the traffic of canary {plan.live} was taken away ({fact.target}); waiting for it to show")
    return Move(verifying, (), f"switched from {fact.before} to {fact.after} ({fact.target}); waiting for the traffic to show it")


def switch_failed(plan: Plan, fact: SwitchFailed, _now: datetime) -> Move:
    """The target did not do it, or somebody else was faster."""
    if fact.void:
        return ended(plan, Step.CANCELLED, f"somebody else switched meanwhile, nothing was done: {fact.reason}")
    return ended(plan, Step.FAILED, f"the switch to {plan.candidate} failed, {LOOK}: {fact.reason}")


def unreached(plan: Plan, fact: Unreached, _now: datetime) -> Move:
    """The target is called again; its compare-and-set makes that harmless, whether or not the call arrived."""
    return Move(
        replace(plan, deadline=fact.until), (), f"the target could not be reached and is called again until {wording.moment(fact.until)}: {fact.reason}"
    )


def frozen(plan: Plan, fact: Frozen, _now: datetime) -> Move:
    """Actions were frozen between the decision and the call."""
    return _held_before_the_call(plan, (fact.by,))


def stopped(plan: Plan, fact: Stopped, _now: datetime) -> Move:
    """A guard holds that did not when it was decided."""
    return _held_before_the_call(plan, fact.guards)


def _held_before_the_call(plan: Plan, guards: tuple[str, ...]) -> Move:
    held = replace(plan, guards=guards)
    move = ended(held, Step.HELD, f"{'; '.join(guards)}; held right before the switch, nothing was switched")
    return replace(move, decisions=(decision(move.plan, DecisionKind.HOLD, plan.decided_at or plan.opened_at),))


# ------------------------------------------------------------------------------------------------- verifying


def served(plan: Plan, fact: Serving, now: datetime) -> Move:
    """Whether the traffic shows the candidate, or that a person switched elsewhere after the target had been called.

    While the target is being called its compare-and-set decides about other versions, not the traffic.
    """
    if plan.canary:
        return Move(plan)
    if fact.version == plan.candidate:
        return _seen(plan, fact.at or now, f"the traffic shows version {fact.version} serving") if plan.serving_at is None else Move(plan)
    elsewhere = fact.version != plan.live or plan.serving_at is not None
    if plan.step is Step.VERIFYING and elsewhere:
        return ended(plan, Step.CANCELLED, f"a person switched to {fact.version} meanwhile: it serves, no longer {plan.candidate}")
    return Move(plan)


def faded(plan: Plan, fact: Faded, now: datetime) -> Move:
    """The traffic shows that the canary has none any more."""
    if not plan.canary or fact.version != plan.live or plan.serving_at is not None:
        return Move(plan)
    return _seen(plan, fact.at or now, f"the traffic shows that canary {fact.version} has none any more")


def _seen(plan: Plan, at: datetime, note: str) -> Move:
    deadline = at + plan.limits.resolve_within if plan.step is Step.VERIFYING else plan.deadline
    return Move(replace(plan, serving_at=at, deadline=deadline), (), note)


def resolved(plan: Plan, _fact: AllResolved, _now: datetime) -> Move:
    """It helped, once the traffic has shown it."""
    if plan.serving_at is None:
        return Move(plan)
    done = f"canary {plan.live} has no traffic any more" if plan.canary else f"rolled back: version {plan.candidate} serves"
    return ended(plan, Step.ROLLED_BACK, f"{done} and every alert has resolved")


def unverified(plan: Plan, fact: DeadlinePassed, now: datetime) -> Move:
    """It did not help in time: a person must look, and, where asked, the former live version is switched to again."""
    if fact.step is not plan.step:
        return Move(plan)
    wanted = f"canary {plan.live} still has traffic" if plan.canary else f"version {plan.candidate} does not serve"
    still = f"canary {plan.live} has no traffic" if plan.canary else f"version {plan.candidate} serves"
    missing = wanted if plan.serving_at is None else f"{still} but the alerts still fire"
    if not fact.evaluated:  # nothing is known of it, and going forward on that would be a switch without evidence
        return ended(plan, Step.FAILED, f"whether the rollback helped is not known, {LOOK}: no window up to its deadline was evaluated, monitoring is out")
    note = f"the rollback did not help in time, {LOOK}: {missing}"
    if plan.canary or not plan.limits.forward:
        return ended(plan, Step.FAILED, note)
    forward = replace(plan, step=Step.RETURNING, deadline=None, prepared=None, reason=f"{note}; evidence: {plan.reason}")
    decided = Decision(DecisionKind.FORWARD, plan.model, now, note, live=plan.candidate, candidate=plan.live, plan=plan.id)
    return Move(forward, (decided,), f"{note}. Going forward again from {plan.candidate} to {plan.live}")


# ------------------------------------------------------------------------------------------------- held


def cleared(plan: Plan, fact: Cleared, _now: datetime) -> Move:
    """What held it holds no longer: the next evaluation may begin a fresh trial."""
    if not plan.guards or plan.cleared:
        return Move(plan)
    names = ", ".join(fact.guards)
    return Move(replace(plan, cleared=True), (), f"{names} no longer holds going back to {plan.candidate}: a fresh trial follows while the alert fires")


def ended(plan: Plan, step: Step, note: str) -> Move:
    """An ended plan keeps the verdict's arithmetic in its reason; what ended it stands before."""
    told = note if step is Step.ROLLED_BACK or not plan.reason else f"{note}; evidence: {plan.reason}"
    return Move(replace(plan, step=step, deadline=None, reason=plan.reason if step is Step.ROLLED_BACK else told), (), note)


def decision(plan: Plan, kind: DecisionKind, at: datetime) -> Decision:
    """What is decided about *plan*, with its reason."""
    return Decision(kind, plan.model, at, plan.reason, live=plan.live, candidate=plan.candidate, verdict=plan.verdict, diagnosis=plan.diagnosis, plan=plan.id)
