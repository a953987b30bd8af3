"""The line after a closed window: what it remembers and begins."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from watchtower import line
from watchtower.core import versions
from watchtower.core.rules import Rule, RuleBook
from watchtower.core.versions import Standing
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.memory import Memory, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.step import Step
from watchtower.nouns.window import Window

DAY = timedelta(days=1)
START = datetime(2026, 5, 11, tzinfo=UTC)
RULE = {"name": "Errors", "model": "*", "when": {"kind": "above", "measure": "errors.share", "value": 0.1}, "respond": ["rollback"]}
BOOK = RuleBook((Rule.model_validate(RULE),), DAY)
RESPONSE = line.Response(Standing(healthy=("1", "2", "3")))


def board(day: int, live: str, share: float = 0.5) -> Board:
    scores = {Slot(live, "", Need(MeasureName("errors", "share"))): Scores.one(share, 300)}
    return Board("fraud", Window(START + day * DAY, START + (day + 1) * DAY), live, scores, {live: 1.0})


def served(live: str, **change: object) -> Served:
    return replace(Served(live=live, since_change=9), **change)  # type: ignore[arg-type]


def test_two_trials_of_one_incident_at_the_same_time_of_day_are_two_plans() -> None:
    first = line.apply(board(0, "2"), Memory("fraud", served=served("2")), BOOK, RESPONSE).memory
    assert first.plan is not None
    held = replace(first, plan=replace(first.plan, step=Step.HELD, verdict=Verdict.REJECT), served=served("3"))
    second = line.apply(board(1, "3"), held, BOOK, RESPONSE).memory
    assert second.plan is not None
    assert second.incident is not None
    assert (second.plan.incident, second.plan.id != first.plan.id) == (first.plan.incident, True)


def test_a_share_of_zero_of_a_status_is_not_remembered_as_seen() -> None:
    scores = {Slot("1", "", Need(MeasureName("errors", "share"))): Scores.of(("", "timeout"), [(0.0, 300), (0.0, 300)])}
    memory = line.apply(Board("fraud", Window(START, START + DAY), "1", scores), Memory("fraud", served=served("1")), BOOK, RESPONSE).memory
    assert set(memory.seen) == {"errors.share||"}


def test_a_version_that_was_switched_away_from_is_no_candidate_even_where_that_did_not_help() -> None:
    plan = Plan("p", "fraud", "i", Step.FAILED, "2", ("1",), START, candidate="1", switched_at=START)
    assert versions.left(served("1"), plan).rolled_back_from == ("2",)
    assert versions.left(served("1"), replace(plan, switched_at=None)).rolled_back_from == ()


def test_windows_that_were_over_for_long_are_told_once_and_begin_no_trial_before_fresh_ones_come() -> None:
    late = replace(RESPONSE, max_age=timedelta(minutes=15), age=timedelta(hours=3))
    memory = Memory("fraud", served=served("2"))
    for day in range(2):
        memory = line.apply(board(day, "2"), memory, BOOK, late).memory
    assert memory.plan is None
    assert memory.incident is not None
    assert [moment.text for moment in memory.incident.timeline if moment.what == "note"] == [
        "monitoring was out: this window was over for 3h when it was evaluated, so no trial is begun before windows are fresh again"
    ]
    fresh = line.apply(board(2, "2"), memory, BOOK, replace(late, age=timedelta(minutes=1))).memory
    assert fresh.plan is not None
    assert fresh.plan.step is Step.ON_TRIAL
