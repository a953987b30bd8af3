"""The plan's table of (step, fact)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchtower.core.observing import observed
from watchtower.core.planning import advance, open_plan
from watchtower.nouns.alert import AlertId
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.facts import AllResolved, Approved, DeadlinePassed, Fact, Fired, Frozen, Judged, Refused, Serving, Switched, SwitchFailed
from watchtower.nouns.limits import Limits
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step

APPROVAL_WITHIN = timedelta(hours=24)
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
THROUGH = NOW - timedelta(seconds=30)
ALERT = AlertId("PredictionDrift", "fraud", "", "")
ARITHMETIC = "candidate error 0.031 < live error 0.094 (n=2,048, p=3e-09)"
FIRED = Fired(
    "fraud", "2", (ALERT,), NOW, ("1", "0"), rollback=True, dry_run=False, respond_measures=(("PredictionDrift", "prediction.psi"),), target="directory"
)
ON_TRIAL = open_plan(FIRED, "p1", "i1", NOW).plan
JUDGED = replace(ON_TRIAL, candidate="1", verdict=Verdict.ACCEPT, diagnosis=Diagnosis.MODEL_REGRESSION, reason=ARITHMETIC, judged_at=THROUGH)
AWAITING = replace(JUDGED, step=Step.AWAITING_APPROVAL, deadline=NOW + APPROVAL_WITHIN)
SWITCHING = replace(JUDGED, step=Step.SWITCHING)
VERIFYING = replace(JUDGED, step=Step.VERIFYING, switched_at=NOW, deadline=NOW + timedelta(minutes=10))
SERVING = replace(VERIFYING, serving_at=NOW)


def judged(verdict: Verdict = Verdict.ACCEPT, *, candidate: str | None = "1", guards: tuple[str, ...] = (), asked: bool = False) -> Judged:
    return Judged(verdict, Diagnosis.MODEL_REGRESSION, ARITHMETIC, candidate, THROUGH, guards, asked)


def test_a_fired_rule_opens_a_plan_and_begins_a_trial_that_names_alerts_and_candidates() -> None:
    move = open_plan(FIRED, "p1", "i1", NOW)
    reason = "PredictionDrift[] fired: would version 1 or 0 do better than live 2?"
    assert move.decisions == (Decision(DecisionKind.BEGIN_TRIAL, "fraud", NOW, reason, live="2", candidate="1", plan="p1"),)
    assert move.plan == Plan("p1", "fraud", "i1", Step.ON_TRIAL, "2", ("1", "0"), NOW, target="directory", fired=(("PredictionDrift", "prediction.psi"),))


def test_a_plan_without_candidates_begins_its_trial_all_the_same_and_says_so() -> None:
    move = open_plan(replace(FIRED, candidates=()), "p1", "i1", NOW)
    assert "no earlier healthy version" in move.decisions[0].reason
    assert move.decisions[0].candidate is None


def test_only_an_accepted_trial_that_nothing_holds_rolls_back() -> None:
    move = advance(ON_TRIAL, judged(), NOW)
    assert move.plan.step is Step.SWITCHING
    assert move.decisions == (
        Decision(
            DecisionKind.ROLL_BACK,
            "fraud",
            THROUGH,
            ARITHMETIC,
            live="2",
            candidate="1",
            verdict=Verdict.ACCEPT,
            diagnosis=Diagnosis.MODEL_REGRESSION,
            plan="p1",
        ),
    )


@pytest.mark.parametrize(
    ("plan", "fact", "step", "words"),
    [
        (ON_TRIAL, judged(guards=("cooldown: 12m since the last rollback < 1h",)), Step.HELD, "cooldown: 12m since the last rollback < 1h"),
        (ON_TRIAL, judged(guards=("frozen: a", "max_age: b")), Step.HELD, "frozen: a; max_age: b"),
        (ON_TRIAL, judged(asked=True), Step.AWAITING_APPROVAL, "approval asked"),
        (ON_TRIAL, judged(candidate=None), Step.HELD, "no candidate is named"),
        (replace(ON_TRIAL, approval_required=True), judged(), Step.AWAITING_APPROVAL, "approval asked"),
        (replace(ON_TRIAL, approval_required=True), judged(guards=("frozen: a",)), Step.HELD, "frozen: a"),
        (replace(ON_TRIAL, dry_run=True), judged(), Step.HELD, "dry run"),
        (replace(ON_TRIAL, dry_run=True), judged(asked=True), Step.HELD, "dry run"),
        (replace(ON_TRIAL, rollback=False), judged(), Step.HELD, "shadow only"),
        (ON_TRIAL, judged(Verdict.REJECT), Step.HELD, ARITHMETIC),
        (ON_TRIAL, judged(Verdict.BROKEN, candidate=None), Step.HELD, ARITHMETIC),
        (ON_TRIAL, judged(Verdict.INCONCLUSIVE), Step.HELD, ARITHMETIC),
        (ON_TRIAL, judged(Verdict.INCONCLUSIVE, asked=True), Step.AWAITING_APPROVAL, "approval asked"),
        (ON_TRIAL, judged(Verdict.INCONCLUSIVE, candidate=None, asked=True), Step.HELD, ARITHMETIC),
        (replace(ON_TRIAL, dry_run=True), judged(Verdict.INCONCLUSIVE, asked=True), Step.HELD, ARITHMETIC),
    ],
)
def test_whatever_does_not_act_is_held_with_the_trials_verdict_and_arithmetic(plan: Plan, fact: Judged, step: Step, words: str) -> None:
    move = advance(plan, fact, NOW)
    (decision,) = move.decisions
    assert move.plan.step is step
    assert (decision.kind, decision.verdict, decision.diagnosis, decision.candidate) == (DecisionKind.HOLD, fact.verdict, fact.diagnosis, fact.candidate)
    assert words in decision.reason
    assert ARITHMETIC in decision.reason
    assert (move.plan.deadline == NOW + APPROVAL_WITHIN) is (step is Step.AWAITING_APPROVAL)


@pytest.mark.parametrize(
    ("plan", "fact", "step", "note"),
    [
        (ON_TRIAL, Serving("2"), Step.ON_TRIAL, ""),
        (ON_TRIAL, Serving("1"), Step.CANCELLED, "a person rolled back meanwhile"),
        (ON_TRIAL, Serving("3"), Step.CANCELLED, "a person switched to 3 meanwhile"),
        (ON_TRIAL, AllResolved(), Step.ON_TRIAL, ""),
        (AWAITING, Serving("3"), Step.CANCELLED, "version 3 serves"),
        (AWAITING, AllResolved(), Step.CANCELLED, "every alert resolved"),
        (AWAITING, Refused("ana", "api"), Step.HELD, "ana refused"),
        (AWAITING, DeadlinePassed(Step.AWAITING_APPROVAL), Step.HELD, "nobody approved in time"),
        (AWAITING, DeadlinePassed(Step.VERIFYING), Step.AWAITING_APPROVAL, ""),
        (AWAITING, Approved("ana", "cli", "0"), Step.AWAITING_APPROVAL, "1 is what was asked"),
        (AWAITING, Approved("ana", "cli", "1", guards=("frozen: a",)), Step.AWAITING_APPROVAL, "held: frozen: a"),
        (SWITCHING, Switched("directory", "2", "1"), Step.VERIFYING, "switched from 2 to 1"),
        (SWITCHING, Switched("directory", "2", "1", dry_run=True), Step.HELD, "would have been switched"),
        (SWITCHING, SwitchFailed("current names 3", void=True), Step.CANCELLED, "somebody else switched"),
        (SWITCHING, SwitchFailed("no such folder", void=False), Step.FAILED, "a person must look"),
        (SWITCHING, Serving("3"), Step.SWITCHING, ""),
        (SWITCHING, Serving("1"), Step.SWITCHING, "version 1 serving"),
        (VERIFYING, Serving("1"), Step.VERIFYING, "version 1 serving"),
        (VERIFYING, Serving("2"), Step.VERIFYING, ""),
        (VERIFYING, AllResolved(), Step.VERIFYING, ""),
        (SERVING, AllResolved(), Step.ROLLED_BACK, "rolled back"),
        (VERIFYING, DeadlinePassed(Step.VERIFYING), Step.FAILED, "does not serve"),
        (SERVING, DeadlinePassed(Step.VERIFYING), Step.FAILED, "alerts still fire"),
    ],
)
def test_a_step_answers_the_facts_that_it_listens_to(plan: Plan, fact: Fact, step: Step, note: str) -> None:
    move = advance(plan, fact, NOW)
    assert move.plan.step is step
    assert move.decisions == ()
    assert (note in move.note) if note else move.note == ""


def test_a_persons_approval_rolls_back_and_says_who_it_was() -> None:
    move = advance(AWAITING, Approved("ana", "cli", "1"), NOW)
    assert move.plan.step is Step.SWITCHING
    assert [(each.kind, each.candidate) for each in move.decisions] == [(DecisionKind.ROLL_BACK, "1")]
    assert "ana" in move.decisions[0].reason
    assert ARITHMETIC in move.decisions[0].reason


def test_the_deadline_of_verifying_is_as_long_as_asked() -> None:
    short = replace(SWITCHING, limits=Limits(verify_within=timedelta(minutes=3)))
    assert advance(short, Switched("directory", "2", "1"), NOW).plan.deadline == NOW + timedelta(minutes=3)


def test_traffic_that_shows_the_candidate_before_the_switch_is_recorded_is_remembered() -> None:
    serving = advance(SWITCHING, Serving("1"), NOW).plan
    verifying = advance(serving, Switched("directory", "2", "1"), NOW).plan
    assert advance(verifying, AllResolved(), NOW).plan.step is Step.ROLLED_BACK


FACTS: list[Fact] = [
    FIRED,
    judged(),
    Approved("a", "cli", "1"),
    Refused("a", "cli"),
    Switched("directory", "2", "1"),
    SwitchFailed("x", void=False),
    Serving("3"),
    AllResolved(),
    DeadlinePassed(Step.VERIFYING),
    Frozen("a"),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind)
@pytest.mark.parametrize("step", [Step.ROLLED_BACK, Step.HELD, Step.FAILED, Step.CANCELLED])
def test_an_ended_plan_records_facts_and_does_nothing(step: Step, fact: Fact) -> None:
    plan = replace(JUDGED, step=step)
    move = advance(plan, fact, NOW)
    assert move.plan == replace(plan, revision=plan.revision + 1)
    assert (move.decisions, move.note) == ((), "")


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind)
@pytest.mark.parametrize("plan", [ON_TRIAL, AWAITING, SWITCHING, VERIFYING, SERVING], ids=lambda plan: plan.step)
def test_every_fact_counts_as_one_revision(plan: Plan, fact: Fact) -> None:
    assert advance(plan, fact, NOW).plan.revision == plan.revision + 1


@pytest.mark.parametrize(
    ("plan", "live", "firing", "facts"),
    [
        (None, "2", True, ()),
        (ON_TRIAL, None, True, ()),
        (ON_TRIAL, "2", True, ()),
        (ON_TRIAL, "2", False, ()),
        (ON_TRIAL, "1", True, (Serving("1"),)),
        (AWAITING, "2", False, (AllResolved(),)),
        (AWAITING, "3", False, (Serving("3"),)),
        (SWITCHING, "2", True, ()),
        (SWITCHING, "1", False, (Serving("1"),)),
        (SWITCHING, "3", True, ()),
        (VERIFYING, "2", False, ()),
        (VERIFYING, "1", True, (Serving("1"),)),
        (VERIFYING, "1", False, (Serving("1"), AllResolved())),
        (SERVING, "1", True, ()),
        (SERVING, "1", False, (AllResolved(),)),
        (replace(JUDGED, step=Step.HELD), "1", False, ()),
    ],
)
def test_an_evaluation_tells_a_plan_each_fact_once(plan: Plan | None, live: str | None, firing: bool, facts: tuple[Fact, ...]) -> None:  # noqa: FBT001
    assert observed(plan, live, firing=firing) == facts
