"""Windows: which are due, what they hold, and what becomes of rows that come late."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from watchtower.nouns.errors import Fenced
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.profile import Delta, Profile
from watchtower.nouns.score import Board
from watchtower.nouns.window import Key, Partition, Window, micros
from watchtower.store import Store
from watchtower.store.windows import MOST_DUE

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Make = Callable[..., Delta]
Nth = Callable[[int], Window]


def evaluate(store: Store, window: Window, model: str = "fraud", live: str = "7") -> None:
    memory = store.evaluations.memory(model)
    opened = store.windows.open_profiles(model, window)
    store.evaluations.commit(model, window, opened, Evaluation(Board(model, window, live, {}), (), memory, ()), now=window.end)


def write(store: Store, *deltas: Delta) -> None:
    for each in deltas:
        store.intake.checkpoint(each, keep_original=False)


def test_nothing_is_due_before_a_window_closes(store: Store, delta: Make) -> None:
    write(store, delta(5, 0, None, 5, closed=TEN + MINUTE - timedelta(microseconds=1)))
    assert store.windows.due(MINUTE) == []


def test_a_window_is_due_once_its_end_is_closed_through(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 0, None, 5, closed=TEN + MINUTE))
    assert store.windows.due(MINUTE) == [("fraud", window(0))]


def test_windows_run_from_the_first_row_on_empty_ones_too(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(1, 3, None, 1), delta(1, 1, 1, 2, closed=TEN + 3.5 * MINUTE))
    assert store.windows.due(MINUTE) == [("fraud", window(1)), ("fraud", window(2))]
    evaluate(store, window(1))
    assert store.windows.due(MINUTE) == [("fraud", window(2))]


def test_due_windows_come_by_end_then_model(store: Store, delta: Make, window: Nth, profile: Callable[..., Profile]) -> None:
    more = {Key(model, "1", "", window(n)): profile(1) for model, n in (("b", 0), ("a", 1), ("c", 0))}
    write(store, replace(delta(0, 0, None, 1, closed=TEN + 2 * MINUTE), profiles=more))
    assert [(model, (each.start - TEN) // MINUTE) for model, each in store.windows.due(MINUTE)] == [("b", 0), ("c", 0), ("a", 1), ("b", 1), ("c", 1)]


def test_hours_of_silence_are_due_a_thousand_at_a_time(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(1, 0, None, 1), delta(1, 3000, 1, 2, closed=window(3000).end))
    assert store.windows.due(MINUTE) == [("fraud", window(n)) for n in range(MOST_DUE)]


def test_late_rows_alone_make_no_window(store: Store, delta: Make) -> None:
    write(store, delta(0, 0, None, 5, late=5, closed=TEN + 9 * MINUTE))
    assert store.windows.due(MINUTE) == []
    assert store.windows.merge_late() == 0


def test_an_open_window_is_the_merge_of_its_deltas(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 0, None, 5), delta(2, 1, 5, 7), delta(3, 0, 7, 10))
    found = store.windows.open_profiles("fraud", window(0))
    assert {key: (each.rows, each.cells.tolist(), each.spans[0].first, each.spans[0].last) for key, each in found.items()} == {("7", ""): (8, [8, 0, 0], 0, 9)}
    assert store.windows.open_profiles("other", window(0)) == {}


def test_deltas_of_two_binnings_merge_without_cells(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 0, None, 5, binning=""), delta(2, 0, 5, 7))
    found = store.windows.open_profiles("fraud", window(0))["7", ""]
    assert (found.binning, found.rows, found.cells.size) == ("", 7, 0)


def test_history_gives_the_newest_windows_oldest_first(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(1, 0, None, 1), delta(2, 1, 1, 3), delta(4, 3, 3, 7, closed=window(3).end))
    for n in range(4):
        evaluate(store, window(n), live=str(n))
    found = store.windows.history("fraud", window(3).start, 2)
    assert [(row.window, row.live, [each.rows for each in row.profiles.values()]) for row in found] == [(window(1), "1", [2]), (window(2), "2", [])]
    assert [row.window for row in store.windows.history("fraud", window(3).end, 99)] == [window(n) for n in range(4)]
    assert store.windows.history("fraud", TEN, 5) == []


def test_history_reads_the_same_twice(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 0, None, 5, closed=window(0).end))
    evaluate(store, window(0))
    first, second = (store.windows.history("fraud", window(0).end, 1)[0].profiles["7", ""] for _ in range(2))
    assert first is second


def test_a_window_is_evaluated_once(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 0, None, 5, closed=window(0).end))
    evaluate(store, window(0))
    with pytest.raises(Fenced):
        evaluate(store, window(0))
    assert store.windows.open_profiles("fraud", window(0)) == {}


def test_late_rows_are_merged_into_history_once_the_window_is_evaluated(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 0, None, 5, closed=window(0).end), delta(0, 0, 5, 6, late=2))
    assert store.windows.merge_late() == 0
    evaluate(store, window(0))
    assert store.windows.history("fraud", window(0).end, 1)[0].profiles["7", ""].rows == 5
    assert (store.windows.merge_late(), store.windows.merge_late()) == (1, 0)
    merged = store.windows.history("fraud", window(0).end, 1)[0].profiles["7", ""]
    assert (merged.rows, merged.cells.tolist(), merged.weight) == (7, [7, 0, 0], 7.0)


def test_late_rows_of_a_new_segment_are_added_to_the_window(store: Store, delta: Make, window: Nth, profile: Callable[..., Profile]) -> None:
    late = replace(delta(0, 0, 5, 6), late={Key("fraud", "7", "c=DE", window(0)): profile(2), Key("fraud", "8", "", window(0)): profile(1)})
    write(store, delta(5, 0, None, 5, closed=window(0).end), late)
    evaluate(store, window(0))
    assert store.windows.merge_late() == 2
    found = store.windows.history("fraud", window(0).end, 1)[0].profiles
    assert {key: each.rows for key, each in found.items()} == {("7", ""): 5, ("7", "c=DE"): 2, ("8", ""): 1}


def test_late_rows_before_the_first_window_are_dropped(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 4, None, 5, closed=window(4).end), delta(0, 0, 5, 6, late=2))
    evaluate(store, window(4))
    assert store.windows.merge_late() == 0
    assert len(store.windows.history("fraud", window(4).end, 9)) == 1


@pytest.mark.parametrize(("binning", "late", "cells"), [("one", "", [5, 0, 0]), ("one", "other", [5, 0, 0]), ("", "one", [])])
def test_late_rows_of_another_binning_are_counted_without_their_cells(
    store: Store, delta: Make, window: Nth, binning: str, late: str, cells: list[int]
) -> None:
    """Rows that were folded before a binning was known came late for a window that was evaluated under it."""
    write(store, delta(5, 0, None, 5, closed=window(0).end, binning=binning), delta(0, 0, 5, 6, late=2, binning=late))
    evaluate(store, window(0))
    assert (store.windows.merge_late(), store.windows.merge_late()) == (1, 0)
    merged = store.windows.history("fraud", window(0).end, 1)[0].profiles["7", ""]
    assert (merged.rows, merged.binning, merged.cells.tolist()) == (7, binning, cells)


def test_a_delta_that_came_after_the_window_was_read_is_not_lost(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 0, None, 5, closed=window(0).end))
    opened = store.windows.open_profiles("fraud", window(0))
    write(store, delta(2, 0, 5, 7))
    board = Board("fraud", window(0), "7", {})
    store.evaluations.commit("fraud", window(0), opened, Evaluation(board, (), Memory("fraud"), ()), now=TEN)
    assert store.windows.merge_late() == 1
    assert store.windows.history("fraud", window(0).end, 1)[0].profiles["7", ""].rows == 7


def test_crowded_open_windows_are_compacted_and_closed_ones_left_alone(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(1, 0, None, 1), delta(1, 0, 1, 2), *(delta(1, 1, at, at + 1) for at in range(2, 6)))
    before = store.windows.open_profiles("fraud", window(1))["7", ""]
    write(store, delta(0, 0, 6, 6, closed=window(0).end))
    assert store.windows.compact(above=1) == 3
    after = store.windows.open_profiles("fraud", window(1))["7", ""]
    assert (after.rows, after.spans, after.statuses) == (before.rows, before.spans, before.statuses)
    assert np.array_equal(after.cells, before.cells)
    assert store.windows.compact(above=1) == 0


def test_a_window_can_be_written_anew(store: Store, delta: Make, window: Nth, profile: Callable[..., Profile]) -> None:
    write(store, delta(5, 0, None, 5, closed=window(0).end, binning=""))
    evaluate(store, window(0))
    store.windows.rewrite("fraud", window(0), {("7", ""): profile(5, binning="b2")})
    store.windows.rewrite("fraud", window(1), {("7", ""): profile(5, binning="b2")})
    assert [each.profiles["7", ""].binning for each in store.windows.history("fraud", window(9).end, 9)] == ["b2"]


def test_a_larger_window_takes_up_what_smaller_ones_left(store: Store, delta: Make, window: Nth) -> None:
    write(store, delta(5, 0, None, 5), delta(2, 1, 5, 7, closed=window(4).end))
    ((model, wide),) = store.windows.due(5 * MINUTE)
    assert store.windows.open_profiles(model, wide)["7", ""].rows == 7
    assert micros(wide.end) == micros(TEN + 5 * MINUTE)
    assert store.intake.load().progress[Partition("predictions")].position == 7
