"""Bounds that the daemon and replay make by themselves."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.workers._acting import MINUTE, at
from watchtower.core.alerting import evaluate
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.budgets import digest_of
from watchtower.core.calibration import HISTORY, Calibration
from watchtower.core.rules import Rule, RuleBook
from watchtower.edges.clock import ManualClock
from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.batch import Column, NumberColumn
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.score import Board, Closed, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.window import EPOCH, Window
from watchtower.store import Store, StoredReference
from watchtower.workers.calibrator import Calibrator

AUTO = {"value": "auto", "false_alarms": "1 per 30d"}
DRIFT = Rule.model_validate({"name": "Drift", "model": "*", "when": {"kind": "above", "measure": "drift.psi", **AUTO}})
SLOW = Rule.model_validate({"name": "Slow", "model": "*", "when": {"kind": "above", "measure": "latency.p99", **AUTO, "false_alarms": "1 per 100m"}})
WINDOW = Window(at(0), at(1))


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(at(0)).now)
    yield opened
    opened.close()


def stored(rows: int = 3_000, seed: int = 1) -> StoredReference:
    columns: dict[str, Column] = {"a": NumberColumn(np.random.default_rng(seed).normal(size=rows))}
    binning = make_binning(columns, {}, None, ())
    return StoredReference(binning, EPOCH, {("", ""): make_reference_profile(binning, columns, rows)})


def closed(reference: StoredReference | None, rows: int = 400) -> Closed:
    """A window of version 7 with so many rows."""
    if reference is None:
        return Closed("fraud", WINDOW, "7", {}, {}, {}, {}, None, "reference: 7 of 15 windows")
    profile = replace(reference.profiles["", ""], rows=rows)
    return Closed("fraud", WINDOW, "7", {("7", "", Over()): profile}, {}, dict(reference.profiles), {}, reference.binning, "")


def bound_of(book: RuleBook, name: str = "Drift") -> object:
    return next(getattr(rule.when, "value", None) for rule in book.rules if rule.name == name)


def test_replay_calibrates_before_the_first_scored_window_and_the_same_each_time(store: Store) -> None:
    bounds = []
    for _ in range(2):
        other = Store.open("sqlite://", now=ManualClock(at(0)).now)
        bounds.append(bound_of(Calibrator(other, lambda: at(5), at_once=True).bounded(RuleBook((DRIFT,), MINUTE), closed(stored()))))
        other.close()
    assert isinstance(bounds[0], float)
    assert bounds[0] > 0
    assert bounds[0] == bounds[1]
    assert not store.calibrations.of("fraud")


def test_the_daemon_answers_not_calibrated_until_its_worker_has_made_it(store: Store) -> None:
    reference = stored()
    calibrator, book = Calibrator(store, lambda: at(5)), RuleBook((DRIFT,), MINUTE)
    assert bound_of(calibrator.bounded(book, closed(reference))) == "auto"
    assert calibrator.step(at(5))
    assert not calibrator.step(at(5))
    bound = bound_of(calibrator.bounded(book, closed(reference)))
    (kept,) = store.calibrations.of("fraud").values()
    assert (kept.bound, kept.at, kept.binning, kept.rows, kept.per) == (bound, at(5), reference.binning.id, 400, timedelta(days=30).total_seconds())
    again = Calibrator(store, lambda: at(9))
    assert bound_of(again.bounded(book, closed(reference))) == bound  # from the store, after a restart
    assert not again.step(at(9))


def test_an_edited_rule_and_a_new_binning_are_calibrated_anew(store: Store) -> None:
    calibrator = Calibrator(store, lambda: at(5))
    calibrator.bounded(RuleBook((DRIFT,), MINUTE), closed(stored()))
    assert calibrator.step(at(5))
    for rule, reference in ((DRIFT.model_copy(update={"over": DRIFT.hold}), stored()), (DRIFT, stored(seed=2))):
        assert bound_of(calibrator.bounded(RuleBook((rule,), MINUTE), closed(reference))) == "auto"
        assert calibrator.step(at(6))


def test_why_there_is_no_bound_is_the_outcomes_reason(store: Store) -> None:
    calibrator = Calibrator(store, lambda: at(5))
    book = calibrator.bounded(RuleBook((DRIFT, SLOW), MINUTE), closed(None))
    assert book.lacking == {
        "Drift": "not calibrated: reference: 7 of 15 windows",
        "Slow": "not calibrated: needs history (200 quiet windows)",
    }
    board = Board("fraud", WINDOW, "7", {Slot("7", "", Need(MeasureName("latency", "p99"))): Scores.one(9.0, 500)}, {"7": 1.0})
    waiting = Alert(AlertId("Slow", "fraud", "", ""), "7", AlertState.FIRING, at(0))
    alerts, changes = evaluate(board, (waiting,), book, live_changed=False)
    assert changes == ()
    assert [each.reason for each in alerts] == ["not calibrated: needs history (200 quiet windows)"]


def test_what_cannot_be_drawn_is_calibrated_once_there_is_history(store: Store) -> None:
    calibrator, book = Calibrator(store, lambda: at(5)), RuleBook((SLOW,), MINUTE)
    rng = np.random.default_rng(3)
    for n in range(210):
        window = Window(at(n), at(n + 1))
        board = Board("fraud", window, "7", {Slot("7", "", Need(MeasureName("latency", "p99"))): Scores.one(float(rng.normal(1, 0.1)), 500)})
        store.evaluations.commit("fraud", window, {}, Evaluation(board, (), Memory("fraud"), ()), now=window.end)
    late = replace(closed(None), window=Window(at(210), at(211)))
    calibrator.bounded(book, late)
    assert calibrator.step(at(211))
    bound = bound_of(calibrator.bounded(book, late), "Slow")
    assert isinstance(bound, float)
    assert 1.15 < bound < 1.45  # 1 in 100 of N(1, 0.1) is 1.23


def test_rules_with_a_written_bound_are_left_alone(store: Store) -> None:
    written = Rule.model_validate({"name": "W", "model": "*", "when": {"kind": "above", "measure": "drift.psi", "value": 0.2}})
    book = RuleBook((written,), MINUTE)
    assert Calibrator(store, lambda: at(5)).bounded(book, closed(stored())) is book


def test_what_somebody_calibrates_by_hand_holds_at_once(store: Store) -> None:
    calibrator, book, reference = Calibrator(store, lambda: at(5)), RuleBook((DRIFT,), MINUTE), stored()
    calibrator.bounded(book, closed(reference))
    assert calibrator.step(at(5))
    (kept,) = store.calibrations.of("fraud").values()
    store.calibrations.save(replace(kept, bound=0.77))
    assert bound_of(calibrator.bounded(book, closed(reference))) == 0.77


def test_a_bound_outlives_a_try_that_finds_none(store: Store) -> None:
    calibrator, book = Calibrator(store, lambda: at(5)), RuleBook((SLOW,), MINUTE)
    made = Calibration(1.3, rule="Slow", model="fraud", digest=digest_of(SLOW, MINUTE), boards=1)
    store.calibrations.save(made)
    for n in range(HISTORY):
        window = Window(at(n), at(n + 1))
        board = Board("fraud", window, "7", {Slot("7", "", Need(MeasureName("latency", "p99"))): Scores.one(1.0, 500)})
        store.evaluations.commit("fraud", window, {}, Evaluation(board, (), Memory("fraud"), ()), now=window.end)
    late = replace(closed(None), window=Window(at(HISTORY - 1), at(HISTORY)))
    assert bound_of(calibrator.bounded(book, late), "Slow") == 1.3
    assert calibrator.step(at(211))  # the history has grown, and never moves: there is no tail
    assert bound_of(calibrator.bounded(book, late), "Slow") == 1.3
    assert not calibrator.step(at(211))
