"""Event time: which window a row belongs to, which rows are late, which windows are over. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from watchtower.nouns.batch import Flags, Ints, PredictionBatch
from watchtower.nouns.settings import WindowSettings
from watchtower.nouns.window import Partition, Progress, micros

FRESH = timedelta(seconds=5)
"""An end that was learnt longer ago says nothing about being caught up."""
AGREE = 100
"""Rows of a file that must agree with one that jumps ahead."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Rows of one partition of all models, in reading order.

    *times* int64[n] microseconds; *positions* int64[n] of their messages (ascending); *owner* int32[n] index of the batch, *row* int64[n] index in it.
    """

    partition: Partition
    times: Ints
    positions: Ints
    owner: Ints
    row: Ints


def streams(batches: "tuple[PredictionBatch, ...]") -> Iterator[Stream]:
    """The rows of *batches* by partition, each in the order of the source."""
    seen = {partition: None for batch in batches for partition in batch.partitions}
    for partition in seen:
        parts = [(i, np.flatnonzero(batch.partition == batch.partitions.index(partition))) for i, batch in enumerate(batches) if partition in batch.partitions]
        times = np.concatenate([batches[i].times[rows] for i, rows in parts])
        positions = np.concatenate([batches[i].positions[rows] for i, rows in parts])
        ordinals = np.concatenate([batches[i].ordinals[rows] for i, rows in parts])
        owner = np.concatenate([np.full(len(rows), i) for i, rows in parts])
        row = np.concatenate([rows for _, rows in parts])
        order = np.lexsort((ordinals, positions)) if len(parts) > 1 else np.arange(len(times))
        yield Stream(partition, times[order], positions[order], owner[order], row[order])


def ahead(stream: Stream, newest: int | None, limit: timedelta, *, ended: bool, now: datetime | None = None) -> tuple[Ints, int | None]:
    """Messages of a file that jump ahead of the running maximum by more than *limit*, and where certainty ends.

    Returns:
        The positions of messages to reject (`time_in_future`), and the position from which on nothing can be decided before more
        rows have come (None: all is decided). A jump is believed if the next 100 rows, or at the end all that remain (at least one), jump too. The last
        row of a file that grows is believed where it is no more than *limit* beyond *now*: after a silence nobody can agree with it yet.
    """
    far = int(limit / timedelta(microseconds=1))
    times, positions = stream.times, stream.positions
    start = newest if newest is not None else int(times[0]) if len(times) else 0
    before = np.maximum.accumulate(np.concatenate([[start], times[:-1]]))
    if not (times > before + far).any():
        return np.array([], dtype=np.int64), None
    rejected: list[int] = []
    running, i = start, 0
    while i < len(times):
        message = positions[i]
        stop = int(np.searchsorted(positions, message, side="right"))
        top = int(times[i:stop].max())
        if top > running + far:
            following = times[stop : stop + AGREE]
            if len(following) < AGREE and not ended:
                return np.array(rejected, dtype=np.int64), int(message)
            alone_but_due = len(following) == 0 and now is not None and top <= micros(now) + far
            if not alone_but_due and (len(following) == 0 or not (following > running + far).all()):
                rejected.append(int(message))
                i = stop
                continue
        running = max(running, top)
        i = stop
    return np.array(rejected, dtype=np.int64), None


def late_rows(stream: Stream, newest: int | None, others: int | None, closed_through: int | None, size: int, lateness: int) -> Flags:  # noqa: PLR0913, PLR0917  what one partition knows, and what the others do
    """Which rows come after their window was closed.

    A window is closed once closed-through has reached its end; for the rows of this partition that is the smaller of *others* (the other
    partitions' watermark; None: there are none) and this partition's own running maximum less *lateness*, and never less than *closed_through*.
    All in microseconds.
    """
    ends = (stream.times // size + 1) * size
    start = newest if newest is not None else -(2**62)
    before = np.maximum.accumulate(np.concatenate([[start], stream.times[:-1]])) - lateness
    reached = before if others is None else np.minimum(before, others)
    return ends <= (reached if closed_through is None else np.maximum(reached, closed_through))


def watermark(progress: Progress, now: datetime | None, settings: WindowSettings) -> int | None:
    """Event time (microseconds) before which this partition will bring nothing more; None: nothing is known.

    A partition that is caught up (its end was learnt within the last 5 s of *now*) and quiet for `idle` follows the clock. *now* None: only event time moves.
    """
    own = None if progress.newest is None else progress.newest - settings.lateness // timedelta(microseconds=1)
    if now is None or settings.quiet is None or not _is_quiet(progress, now, settings.quiet):
        return own
    clock = micros(now - settings.quiet - settings.lateness)
    return clock if own is None else max(own, clock)


def _is_quiet(progress: Progress, now: datetime, quiet: timedelta) -> bool:
    caught_up = progress.end is not None and progress.position >= progress.end and progress.caught_up_at is not None and now - progress.caught_up_at <= FRESH
    return caught_up and (progress.appended_at is None or now - progress.appended_at >= quiet)


def closed_through(progress: Mapping[Partition, Progress], now: datetime | None, settings: WindowSettings, before: int | None) -> int | None:
    """The smallest watermark over the partitions, never less than *before* (microseconds).

    None while some partition's is unknown and nothing was closed before.
    """
    marks = [watermark(each, now, settings) for each in progress.values()]
    known = [mark for mark in marks if mark is not None]
    if not known or len(known) < len(marks):
        return before
    return max(min(known), before) if before is not None else min(known)
