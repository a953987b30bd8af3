"""Calibrated bounds, and the earlier scores that conditions see."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from watchtower.core.calibration import Calibration
from watchtower.core.tails import Tail
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.window import Window
from watchtower.store import Store
from watchtower.store.calibrations import CalibrationKey

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MADE = Calibration(
    0.12, expected=1.0, low=0.1, high=2.0, label="extrapolated", basis="drawn from the reference", rule="R", model="fraud", digest="d1", binning="b1"
)
RATE, PSI = Need(MeasureName("traffic", "rate")), Need(MeasureName("drift", "psi"))


def evaluated(store: Store, window: Window, value: float) -> None:
    board = Board("fraud", window, "7", {Slot("7", "", need): Scores.one(value, 5, "a") for need in (RATE, PSI)})
    store.evaluations.commit("fraud", window, {}, Evaluation(board, (), Memory("fraud"), ()), now=window.end)


def values(store: Store, before: Window, wanted: dict[Need, int]) -> list[float]:
    return [float(each.values[0]) for past in store.scores.past("fraud", before.start, wanted) for each in past.scores.values()]


def test_a_calibration_comes_back_with_what_it_was_made_from(store: Store) -> None:
    tail = Tail(0.05, 0.1, 0.01, 120, 0.03)
    made = Calibration(0.12, tail=tail, at=TEN, rule="R", model="fraud", digest="d1", binning="b1", history=300, scale=1.2, seed=7)
    store.calibrations.save(made)
    assert store.calibrations.of("fraud") == {CalibrationKey("fraud", "d1", "b1"): made}
    assert store.calibrations.of("credit") == {}


def test_it_is_another_rules_where_the_rule_or_the_binning_changed(store: Store) -> None:
    store.calibrations.save(MADE)
    store.calibrations.save(Calibration(0.3, rule="R", model="fraud", digest="d2", binning="b1"))
    assert list(store.calibrations.of("fraud")) == [CalibrationKey("fraud", "d2", "b1")]


def test_one_without_a_bound_keeps_its_reason(store: Store) -> None:
    store.calibrations.save(Calibration(None, "not calibrated: needs history", rule="R", model="fraud", digest="d1"))
    (kept,) = store.calibrations.of("fraud").values()
    assert (kept.bound, kept.reason) == (None, "not calibrated: needs history")


def test_one_that_cannot_be_read_is_none(store: Store) -> None:
    store.calibrations.save(replace(MADE, rule="Broken", digest="d2", expected=float("nan")))
    store.calibrations.save(MADE)
    assert list(store.calibrations.of("fraud")) == [CalibrationKey("fraud", "d1", "b1")]


def test_scores_before_a_window_come_oldest_first_and_only_those_that_were_asked_for(store: Store, window: Callable[[int], Window]) -> None:
    for n in range(5):
        evaluated(store, window(n), float(n))
    assert values(store, window(4), {RATE: 2}) == [2.0, 3.0]
    assert values(store, window(5), {RATE: 2}) == [3.0, 4.0]
    assert values(store, window(5), {PSI: 1, RATE: 3}) == [2.0, 2.0, 3.0, 3.0, 4.0, 4.0]
    assert values(store, window(5), {}) == []


def test_memory_holds_no_more_scores_than_were_asked_for(store: Store, window: Callable[[int], Window]) -> None:
    for n in range(6):
        evaluated(store, window(n), float(n))
        store.scores.past("fraud", window(n).end, {RATE: 3})
    assert len(store.scores._kept["fraud"].scores) == 3


def test_history_is_looked_at_without_keeping_it(store: Store, window: Callable[[int], Window]) -> None:
    for n in range(4):
        evaluated(store, window(n), float(n))
    found = [past.scores[Slot("7", "", PSI)].values[0] for past in store.scores.look("fraud", window(2).end, PSI, 2)]
    assert found == [1.0, 2.0]
    assert store.scores.count("fraud") == 4


def test_what_is_kept_of_earlier_boards_is_their_values_alone(store: Store, window: Callable[[int], Window]) -> None:
    for n in (1, 2):
        evaluated(store, window(n), float(n))
    one, two = (scores for past in store.scores.past("fraud", window(3).start, {RATE: 5}) for scores in past.scores.values())
    assert (one.values.tolist(), two.values.tolist()) == ([1.0], [2.0])
    assert one.subjects is two.subjects
    assert one.p_values is two.p_values
    assert one.values.base is None  # no view that keeps the whole board in memory
