"""Windows, watermarks, lateness and jumps ahead."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from watchtower.core.windowing import Stream, ahead, closed_through, late_rows, watermark
from watchtower.nouns.settings import WindowSettings
from watchtower.nouns.window import SECOND, Partition, Progress, micros

HERE = Partition("log.jsonl")
NOON = datetime(2026, 5, 11, 12, tzinfo=UTC)
SETTINGS = WindowSettings(size=timedelta(seconds=30), lateness=timedelta(seconds=10))
FIVE_MINUTES = timedelta(minutes=5)


def stream(*seconds: float) -> Stream:
    times = np.array([int(each * SECOND) for each in seconds], dtype=np.int64)
    n = np.arange(len(times), dtype=np.int64)
    return Stream(HERE, times, n * 100, np.zeros_like(n), n)


def test_a_lone_row_far_ahead_is_rejected() -> None:
    rejected, undecided = ahead(stream(1, 2, 4000, *range(3, 110)), None, FIVE_MINUTES, ended=False)
    assert rejected.tolist() == [200]
    assert undecided is None


def test_a_jump_is_believed_when_the_next_hundred_rows_jump_too() -> None:
    rejected, undecided = ahead(stream(1, 2, *range(4000, 4200)), None, FIVE_MINUTES, ended=False)
    assert (rejected.tolist(), undecided) == ([], None)


def test_a_jump_with_fewer_rows_behind_it_waits_until_the_end() -> None:
    rows = stream(1, 2, 4000, 4001)
    assert ahead(rows, None, FIVE_MINUTES, ended=False)[1] == 200
    assert ahead(rows, None, FIVE_MINUTES, ended=True)[0].tolist() == []


def test_a_jump_at_the_very_end_is_rejected_since_nothing_agrees() -> None:
    assert ahead(stream(1, 2, 4000), None, FIVE_MINUTES, ended=True)[0].tolist() == [200]


@pytest.mark.parametrize(
    ("newest", "reached", "late"), [(0.0, None, [False, False, True]), (45.0, None, [True, False, True]), (0.0, 30.0, [True, False, True])]
)
def test_a_row_is_late_when_its_window_ended_before_the_rows_read_so_far_less_lateness(newest: float, reached: float | None, late: list[bool]) -> None:
    rows = stream(29, 45, 20)
    closed = None if reached is None else int(reached * SECOND)
    assert late_rows(rows, int(newest * SECOND), None, closed, 30 * SECOND, 10 * SECOND).tolist() == late


def test_a_quiet_partition_that_is_caught_up_follows_the_clock() -> None:
    quiet = Progress(5, newest=micros(NOON), caught_up_at=NOON + timedelta(minutes=3), appended_at=NOON, end=5)
    assert watermark(quiet, NOON + timedelta(minutes=3), SETTINGS) == micros(NOON + timedelta(minutes=3) - timedelta(seconds=70))


@pytest.mark.parametrize("change", [{"position": 4}, {"caught_up_at": NOON}, {"appended_at": NOON + timedelta(minutes=2, seconds=30)}, {"end": None}])
def test_a_partition_that_is_behind_or_not_quiet_stays_with_its_rows(change: dict[str, object]) -> None:
    fields: dict[str, object] = {"position": 5, "newest": micros(NOON), "caught_up_at": NOON + timedelta(minutes=3), "appended_at": NOON, "end": 5}
    progress = Progress(**(fields | change))  # type: ignore[arg-type]
    assert watermark(progress, NOON + timedelta(minutes=3), SETTINGS) == micros(NOON - timedelta(seconds=10))


def test_closed_through_is_the_smallest_watermark_and_never_goes_back() -> None:
    progress = {HERE: Progress(1, micros(NOON)), Partition("log.jsonl", 1): Progress(1, micros(NOON + timedelta(minutes=1)))}
    assert closed_through(progress, None, SETTINGS, None) == micros(NOON - timedelta(seconds=10))
    assert closed_through(progress, None, SETTINGS, micros(NOON)) == micros(NOON)


def test_nothing_closes_while_a_partition_has_shown_nothing() -> None:
    assert closed_through({HERE: Progress(1, micros(NOON)), Partition("log.jsonl", 1): Progress(0)}, None, SETTINGS, None) is None
