"""Which trial an evaluation begins: of the live version, or of a canary beside it; and when one is begun again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchtower import line
from watchtower.core.opening import Response, enough
from watchtower.core.rules import Rule, RuleBook
from watchtower.core.versions import Standing
from watchtower.nouns.decision import DecisionKind
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.limits import Limits
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.step import Step
from watchtower.nouns.window import Window

MINUTE = timedelta(minutes=1)
TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
NAMED = {
    "name": "Errors",
    "model": "*",
    "version": "*",
    "when": {"kind": "above", "measure": "errors.share", "value": 0.1},
    "respond": ["rollback"],
    "severity": "page",
}
BOOK = RuleBook((Rule.model_validate(NAMED),), MINUTE)
RESPONSE = Response(Standing(healthy=("0",)), "rollouts", aborts_canaries=True)
START = Memory("fraud", served=Served(live="1", since_change=9))
BAD, FINE = 0.5, 0.0


def apply(memory: Memory, minute: int, errors: dict[str, float], shares: dict[str, float], response: Response = RESPONSE) -> Evaluation:
    """One evaluation in which each version has that share of errors, and of the traffic."""
    window = Window(TEN + minute * MINUTE, TEN + (minute + 1) * MINUTE)
    scores = {Slot(version, "", Need(MeasureName("errors", "share"))): Scores.one(share, 300) for version, share in errors.items()}
    return line.apply(Board("fraud", window, memory.served.live, scores, shares), memory, BOOK, response)


def ended(memory: Memory, **change: object) -> Memory:
    """The memory whose plan has ended, as a worker leaves it."""
    assert memory.plan is not None
    over: dict[str, object] = {"step": Step.HELD, "verdict": Verdict.REJECT, **change}
    return replace(memory, plan=replace(memory.plan, **over))  # type: ignore[arg-type]


def plan(evaluation: Evaluation | Memory) -> Plan:
    found = evaluation.memory.plan if isinstance(evaluation, Evaluation) else evaluation.plan
    assert found is not None
    return found


def test_a_canary_that_fires_is_tried_against_the_stable_version() -> None:
    opened = apply(START, 0, {"1": FINE, "2": BAD}, {"1": 0.8, "2": 0.2})
    made = plan(opened)
    assert (made.live, made.candidates, made.canary, made.aborts_canaries, made.stable) == ("2", ("1",), True, True, "1")
    begun = next(each for each in opened.decisions if each.kind is DecisionKind.BEGIN_TRIAL)
    assert begun.reason == "Errors[version=2] fired: does stable 1 do better than canary 2?"


def test_a_trial_knows_which_of_several_conditions_found() -> None:
    slow = {"kind": "above", "measure": "latency.p99", "value": 0.5}
    either = NAMED | {"when": {"kind": "any_of", "of": [slow, NAMED["when"]]}}
    window = Window(TEN, TEN + MINUTE)
    needs = {"errors.share": Need(MeasureName("errors", "share")), "latency.p99": Need(MeasureName("latency", "p99"))}
    scores = {Slot("2", "", needs[name]): Scores.one(value, 300) for name, value in (("errors.share", BAD), ("latency.p99", 0.1))}
    board = Board("fraud", window, "1", scores, {"1": 0.8, "2": 0.2})
    opened = line.apply(board, START, RuleBook((Rule.model_validate(either),), MINUTE), RESPONSE)
    assert plan(opened).fired == (("Errors", "errors.share"),)


def test_a_canarys_page_does_not_count_against_the_live_versions_health() -> None:
    assert apply(START, 0, {"1": FINE, "2": BAD}, {"1": 0.8, "2": 0.2}).memory.served.quiet_windows == {"1": 1}
    assert apply(START, 0, {"1": BAD}, {"1": 1.0}).memory.served.quiet_windows == {"1": 0}


def test_the_live_version_comes_first_and_then_the_canary_each_once() -> None:
    errors, shares = {"1": BAD, "2": BAD}, {"1": 0.8, "2": 0.2}
    memory = apply(START, 0, errors, shares).memory
    assert (plan(memory).live, plan(memory).canary, plan(memory).candidates) == ("1", False, ("0",))
    memory = apply(ended(memory), 1, errors, shares).memory
    assert (plan(memory).live, plan(memory).canary) == ("2", True)
    for minute in range(2, 6):
        evaluation = apply(ended(memory), minute, errors, shares)
        memory = evaluation.memory
        assert evaluation.facts == ()
    assert [(each.live, each.canary) for each in (plan(memory), *memory.others)] == [("2", True), ("1", False)]


def test_a_version_without_traffic_is_no_canary() -> None:
    assert apply(START, 0, {"1": FINE, "2": BAD}, {"1": 0.995, "2": 0.005}).memory.plan is None


def test_a_canary_whose_traffic_goes_away_ends_its_trial() -> None:
    opened = apply(START, 0, {"1": FINE, "2": BAD}, {"1": 0.8, "2": 0.2}).memory
    after = apply(opened, 1, {"1": FINE, "2": BAD}, {"1": 1.0, "2": 0.0})
    assert plan(after).step is Step.CANCELLED
    assert [fact.kind for fact in after.facts] == ["faded"]


def test_an_aborted_canary_is_over_once_its_traffic_fell_away_and_its_alert_resolved() -> None:
    memory = apply(START, 0, {"1": FINE, "2": BAD}, {"1": 0.8, "2": 0.2}).memory
    aborted = replace(plan(memory), step=Step.VERIFYING, candidate="1", verdict=Verdict.ACCEPT, switched_at=TEN, deadline=TEN + 60 * MINUTE)
    memory = replace(memory, plan=aborted)
    kinds: list[str] = []
    for minute in range(1, 5):
        evaluation = apply(memory, minute, {"1": FINE}, {"1": 1.0})
        memory, kinds = evaluation.memory, [*kinds, *(fact.kind for fact in evaluation.facts)]
    assert (kinds, plan(memory).step) == (["faded", "all_resolved"], Step.ROLLED_BACK)
    assert memory.served.rolled_back_from == ("2",)


def test_what_a_guard_held_is_tried_again_only_once_it_has_cleared() -> None:
    errors, shares = {"1": BAD}, {"1": 1.0}
    memory = ended(apply(START, 0, errors, shares).memory, verdict=Verdict.ACCEPT, guards=("cooldown: 12m since the last rollback < 1h",), again=("max_age",))
    memory = apply(memory, 1, errors, shares).memory
    assert plan(memory).step is Step.HELD
    cleared = replace(memory, plan=replace(plan(memory), cleared=True))
    again = apply(cleared, 2, errors, shares)
    assert (plan(again).step, plan(again).again) == (Step.ON_TRIAL, ("max_age", "cooldown"))
    begun = next(each for each in again.decisions if each.kind is DecisionKind.BEGIN_TRIAL)
    assert begun.reason.endswith("would version 0 do better than live 1? (max_age, cooldown has cleared)")


def test_a_plan_by_hand_stands_in_the_way_of_no_trial() -> None:
    errors, shares = {"1": BAD}, {"1": 1.0}
    memory = apply(START, 0, errors, shares).memory
    by_hand = replace(ended(memory), others=(), plan=replace(plan(ended(memory)), by="ana@host"))
    assert plan(apply(by_hand, 1, errors, shares)).step is Step.ON_TRIAL


@pytest.mark.parametrize(
    ("rule", "windows"),
    [
        ({}, 10),
        ({"over": "5 windows", "hold": "2 windows", "keep_firing": "4 windows"}, 14),
        ({"over": "30m", "hold": "5m"}, 38),
        ({"over": "at least 5000 rows", "keep_firing": "20m"}, 34),
    ],
)
def test_alerts_have_the_time_that_their_rules_need_to_resolve(rule: dict[str, str], windows: int) -> None:
    assert enough([Rule.model_validate(NAMED | rule)], MINUTE) == windows * MINUTE


def test_the_limits_of_a_plan_are_those_of_its_opening() -> None:
    written = replace(RESPONSE, limits=Limits(verify_within=3 * MINUTE, forward=True), resolve_within=7 * MINUTE)
    made = plan(apply(START, 0, {"1": BAD}, {"1": 1.0}, written))
    assert made.limits == Limits(verify_within=3 * MINUTE, resolve_within=7 * MINUTE, forward=True)
    assert plan(apply(START, 0, {"1": BAD}, {"1": 1.0})).limits.resolve_within == 10 * MINUTE
