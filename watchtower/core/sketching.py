"""Which ids came how often, in bounded memory: the smallest hashes with their counts (bottom-k; Cohen & Kaplan 2007). Merging is exact."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from watchtower.core.joining import hashes_of
from watchtower.nouns.batch import Ints
from watchtower.nouns.labels import Hashes
from watchtower.nouns.profile import Ids

KEPT = 2_048
"""Ids in a sketch: 16 KiB in memory."""
_PENDING = 4 * KEPT


@dataclass(slots=True)
class IdTally:
    """A running sketch: rows with an id, and the smallest hashes with their counts, of which those in *_pending* are not counted yet."""

    rows: int = 0
    _found: Ids | None = None
    _pending: list[Hashes] = field(default_factory=list)
    _waiting: int = 0

    def add(self, ids: Sequence[str]) -> None:
        """Counts *ids*; "" is none."""
        named = ids if "" not in ids else [each for each in ids if each]
        if not named:
            return
        hashes = hashes_of(named)
        self.rows += len(hashes)
        if self._found is not None and not self._found.is_whole:
            hashes = hashes[hashes <= self._found.hashes[-1]]
        self._pending.append(hashes)
        self._waiting += len(hashes)
        if self._waiting > _PENDING:
            self._count()

    def frozen(self) -> Ids | None:
        """The sketch; None where no row had an id."""
        self._count()
        return None if self._found is None else Ids(self.rows, self._found.hashes, self._found.counts, self._found.is_whole)

    def _count(self) -> None:
        if self._pending:
            hashes, counts = np.unique(np.concatenate(self._pending), return_counts=True)
            self._pending, self._waiting = [], 0
            new = _smallest(0, hashes, counts.astype(np.int64), is_whole=True)
            self._found = new if self._found is None else merge_ids([self._found, new])


def merge_ids(sketches: Sequence[Ids | None]) -> Ids | None:
    """The sketch of all rows. Whoever is among the smallest of all is among the smallest wherever it occurs, so its counts add up exactly."""
    there = [each for each in sketches if each is not None]
    if len(there) < 2:
        return there[0] if there else None
    hashes, place = np.unique(np.concatenate([each.hashes for each in there]), return_inverse=True)
    counts = np.zeros(len(hashes), dtype=np.int64)
    np.add.at(counts, place, np.concatenate([each.counts for each in there]))
    bounds = [each.hashes[-1] for each in there if not each.is_whole]
    if bounds:
        known = hashes <= min(bounds)
        hashes, counts = hashes[known], counts[known]
    return _smallest(sum(each.rows for each in there), hashes, counts, is_whole=not bounds)


def _smallest(rows: int, hashes: Hashes, counts: Ints, *, is_whole: bool) -> Ids:
    return Ids(rows, hashes[:KEPT], counts[:KEPT], is_whole and len(hashes) <= KEPT)
