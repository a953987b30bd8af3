"""Quiet windows, drawn from a reference that is itself only a sample: what a statistic says when nothing has moved. Pure, seeded."""

from dataclasses import dataclass, replace

import numpy as np

from watchtower.core.naming import AUTO, statistic_of
from watchtower.core.scoring import automatic
from watchtower.nouns.batch import Floats, Ints
from watchtower.nouns.binning import Binning, NumericBins
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import MeasureName, Over, Pair
from watchtower.statistics import Statistic

MOST = 120
"""Base windows that an `over` can merge."""
_AT_ONCE = 1_000_000
"""Cells that are scored at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """float64[windows, subjects] of one run: values, NaN where there is no score, and p-values."""

    values: Floats
    p_values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What windows of one segment are drawn from: *indexes* of the binning's subjects, the reference, and how many rows windows have."""

    binning: Binning
    indexes: tuple[int, ...]
    reference: Profile
    rows: Ints


def drawn(source: Source, measure: MeasureName, over: Over, min_rows: int | None, windows: int, rng: np.random.Generator) -> Drawn:  # noqa: PLR0913, PLR0917  what one run is made of
    """One run: p* ~ Dirichlet(reference counts + ½) by subject, then *windows* windows ~ Multinomial(rows, p*), merged over *over* and scored.

    Rows by window are drawn from the observed ones. Moments are those of the cells' middles, stretched so that the reference keeps its mean and
    standard deviation; the reference's own are made in the same way, so that quiet stays quiet.
    """
    narrow = _narrowed(source)
    lead = _lead(over, source.rows)
    rows = rng.choice(source.rows, windows + lead)
    cells = np.concatenate([_subject(narrow.reference.cells[part], rows, rng) for part in _parts(narrow.binning)], axis=1)
    merged = _merged(cells, rows, over, lead)
    middles = _Middles.of(narrow)
    step = max(1, _AT_ONCE // max(1, narrow.binning.size))
    parts = [_scored(narrow, measure, min_rows, merged[first : first + step], middles) for first in range(0, windows, step)]
    return Drawn(np.concatenate([each.values for each in parts]), np.concatenate([each.p_values for each in parts]))


def _narrowed(source: Source) -> Source:
    """*source* with its chosen subjects alone."""
    binning = source.binning
    bins = tuple(binning.bins[i] for i in source.indexes)
    offsets = (0, *np.cumsum([each.size for each in bins]).tolist())
    cells = np.concatenate([source.reference.cells[binning.offsets[i] : binning.offsets[i + 1]] for i in source.indexes])
    only = Binning("", tuple(binning.subjects[i] for i in source.indexes), tuple(binning.types[i] for i in source.indexes), bins, offsets, {})
    mine = list(source.indexes)
    reference = replace(source.reference, binning="", cells=cells, moments=source.reference.moments[mine], oddities=source.reference.oddities[mine])
    return Source(only, tuple(range(len(bins))), reference, source.rows)


def _parts(binning: Binning) -> list[slice]:
    return [slice(first, last) for first, last in zip(binning.offsets, binning.offsets[1:], strict=False)]


def _subject(counts: Ints, rows: Ints, rng: np.random.Generator) -> Ints:
    """One subject's cells in each window."""
    shares = rng.standard_gamma(counts + 0.5)
    drawn_cells: Ints = rng.multinomial(rows, shares / shares.sum())
    return drawn_cells


def _lead(over: Over, rows: Ints) -> int:
    """Windows before the first one that is scored, so that it is as long as all others."""
    if not over.rows:
        return min(over.windows, MOST) - 1
    return min(MOST, int(np.ceil(over.rows / max(1.0, float(rows.mean()))) * 2)) - 1


def _merged(cells: Ints, rows: Ints, over: Over, lead: int) -> Ints:
    """The merge over *over* that ends with each window behind the *lead*."""
    sums = np.vstack([np.zeros((1, cells.shape[1]), dtype=np.int64), np.cumsum(cells, axis=0)])
    last = np.arange(lead, len(cells)) + 1
    if over.rows:
        so_far = np.concatenate([[0], np.cumsum(rows)])
        first = np.maximum(np.searchsorted(so_far, so_far[last] - over.rows, side="right") - 1, np.maximum(last - MOST, 0))
    else:
        first = last - min(over.windows, MOST)
    merged: Ints = sums[last] - sums[np.maximum(first, 0)]
    return merged


@dataclass(frozen=True, slots=True, eq=False)
class _Middles:
    """A value for each cell of the numeric subjects, less the binning's mean (0 elsewhere): moments are sums over cells."""

    off: Floats
    numeric: Floats
    below: Floats
    above: Floats
    starts: Ints

    @classmethod
    def of(cls, source: Source) -> "_Middles":
        binning = source.binning
        off, numeric, below, above = (np.zeros(binning.size) for _ in range(4))
        for i, (bins, part) in enumerate(zip(binning.bins, _parts(binning), strict=True)):
            if isinstance(bins, NumericBins):
                off[part] = _stretched(bins, source.reference.cells[part], source.reference.moments[i])
                numeric[part.start : part.stop - 1] = 1.0
                below[part.stop - 3], above[part.stop - 2] = bins.edges[0], bins.edges[-1]
        return cls(off, numeric, below, above, np.array(binning.offsets[:-1], dtype=np.int64))

    def moments(self, cells: Floats) -> Floats:
        """float64[rows of *cells* x subjects, 5], as a profile keeps them."""
        sums = [np.add.reduceat(cells * weight, self.starts, axis=1) for weight in (self.numeric, self.off, self.off**2, self.below, self.above)]
        return np.stack([each.ravel() for each in sums], axis=1)


def _stretched(bins: NumericBins, cells: Ints, moments: Floats) -> Floats:
    """Middles of the cells, less the binning's mean, moved and stretched to the moments of the reference."""
    edges = bins.edges
    plain = np.concatenate([np.where(bins.single > 0, edges[:-1], (edges[:-1] + edges[1:]) / 2), [edges[0], edges[-1]]]) - bins.mean
    weights = cells[:-1].astype(float)
    n = weights.sum()
    if n <= 0 or moments[0] <= 0:
        return np.append(plain, 0.0)
    mean = (weights * plain).sum() / n
    spread = np.sqrt(max(0.0, (weights * (plain - mean) ** 2).sum() / n))
    wanted = moments[1] / moments[0]
    deviation = np.sqrt(max(0.0, moments[2] / moments[0] - wanted**2))
    return np.append(wanted + (plain - mean) * (deviation / spread if spread > 0 else 1.0), 0.0)


def _scored(source: Source, measure: MeasureName, min_rows: int | None, merged: Ints, middles: _Middles) -> Drawn:
    """Every window of *merged* at once: its subjects are so many more subjects of one pair."""
    windows, binning = len(merged), source.binning
    offsets = (np.arange(windows)[:, None] * binning.size + np.array(binning.offsets[:-1])).ravel()
    many = Binning("", binning.subjects * windows, binning.types * windows, binning.bins * windows, (*offsets.tolist(), windows * binning.size), {})
    reference, subjects = source.reference, len(binning.subjects)
    there = replace(reference, cells=np.tile(reference.cells, windows), moments=np.tile(middles.moments(reference.cells[None].astype(float)), (windows, 1)))
    here = Profile("", 1, 1.0, merged.ravel(), middles.moments(merged.astype(float)), np.zeros((windows * subjects, 2), dtype=np.int64))
    every = tuple(range(windows * subjects))
    if measure.name != AUTO:
        scores = statistic_of(measure).score(Pair(many, there, here, every, min_rows))
        return Drawn(scores.values.reshape(windows, subjects), scores.p_values.reshape(windows, subjects))
    values, p_values = np.full(len(every), np.nan), np.full(len(every), np.nan)
    kinds = np.array([automatic(binning, i) for i in range(subjects)] * windows)
    for kind in sorted(set(kinds.tolist())):
        mine = np.flatnonzero(kinds == kind)
        scores = Statistic.member(kind)().score(Pair(many, there, here, tuple(mine.tolist()), min_rows))
        values[mine], p_values[mine] = scores.values, scores.p_values
    return Drawn(values.reshape(windows, subjects), p_values.reshape(windows, subjects))
