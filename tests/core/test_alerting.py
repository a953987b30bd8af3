"""The life of an alert, written as patterns: 1 found, . clear, _ unknown."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from watchtower.conditions.above import Above
from watchtower.core.alerting import evaluate
from watchtower.core.rules import Rule, RuleBook
from watchtower.nouns.alert import Alert
from watchtower.nouns.score import Board, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.window import Window

START = datetime(2026, 5, 11, 6, tzinfo=UTC)
SIZE = timedelta(seconds=30)
ERRORS = MeasureName("errors", "share")


def board(i: int, what: str, live: str = "1", versions: dict[str, float] | None = None) -> Board:
    scores = Scores.none([""], "no rows") if what == "_" else Scores.one(0.2 if what == "1" else 0.0, 300)
    window = Window(START + i * SIZE, START + (i + 1) * SIZE)
    return Board("fraud", window, live, {Slot(live, "", Need(ERRORS, Over())): scores}, versions if versions is not None else {live: 1.0})


def rule(**change: object) -> Rule:
    return Rule.model_validate({"name": "Errors", "model": "*", "when": {"kind": "above", "measure": "errors.share", "value": 0.1}} | change)


def played(pattern: str, which: Rule, lives: str = "") -> list[str]:
    alerts: tuple[Alert, ...] = ()
    told, before = [], None
    for i, what in enumerate(pattern):
        live = lives[i] if lives else "1"
        alerts, changes = evaluate(board(i, what, live), alerts, RuleBook((which,), SIZE), live_changed=before not in (None, live))
        told += [f"{change.alert.state}@{i}" for change in changes]
        before = live
    return told


@pytest.mark.parametrize(
    ("change", "pattern", "told"),
    [
        ({}, ".1.1", ["firing@1", "resolved@2", "firing@3"]),
        ({"hold": "3 windows"}, "11.111", ["pending@0", "inactive@2", "pending@3", "firing@5"]),
        ({"hold": "3 windows"}, "11__1", ["pending@0", "firing@4"]),
        ({"keep_firing": "2 windows"}, "1..1...", ["firing@0", "resolved@6"]),
        ({"keep_firing": "1 window"}, "1._.", ["firing@0", "resolved@3"]),
        ({"no_data": "fire"}, "._", ["firing@1"]),
        ({"no_data": "resolve"}, "1_", ["firing@0", "resolved@1"]),
    ],
)
def test_hold_and_keep_firing_count_consecutive_evaluations(change: dict[str, object], pattern: str, told: list[str]) -> None:
    assert played(pattern, rule(**change)) == told


def test_a_live_change_restarts_a_pending_alert_and_leaves_a_firing_one() -> None:
    assert played("1111", rule(hold="3 windows"), "1222") == ["pending@0", "inactive@1", "pending@1", "firing@3"]
    assert played("11.", rule(), "122") == ["firing@0", "resolved@2"]


def test_a_removed_rule_resolves_its_alert() -> None:
    alerts, _ = evaluate(board(0, "1"), (), RuleBook((rule(),), SIZE), live_changed=False)
    left, changes = evaluate(board(1, "1"), alerts, RuleBook((), SIZE), live_changed=False)
    assert (left, [(change.alert.state, change.reason) for change in changes]) == ((), [("resolved", "rule removed")])


def test_an_alert_of_a_named_version_resolves_after_three_windows_without_its_traffic() -> None:
    watched = RuleBook((rule(version="2"),), SIZE)
    seen = board(0, "1", "2")
    alerts, _ = evaluate(seen, (), watched, live_changed=False)
    told = []
    for i in (1, 2, 3):
        alerts, changes = evaluate(board(i, ".", "1"), alerts, watched, live_changed=False)
        told += [(i, change.alert.state, change.reason) for change in changes]
    assert told == [(3, "resolved", "version no longer serves")]


def test_a_tested_measure_needs_effect_and_significance() -> None:
    need = Need(MeasureName("drift", "psi"))
    values, p_values = np.array([0.3, 0.3, 0.05, np.nan]), np.array([1e-9, 0.0008, 1e-9, np.nan])
    scores = Scores(("a", "b", "c", "d"), values, p_values, np.full(4, 500), (None, None, None, "112 of 200 rows"))
    drifted = Board("fraud", Window(START, START + SIZE), "1", {Slot("1", "", need): scores}, {"1": 1.0})
    book = RuleBook((Rule.model_validate({"name": "Drift", "model": "*", "when": {"kind": "above", "measure": "drift.psi", "value": 0.2}}),), SIZE)
    _, changes = evaluate(drifted, (), book, live_changed=False)
    assert [change.alert.id.subject for change in changes] == ["a", "b"]
    assert [round(change.alert.p_adjusted or 0, 5) for change in changes] == [0.0, 0.0008]


def test_the_example_of_the_style_page_is_a_condition() -> None:
    assert Above.kinds() >= ("above",)


def test_a_firing_alert_of_a_subject_that_an_edited_rule_no_longer_looks_at_resolves() -> None:
    need = Need(MeasureName("drift", "psi"))
    scores = Scores(("a", "b"), np.array([0.3, 0.3]), np.array([1e-9, 1e-9]), np.full(2, 500), (None, None))
    drift = {"kind": "above", "measure": "drift.psi", "value": 0.2}
    before, after = (RuleBook((Rule.model_validate({"name": "Drift", "model": "*", "when": drift | {"feature": glob}}),), SIZE) for glob in ("*", "b"))
    boards = [Board("fraud", Window(START + i * SIZE, START + (i + 1) * SIZE), "1", {Slot("1", "", need): scores}, {"1": 1.0}) for i in range(2)]
    alerts, _ = evaluate(boards[0], (), before, live_changed=False)
    left, changes = evaluate(boards[1], alerts, after, live_changed=False)
    assert [alert.id.subject for alert in left] == ["b"]
    assert [(change.alert.id.subject, change.alert.state, change.reason) for change in changes] == [("a", "resolved", "rule changed")]


def test_an_unedited_rule_keeps_an_alert_whose_subject_is_missing_from_one_board() -> None:
    watched = RuleBook((rule(),), SIZE)
    alerts, _ = evaluate(board(0, "1"), (), watched, live_changed=False)
    left, changes = evaluate(Board("fraud", board(1, "1").window, "1", {}, {"1": 1.0}), alerts, watched, live_changed=False)
    assert (len(left), changes) == (1, ())
