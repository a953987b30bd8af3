"""Lines of bytes -> messages with their positions."""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from watchtower.nouns.batch import Ints, Messages
from watchtower.nouns.window import Partition

BLOCK = 8_000_000
"""Bytes read at once."""
MOST_LINES = 10_000
LONGEST = 10_000_001
"""Bytes kept of one line: one more than a message may have, so that the format says too_large."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Whole lines: their bytes without the newline, where each starts, and where the next one would."""

    values: list[bytes | None]
    starts: Ints
    next: int

    def messages(self, partition: Partition, *, read_at: int = 0, end: int | None = None) -> Messages:
        """As messages without timestamps of their own; empty lines are none."""
        appended = np.full(len(self.values), -1, dtype=np.int64)
        return Messages(partition, self.values, self.starts, self.next, appended, read_at, end)


def lines(file: BinaryIO, at: int, until: int, base: int = 0, *, complete: bool) -> Lines:
    """Up to 10,000 whole lines of *file* between the bytes *at* and *until*; positions are counted from *base*.

    *complete*: what stands before *until* without a newline is a line too (nothing more will be written).
    """
    file.seek(at)
    block = file.read(min(BLOCK, until - at))
    newlines = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n"))[:MOST_LINES]
    if not len(newlines):
        return _long_line(file, block, at, until, base, complete=complete)
    last = int(newlines[-1])
    rest = len(block) - last - 1
    ended = complete and at + len(block) == until and rest > 0 and len(newlines) < MOST_LINES
    values: list[bytes] = block[:last].split(b"\n") + ([block[last + 1 :]] if ended else [])
    starts = np.concatenate([[0], newlines + 1])[: len(values)] + at + base
    return _without_blank(values, starts, base + (until if ended else at + last + 1))


def _long_line(file: BinaryIO, block: bytes, at: int, until: int, base: int, *, complete: bool) -> Lines:  # noqa: PLR0913  as lines, and what was read
    """A line longer than a block, or one that has not ended."""
    kept, reach = [block], at + len(block)
    end = -1
    while end < 0 and reach < until:
        more = file.read(min(BLOCK, until - reach))
        if not more:
            break
        end = more.find(b"\n")
        if sum(map(len, kept)) < LONGEST:
            kept.append(more if end < 0 else more[:end])
        reach += len(more) if end < 0 else end
    if end < 0 and not (complete and reach > at):
        return Lines([], np.zeros(0, dtype=np.int64), base + at)
    value = b"".join(kept)[:LONGEST]
    return _without_blank([value], np.array([base + at], dtype=np.int64), base + reach + (end >= 0))


def _without_blank(values: list[bytes], starts: Ints, after: int) -> Lines:
    if min(map(len, values)) > 1:
        return Lines(list(values), starts, after)
    kept = [i for i, value in enumerate(values) if value.strip()]
    return Lines([values[i] for i in kept], starts[kept], after)
