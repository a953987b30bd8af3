"""Several files merged by event time, for replay: one partition whose positions are ranks in time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np

from watchtower.formats import Format
from watchtower.nouns.batch import Catalog, Ints, Messages
from watchtower.nouns.window import EPOCH, Partition, Span

CHUNK = 10_000
MERGED = Partition("files by time")


class ByTime:
    """Reads *files* in the order of their messages' event times; a message that is none stands where the one before it in its file does.

    Holds three numbers a message in memory, not the messages; a message longer than 10 MB is read whole.
    """

    def __init__(self, files: Sequence[Path], form: Format) -> None:
        """Looks through all files once for their times."""
        self.format = form
        self._files: list[BinaryIO] = [file.open("rb") for file in files]
        found = [_times(handle, form) for handle in self._files]
        times = np.concatenate([each[0] for each in found])
        order = np.argsort(times, kind="stable")
        self._owner = np.concatenate([np.full(len(each[0]), i) for i, each in enumerate(found)])[order]
        self._start = np.concatenate([each[1] for each in found])[order]
        self._length = np.concatenate([each[2] for each in found])[order]
        self._next = 0

    def poll(self, timeout: float) -> Sequence[Messages]:  # noqa: ARG002  files never keep one waiting
        """The next messages by time."""
        first, last = self._next, min(self._next + CHUNK, len(self._start))
        self._next = last
        return [self._messages(first, last)] if last > first else []

    def _messages(self, first: int, last: int) -> Messages:
        values = [self._read(rank) for rank in range(first, last)]
        ranks: Ints = np.arange(first, last, dtype=np.int64)
        return Messages(MERGED, values, ranks, last, np.full(last - first, -1, dtype=np.int64), end=len(self._start))

    def _read(self, rank: int) -> bytes:
        handle = self._files[int(self._owner[rank])]
        handle.seek(self._start[rank])
        return handle.read(self._length[rank])

    def assigned(self) -> Sequence[Partition]:
        """The one partition."""
        return [MERGED]

    def fresh(self) -> Sequence[Partition]:
        """Nothing has to be sought."""
        return []

    def seek(self, positions: Mapping[Partition, int | None]) -> None:
        """Goes on at a rank."""
        self._next = positions.get(MERGED) or 0

    def ends(self) -> Mapping[Partition, tuple[int, int, datetime]]:
        """How far, and how many."""
        return {MERGED: (self._next, len(self._start), EPOCH)}

    def lost(self) -> Mapping[Partition, int]:
        """Files lose nothing."""
        return {}

    def caught_up(self) -> bool:
        """Whether all is read."""
        return self._next >= len(self._start)

    def position(self) -> int:
        """Bytes read so far, about."""
        return int(self._length[: self._next].sum())

    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:
        """Messages again, by rank."""
        for span in spans:
            for first in range(span.first, span.last + 1, CHUNK):
                yield self._messages(first, min(first + CHUNK, span.last + 1))

    def owns(self, partition: Partition) -> bool:
        """Whether it is the one partition."""
        return partition == MERGED

    def close(self) -> None:
        """Closes the files."""
        for handle in self._files:
            handle.close()


def _times(handle: BinaryIO, form: Format) -> tuple[Ints, Ints, Ints]:
    """(event time, first byte, length) of each line of a file."""
    times: list[Ints] = []
    starts: list[int] = []
    lengths: list[int] = []
    lines: list[bytes] = []
    at, newest = 0, -(2**62)
    for line in handle:
        lines.append(line.rstrip(b"\r\n"))
        starts.append(at)
        lengths.append(len(line))
        at += len(line)
        if len(lines) == CHUNK:
            times.append(_decoded(lines, form, newest))
            newest, lines = int(times[-1][-1]), []
    if lines:
        times.append(_decoded(lines, form, newest))
    whole = np.concatenate(times) if times else np.zeros(0, dtype=np.int64)
    return whole, np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64)


def _decoded(lines: Sequence[bytes], form: Format, before: int) -> Ints:
    """The first event time of each line; of one that has none that of the line before."""
    n = len(lines)
    messages = Messages(MERGED, lines, np.arange(n, dtype=np.int64), n, np.full(n, -1, dtype=np.int64))
    times = np.full(n, -(2**62), dtype=np.int64)
    for batch in form.decode([messages], Catalog()).predictions:
        times[batch.positions[::-1]] = batch.times[::-1]
    known = np.maximum.accumulate(np.where(times > -(2**62), np.arange(n), -1))
    filled: Ints = np.where(known >= 0, times[known], before)
    return filled
