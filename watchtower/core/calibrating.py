"""How often a version's scores are right: isotonic regression on labelled rows, kept by the prediction's cells. Pure."""

import numpy as np

from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import Flags, Floats, Ints
from watchtower.nouns.binning import PREDICTION, Binning, NumericBins

LEAST = 200
"""Labelled rows from which a version is calibrated."""
HALF = 0.5


def isotonic(scores: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """The distinct scores, ascending, and the non-decreasing values that are closest to the *labels* in squares (pool adjacent violators).

    Between two scores interpolate, beyond the outermost clip: so does scikit-learn. Source: Zadrozny & Elkan (2002), Transforming Classifier Scores into
    Accurate Multiclass Probability Estimates; Barlow et al. (1972).
    """
    distinct, at = np.unique(scores, return_inverse=True)
    weights = np.bincount(at).astype(np.float64)
    means = np.bincount(at, weights=labels) / weights
    pools: list[tuple[float, float, int]] = []
    for mean, weight in zip(means.tolist(), weights.tolist(), strict=True):
        value, mass, count = mean, weight, 1
        while pools and pools[-1][0] >= value:
            before, heavy, many = pools.pop()
            value, mass, count = (before * heavy + value * mass) / (heavy + mass), heavy + mass, many + count
        pools.append((value, mass, count))
    return distinct, np.repeat([value for value, _, _ in pools], [count for _, _, count in pools])


def calibrate(binning: Binning, scores: Floats, labels: Floats) -> Calibration | str:
    """The calibration of *scores* (what a version answered on reference rows) by their *labels*, 1 or 0, NaN where unlabelled; or why there is none."""
    index = binning.subjects.index(PREDICTION) if PREDICTION in binning.subjects else -1
    bins = binning.bins[index]
    if index < 0 or not isinstance(bins, NumericBins):
        return "version not calibrated: the reference has no predictions that are numbers"
    usable = np.isfinite(scores) & np.isfinite(labels)
    n, positives = int(usable.sum()), int((labels[usable] > HALF).sum())
    if n < LEAST or not 0 < positives < n:
        lacking = f"{n:,} of {LEAST} labelled reference rows" if n < LEAST else "all labels of the reference are alike"
        return f"version not calibrated: {lacking}"
    return _by_cell(binning.id, bins.edges, scores[usable], labels[usable])


def _by_cell(name: str, edges: Floats, scores: Floats, labels: Floats) -> Calibration:
    distinct, fitted = isotonic(scores, labels)
    chances: Floats = np.interp(scores, distinct, fitted)
    lows, highs = np.array([*edges[:-1], edges[0], edges[-1]]), np.array([*edges[1:], edges[0], edges[-1]])
    cells = _cells_of(edges, scores)
    above = scores >= HALF
    rows = np.bincount(cells, minlength=len(lows))
    share = np.divide(np.bincount(cells, weights=above, minlength=len(lows)), rows, out=_part_above(lows, highs), where=rows > 0)
    middle = (lows + highs) / 2
    low = _means(cells, chances, ~above, np.interp(np.minimum(middle, HALF), distinct, fitted))
    high = _means(cells, chances, above, np.interp(np.maximum(middle, HALF), distinct, fitted))
    return Calibration(name, share, high, low, rows.astype(np.int64), len(scores))


def _cells_of(edges: Floats, scores: Floats) -> Ints:
    """Inside cells, then below and above."""
    inside = len(edges) - 1
    cells = np.minimum(np.searchsorted(edges, scores, side="right") - 1, inside - 1)
    return np.where(scores < edges[0], inside, np.where(scores > edges[-1], inside + 1, cells))


def _part_above(lows: Floats, highs: Floats) -> Floats:
    """The part of each cell that is over a half, where no row says so."""
    widths = highs - lows
    part = np.divide(highs - HALF, widths, out=(highs >= HALF).astype(np.float64), where=widths > 0)
    clipped: Floats = np.clip(part, 0.0, 1.0)
    return clipped


def _means(cells: Ints, values: Floats, chosen: Flags, otherwise: Floats) -> Floats:
    """The mean of the *chosen* values by cell; *otherwise* where there is none."""
    counts = np.bincount(cells[chosen], minlength=len(otherwise))
    sums = np.bincount(cells[chosen], weights=values[chosen], minlength=len(otherwise))
    return np.divide(sums, counts, out=otherwise.copy(), where=counts > 0)
