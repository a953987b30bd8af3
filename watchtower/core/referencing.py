"""Makes references from rows, in pieces that fit into memory. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from watchtower.core.binning import make_reference_profile
from watchtower.core.grouping import segment_rows
from watchtower.core.merging import merge
from watchtower.core.slicing import column_at, joined, sliced
from watchtower.nouns.batch import Column, Flags, NumberColumn, PredictionBatch, TextColumn
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.profile import Profile

MOST_SAMPLED = 200_000
"""Rows that a binning is made of at most; of more, those whose position hash is under a threshold, and what they would leave out."""
_MOST_NAMES = 100_000
"""Names that are sought beyond the sample; a column with more of them is cut by mass anyway."""
_HASH = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))

Key = tuple[str, str]
Hashes = NDArray[np.uint64]


def columns_of(batch: PredictionBatch) -> dict[str, Column]:
    """What is folded of *batch*: features, and the prediction as subject ""."""
    return {**batch.features, **({PREDICTION: batch.prediction} if batch.prediction is not None else {})}


def profiles_of(binning: Binning, columns: Mapping[str, Column], rows: int, version: str = "") -> dict[Key, Profile]:
    """The reference profile of the whole and of each segment, by (version, segment); with *version* "" of rows that made the *binning*."""
    found = {(version, ""): make_reference_profile(binning, columns, rows, own=not version)}
    for name, values in binning.segments.items():
        for value, mine in segment_rows(columns.get(name), values, rows):
            part = {subject: column_at(column, mine) for subject, column in columns.items()}
            found[version, f"{name}={value}"] = make_reference_profile(binning, part, len(mine), own=not version)
    return found


def with_lacking(binning: Binning, own: Profile, whole: Profile | None, columns: Iterable[str]) -> Profile:
    """*own*, made of *columns*, with the cells of *whole* for subjects that are made of none of them."""
    had = set(columns)
    sources = {subject: made.source for subject, made in binning.derived.items()}
    lacking = [i for i, subject in enumerate(binning.subjects) if sources.get(subject, subject) not in had]
    if whole is None or not lacking:
        return own
    cells, moments, oddities = own.cells.copy(), own.moments.copy(), own.oddities.copy()
    for i in lacking:
        part = slice(binning.offsets[i], binning.offsets[i + 1])
        cells[part], moments[i], oddities[i] = whole.cells[part], whole.moments[i], whole.oddities[i]
    return replace(own, cells=cells, moments=moments, oddities=oddities)


# -------------------------------------------------------------------------------------------- a sample that a binning is made of


@dataclass(slots=True)
class Sampler:
    """The rows that a binning is made of, gathered piece by piece; with *share* 1 all of them.

    Beside the sampled share (the same rows whenever they are read) it keeps the rows with each piece's smallest and largest value of every numeric column,
    and the first row of every name: the range and the categories are those of all rows, only the quantiles and the order of the categories are the sample's.
    """

    share: float = 1.0
    rows: int = 0
    _kept: list[PredictionBatch] = field(default_factory=list)
    _names: dict[str, set[str]] = field(default_factory=dict)

    def add(self, piece: PredictionBatch) -> None:
        """Takes what is wanted of *piece*."""
        self.rows += len(piece)
        if self.share >= 1:
            self._kept.append(piece)
            return
        wanted = position_hash(piece) < np.uint64(int(self.share * 2**63) * 2)
        for name, column in columns_of(piece).items():
            if isinstance(column, NumberColumn):
                wanted[_extremes(column)] = True
            elif isinstance(column, TextColumn):
                wanted[self._first_of_names(name, column)] = True
        if wanted.any():
            self._kept.append(sliced(piece, np.flatnonzero(wanted)))

    def batch(self) -> PredictionBatch | None:
        """The sample; None of no rows."""
        return joined(self._kept) if self._kept else None

    def _first_of_names(self, name: str, column: TextColumn) -> list[int]:
        known = self._names.setdefault(name, set())
        if len(known) >= _MOST_NAMES:
            return []
        codes, first = np.unique(column.codes, return_index=True)
        fresh = [(column.names[code], int(i)) for code, i in zip(codes.tolist(), first.tolist(), strict=True) if code >= 0 and column.names[code] not in known]
        known.update(each for each, _ in fresh)
        return [i for _, i in fresh]


def _extremes(column: NumberColumn) -> list[int]:
    finite = np.isfinite(column.values)
    if not finite.any():
        return []
    return [int(np.where(finite, column.values, np.inf).argmin()), int(np.where(finite, column.values, -np.inf).argmax())]


def position_hash(batch: PredictionBatch) -> Hashes:
    """A 64-bit hash of where each row stands (position, ordinal, partition's number), the same whenever it is read: splitmix64 (Steele et al. 2014)."""
    numbers = np.array([each.number for each in batch.partitions], dtype=np.uint64)[batch.partition]
    mixed = batch.positions.astype(np.uint64) ^ (batch.ordinals.astype(np.uint64) << np.uint64(44)) ^ (numbers << np.uint64(32))
    mixed = mixed + _HASH[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _HASH[1]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _HASH[2]
    found: Hashes = mixed ^ (mixed >> np.uint64(31))
    return found


# -------------------------------------------------------------------------------------------- the profiles, piece by piece


@dataclass(slots=True)
class Maker:
    """Folds a reference's rows piece by piece under *binning*; predictions are those of the rows that *live* marks (of all where it marks none)."""

    binning: Binning
    live: Callable[[PredictionBatch], Flags]
    rows: int = 0
    _features: dict[Key, Profile] = field(default_factory=dict)
    _predictions: dict[Key, Profile] = field(default_factory=dict)
    _all_predictions: dict[Key, Profile] = field(default_factory=dict)

    def add(self, piece: PredictionBatch) -> None:
        """Counts *piece*."""
        self.rows += len(piece)
        columns = columns_of(piece)
        answers = columns.pop(PREDICTION, None)
        _merged(self._features, profiles_of(self.binning, columns, len(piece)))
        if answers is None:
            return
        apart = {name: column for name, column in columns.items() if name in self.binning.segments} | {PREDICTION: answers}
        mine = np.flatnonzero(self.live(piece))
        if len(mine):
            part = {name: column_at(column, mine) for name, column in apart.items()}
            _merged(self._predictions, profiles_of(self.binning, part, len(mine)))
        if not self._predictions:
            _merged(self._all_predictions, profiles_of(self.binning, apart, len(piece)))

    def profiles(self) -> dict[Key, Profile]:
        """The reference profiles by ("", segment)."""
        answers = self._predictions or self._all_predictions
        features = [subject for subject in self.binning.subjects if subject != PREDICTION]
        return {key: with_lacking(self.binning, profile, answers.get(key), features) for key, profile in self._features.items()}


def _merged(into: dict[Key, Profile], more: Mapping[Key, Profile]) -> None:
    for key, profile in more.items():
        into[key] = merge([into[key], profile]) if key in into else profile
