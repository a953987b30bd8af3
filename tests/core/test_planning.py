"""The plan's table of (step, fact)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchtower.core.observing import observed
from watchtower.core.planning import FACTS as KINDS
from watchtower.core.planning import TABLE, advance, ask, open_plan
from watchtower.nouns.alert import AlertId
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.evidence import Diagnosis, Verdict
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
        (SWITCHING, Unreached("nobody answers", NOW), Step.SWITCHING, "is called again until"),
        (SWITCHING, Serving("3"), Step.SWITCHING, ""),
        (SWITCHING, Serving("1"), Step.SWITCHING, "version 1 serving"),
        (VERIFYING, Serving("1"), Step.VERIFYING, "version 1 serving"),
        (VERIFYING, Serving("2"), Step.VERIFYING, ""),
        (VERIFYING, AllResolved(), Step.VERIFYING, ""),
        (SERVING, AllResolved(), Step.ROLLED_BACK, "rolled back"),
        (VERIFYING, DeadlinePassed(Step.VERIFYING), Step.FAILED, "does not serve"),
        (SERVING, DeadlinePassed(Step.VERIFYING), Step.FAILED, "alerts still fire"),
        (SERVING, DeadlinePassed(Step.VERIFYING, evaluated=False), Step.FAILED, "is not known"),
        (VERIFYING, Serving("3"), Step.CANCELLED, "a person switched to 3"),
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
    Asked("fraud", "2", "1", "ana", "cli", NOW),
    judged(),
    Approved("a", "cli", "1"),
    Refused("a", "cli"),
    Prepared("directory", "2", "t"),
    Switched("directory", "2", "1"),
    SwitchFailed("x", void=False),
    Unreached("nobody answers", NOW + timedelta(minutes=5)),
    Serving("3"),
    Faded("2"),
    AllResolved(),
    DeadlinePassed(Step.VERIFYING),
    Frozen("frozen: a"),
    Stopped(("max_age: a",)),
    Cleared(("frozen",)),
]
RETURNING = replace(SERVING, step=Step.RETURNING, limits=Limits(forward=True))
GUARDED = replace(JUDGED, step=Step.HELD, guards=("frozen: a",))
PLANS = {
    Step.ON_TRIAL: ON_TRIAL,
    Step.AWAITING_APPROVAL: AWAITING,
    Step.SWITCHING: SWITCHING,
    Step.VERIFYING: SERVING,
    Step.RETURNING: RETURNING,
    Step.ROLLED_BACK: replace(SERVING, step=Step.ROLLED_BACK),
    Step.HELD: GUARDED,
    Step.FAILED: replace(SERVING, step=Step.FAILED),
    Step.CANCELLED: replace(JUDGED, step=Step.CANCELLED),
}
OUTCOMES = {
    (Step.ON_TRIAL, "judged"): Step.SWITCHING,
    (Step.ON_TRIAL, "serving"): Step.CANCELLED,
    (Step.AWAITING_APPROVAL, "approved"): Step.SWITCHING,
    (Step.AWAITING_APPROVAL, "refused"): Step.HELD,
    (Step.AWAITING_APPROVAL, "serving"): Step.CANCELLED,
    (Step.AWAITING_APPROVAL, "all_resolved"): Step.CANCELLED,
    (Step.SWITCHING, "switched"): Step.VERIFYING,
    (Step.SWITCHING, "switch_failed"): Step.FAILED,
    (Step.SWITCHING, "frozen"): Step.HELD,
    (Step.SWITCHING, "stopped"): Step.HELD,
    (Step.VERIFYING, "serving"): Step.CANCELLED,
    (Step.VERIFYING, "all_resolved"): Step.ROLLED_BACK,
    (Step.VERIFYING, "deadline_passed"): Step.FAILED,
    (Step.RETURNING, "switched"): Step.FAILED,
    (Step.RETURNING, "switch_failed"): Step.FAILED,
    (Step.RETURNING, "frozen"): Step.FAILED,
    (Step.RETURNING, "stopped"): Step.FAILED,
}
"""Where each fact leads each step; every other pair stays where it is."""


def test_the_table_has_every_pair_of_step_and_fact() -> None:
    assert set(TABLE) == {(step, kind) for step in Step for kind in KINDS}
    assert {type(fact) for fact in FACTS} == set(KINDS)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind)
@pytest.mark.parametrize("step", list(Step), ids=str)
def test_every_pair_of_step_and_fact_leads_where_it_should(step: Step, fact: Fact) -> None:
    assert advance(PLANS[step], fact, NOW).plan.step is OUTCOMES.get((step, fact.kind), step)


def test_a_frozen_plan_that_was_not_yet_called_ends_held_and_says_by_what() -> None:
    move = advance(SWITCHING, Frozen("frozen: ana froze fraud until it is thawed, 5s ago"), NOW)
    assert (move.plan.step, move.plan.guards) == (Step.HELD, ("frozen: ana froze fraud until it is thawed, 5s ago",))
    assert [each.kind for each in move.decisions] == [DecisionKind.HOLD]
    assert "nothing was switched" in move.note
    assert ARITHMETIC in move.plan.reason


def test_guards_that_clear_are_noted_once() -> None:
    held = advance(ON_TRIAL, judged(guards=("cooldown: 12m since the last rollback < 1h",)), NOW).plan
    cleared = advance(held, Cleared(("cooldown",)), NOW)
    assert (cleared.plan.step, cleared.plan.cleared) == (Step.HELD, True)
    assert "cooldown no longer holds" in cleared.note
    assert advance(cleared.plan, Cleared(("cooldown",)), NOW).note == ""
    assert advance(replace(held, guards=()), Cleared(("cooldown",)), NOW).plan.cleared is False


def test_a_person_who_switches_elsewhere_after_the_switch_cancels_the_plan() -> None:
    assert "switched to 3 meanwhile" in advance(VERIFYING, Serving("3"), NOW).note
    assert advance(SERVING, Serving("2"), NOW).plan.step is Step.CANCELLED
    assert advance(VERIFYING, Serving("2"), NOW).plan.step is Step.VERIFYING


def test_the_alerts_have_their_time_from_when_the_traffic_showed_the_candidate() -> None:
    short = replace(VERIFYING, limits=Limits(resolve_within=timedelta(minutes=4)))
    seen = advance(short, Serving("1", NOW + timedelta(minutes=1)), NOW + timedelta(minutes=2)).plan
    assert (seen.serving_at, seen.deadline) == (NOW + timedelta(minutes=1), NOW + timedelta(minutes=5))


@pytest.mark.parametrize("plan", [VERIFYING, SERVING], ids=["does not serve", "alerts still fire"])
def test_where_asked_it_goes_forward_again_once_and_then_tells_both_switches(plan: Plan) -> None:
    move = advance(replace(plan, prepared="t", limits=Limits(forward=True)), DeadlinePassed(Step.VERIFYING), NOW)
    assert (move.plan.step, move.plan.prepared) == (Step.RETURNING, None)
    assert [(each.kind, each.live, each.candidate) for each in move.decisions] == [(DecisionKind.FORWARD, "1", "2")]
    over = advance(move.plan, Switched("directory", "1", "2"), NOW + timedelta(minutes=1))
    assert over.plan.step is Step.FAILED
    assert over.note.startswith("switched from 2 to 1 at 2026-11-20 10:00:00 UTC, which did not help, and from 1 to 2 again at 2026-11-20 10:01:00 UTC")


def test_an_approval_that_comes_too_late_switches_nothing() -> None:
    move = advance(AWAITING, Approved("ana", "cli", "1"), NOW + APPROVAL_WITHIN)
    assert (move.plan.step, move.decisions) == (Step.HELD, ())
    assert "too late" in move.note


def test_an_approval_that_a_guard_holds_is_used_up() -> None:
    assert advance(AWAITING, Approved("ana", "cli", "1", guards=("frozen: a",)), NOW).plan.approved_by == "ana"


CANARY = open_plan(replace(FIRED, candidates=("1",), canary=True, aborts_canaries=True), "p1", "i1", NOW).plan


def test_a_canary_is_aborted_not_rolled_back() -> None:
    move = advance(CANARY, judged(), NOW)
    assert (move.plan.step, move.plan.stable) == (Step.SWITCHING, "1")
    assert [(each.kind, each.live, each.candidate) for each in move.decisions] == [(DecisionKind.ABORT, "2", "1")]
    aborted = advance(move.plan, Switched("rollouts", "2", "1"), NOW).plan
    seen = advance(aborted, Faded("2", NOW), NOW).plan
    assert advance(aborted, AllResolved(), NOW).plan.step is Step.VERIFYING
    assert advance(seen, AllResolved(), NOW).note == "canary 2 has no traffic any more and every alert has resolved"


def test_where_the_target_cannot_abort_the_decision_is_told_and_the_plan_ends() -> None:
    move = advance(replace(CANARY, aborts_canaries=False, approval_required=True), judged(), NOW)
    assert (move.plan.step, move.decisions[0].kind) == (Step.HELD, DecisionKind.ABORT)
    assert move.plan.reason.startswith("target directory cannot take a canary's traffic away: abort canary 2 where its rollout was begun")


@pytest.mark.parametrize(
    ("plan", "fact", "words"),
    [
        (CANARY, Faded("2"), "took the traffic of canary 2 away"),
        (CANARY, Serving("2"), "version 2 became live"),
        (ON_TRIAL, Faded("2"), ""),
        (CANARY, Serving("1"), ""),
    ],
)
def test_a_canary_that_is_gone_or_promoted_ends_its_trial(plan: Plan, fact: Fact, words: str) -> None:
    move = advance(plan, fact, NOW)
    assert (move.plan.step is Step.CANCELLED) is bool(words)
    assert words in move.note


@pytest.mark.parametrize(
    ("plan", "live", "shares", "facts"),
    [
        (CANARY, "1", {"1": 0.8, "2": 0.2}, ()),
        (CANARY, "1", {"1": 0.995, "2": 0.005}, (Faded("2", NOW),)),
        (CANARY, "1", {"1": 0.0, "2": 0.0}, ()),
        (CANARY, "2", {"2": 1.0}, (Serving("2", NOW),)),
        (replace(CANARY, step=Step.VERIFYING), "1", {"1": 1.0}, (Faded("2", NOW), AllResolved(NOW))),
        (replace(CANARY, step=Step.VERIFYING), "1", {"1": 0.9, "2": 0.1}, ()),
        (SERVING, "2", {"2": 1.0}, (Serving("2", NOW),)),
        (VERIFYING, "3", {"3": 1.0}, (Serving("3", NOW),)),
    ],
)
def test_shares_and_strangers_are_observed(plan: Plan, live: str, shares: dict[str, float], facts: tuple[Fact, ...]) -> None:
    assert observed(plan, live, firing=False, at=NOW, shares=shares) == facts


def test_a_rollback_by_hand_begins_with_the_switch_or_is_held() -> None:
    asked = Asked("fraud", "2", "1", "ana@host", "cli host", NOW, "directory", "it looks wrong")
    move = ask(asked, "p1", "i1", NOW)
    assert (move.plan.step, move.plan.candidate, move.plan.by) == (Step.SWITCHING, "1", "ana@host")
    assert move.decisions[0].reason == "ana@host (cli host) asked to go back from 2 to 1: it looks wrong"
    held = ask(replace(asked, guards=("frozen: a",)), "p1", "i1", NOW)
    assert (held.plan.step, held.decisions[0].kind) == (Step.HELD, DecisionKind.HOLD)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind)
@pytest.mark.parametrize("step", [Step.ROLLED_BACK, Step.HELD, Step.FAILED, Step.CANCELLED])
def test_an_ended_plan_records_facts_and_does_nothing(step: Step, fact: Fact) -> None:
    plan = replace(JUDGED, step=step)
    move = advance(plan, fact, NOW)
    assert move.plan == replace(plan, revision=plan.revision + 1)
    assert (move.decisions, move.note) == ((), "")


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind)
@pytest.mark.parametrize("plan", PLANS.values(), ids=lambda plan: plan.step)
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
