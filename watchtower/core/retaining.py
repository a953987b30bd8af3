"""Which rows are kept beside their summaries: of every version and window those whose position hash is small, the sample that trials take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from watchtower.core.slicing import sliced
from watchtower.core.trialling import ALL, row_hash
from watchtower.nouns.batch import Codes, Column, PredictionBatch, TextColumn
from watchtower.nouns.kept import KeepTerms, KeptRows
from watchtower.nouns.window import Key

_REMEMBERED = 8
"""Windows of a version whose thresholds are remembered; a row that is later than these is sampled like the newest one."""
_SILENT = 60
"""Windows after which a version that served nothing more is forgotten."""


@dataclass(slots=True)
class _Open:
    """One window so far: rows with a hash of at most ALL >> *halvings* are kept, *hashes* are theirs."""

    halvings: int
    hashes: np.typing.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))


@dataclass(slots=True)
class RowsTally:
    """Rows that wait for their checkpoint.

    Where a window has more than `most` the share of hashes that is kept is halved, and the next window begins with the last one's share, doubled
    where that had room. So of a steady stream between a half and the whole of `most` rows a window are kept.

    Attributes:
        terms: what is kept of a model; None: nothing.
    """

    terms: Callable[[str], KeepTerms | None] = field(default=lambda _model: None)
    _known: dict[str, KeepTerms | None] = field(default_factory=dict)
    _open: dict[tuple[str, str], dict[Key, _Open]] = field(default_factory=dict)
    _pieces: dict[Key, list[PredictionBatch]] = field(default_factory=dict)

    def wants(self, model: str) -> bool:
        """Whether anything of *model* is kept."""
        if model not in self._known:
            self._known[model] = self.terms(model)
        return self._known[model] is not None

    def add(self, key: Key, part: PredictionBatch) -> None:
        """Keeps what is to be kept of *part*, served rows of the window of *key*."""
        terms = self._known.get(key.model)
        if terms is None:
            return
        window = self._window(key, terms.most)
        numbers = np.array([each.number for each in part.partitions], dtype=np.int32)[part.partition]
        hashes = row_hash(numbers, part.positions, part.ordinals)
        rows = np.flatnonzero(hashes <= np.uint64(ALL >> window.halvings))
        window.hashes = np.concatenate([window.hashes, hashes[rows]])
        while len(window.hashes) > terms.most and window.halvings < 63:
            window.halvings += 1
            window.hashes = window.hashes[window.hashes <= np.uint64(ALL >> window.halvings)]
        rows = rows[hashes[rows] <= np.uint64(ALL >> window.halvings)]
        if len(rows):
            self._pieces.setdefault(key, []).append(slim(sliced(part, rows), terms.left_out))

    def take(self) -> tuple[KeptRows, ...]:
        """What was kept since the last call; memory holds none of it afterwards."""
        pieces, self._pieces = self._pieces, {}
        found = [KeptRows(key, self._threshold(key), part) for key, parts in pieces.items() for part in parts]
        return tuple(replace(each, batch=rows) for each in found if len(rows := under(each.batch, each.threshold)))

    def clear(self) -> None:
        """Forgets everything: what was not committed is read again."""
        self._open.clear()
        self._pieces = {}

    def _window(self, key: Key, most: int) -> _Open:
        windows = self._open.setdefault((key.model, key.version), {})
        if key not in windows:
            last = windows[max(windows, key=lambda each: each.window.start)] if windows else _Open(0)
            windows[key] = _Open(max(0, last.halvings - (2 * len(last.hashes) <= most)))
            for old in sorted(windows, key=lambda each: each.window.start)[:-_REMEMBERED]:
                if old != key and old not in self._pieces:  # of the others nothing waits
                    del windows[old]
            self._forget(key)
        return windows[key]

    def _forget(self, key: Key) -> None:
        """Versions come and go for as long as a daemon runs."""
        before = key.window.start - _SILENT * (key.window.end - key.window.start)
        for name in [name for name in self._open if name[0] == key.model]:
            if all(each.window.start < before and each not in self._pieces for each in self._open[name]):
                del self._open[name]

    def _threshold(self, key: Key) -> int:
        return ALL >> self._open[key.model, key.version][key].halvings


def slim(batch: PredictionBatch, left_out: frozenset[str]) -> PredictionBatch:
    """*batch* with what re-running needs: inputs but those *left_out*, prediction, id, version, status, time and position."""
    features = {name: _plain(column) for name, column in batch.features.items() if name not in left_out}
    return replace(
        batch,
        versions=_compact(batch.versions),
        roles=_compact(batch.roles),
        statuses=_compact(batch.statuses),
        features=features,
        prediction=None if batch.prediction is None else _plain(batch.prediction),
        latency=None,
        queue=None,
        compute=None,
        sampling=None,
        instances=None,
        gpu=None,
        unknown=None,
        derived=None,
    )


def common(pieces: Sequence[KeptRows]) -> list[PredictionBatch]:
    """The rows of several pieces, each window and version under the smallest of its thresholds, so that what is left is an even sample."""
    least: dict[Key, int] = {}
    for each in pieces:
        least[each.key] = min(least.get(each.key, ALL), each.threshold)
    return [part for each in pieces if len(part := under(each.batch, least[each.key] if each.threshold != least[each.key] else ALL))]


def under(batch: PredictionBatch, threshold: int) -> PredictionBatch:
    """The rows of *batch* whose position hash is at most *threshold*."""
    if threshold == ALL:
        return batch
    numbers: Codes = np.array([each.number for each in batch.partitions], dtype=np.int32)[batch.partition]
    return sliced(batch, np.flatnonzero(row_hash(numbers, batch.positions, batch.ordinals) <= np.uint64(threshold)))


def _plain(column: Column) -> Column:
    """Without marks of what did not fit (it is missing), and without names that no row has."""
    return _compact(column) if isinstance(column, TextColumn) else type(column)(column.values)


def _compact(column: TextColumn) -> TextColumn:
    used, codes = np.unique(column.codes, return_inverse=True)
    first = 1 if len(used) and used[0] < 0 else 0
    return TextColumn((codes - first).astype(np.int32), tuple(column.names[i] for i in used[first:].tolist()))
