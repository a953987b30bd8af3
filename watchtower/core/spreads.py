"""Histograms of any numbers without edges of their own: cells of a relative width that doubles wherever there are too many, so that they always add up.

Source: Epicoco et al. (2020), UDDSketch: accurate tracking of quantiles in data streams.
"""

from math import log1p

import numpy as np

from watchtower.nouns.batch import Floats, Ints
from watchtower.nouns.labels import Spread

MOST = 512
"""Cells that a spread holds at most."""
WIDTH = 1e-4
"""Relative width of the finest cells."""
SMALLEST = 1e-12
"""What lies nearer to 0 is in the cells beside it; 0 has one of its own."""


def spread_of(values: Floats, weights: Floats) -> Spread:
    """The spread of finite *values*."""
    size = np.maximum(np.abs(values), SMALLEST)
    cells = np.sign(values).astype(np.int64) * (1 + (np.log(size / SMALLEST) / log1p(WIDTH)).astype(np.int64))
    return _within(0, cells, weights)


def merged(one: Spread | None, other: Spread | None) -> Spread | None:
    """The spread of both: associative and commutative, since cells only ever join by pairs."""
    if one is None or other is None:
        return other if one is None else one
    level = max(one.level, other.level)
    cells = np.concatenate([coarser(one.cells, level - one.level), coarser(other.cells, level - other.level)])
    return _within(level, cells, np.concatenate([one.weights, other.weights]))


def coarser(cells: Ints, levels: int) -> Ints:
    """Each cell's cell *levels* above."""
    above: Ints = np.sign(cells) * (1 + ((np.abs(cells) - 1) >> levels))
    return above


def _within(level: int, cells: Ints, weights: Floats) -> Spread:
    known, index = np.unique(cells, return_inverse=True)
    while len(known) > MOST:
        level += 1
        cells = coarser(cells, 1)
        known, index = np.unique(cells, return_inverse=True)
    return Spread(level, known, np.bincount(index, weights, len(known)).astype(np.float64))


def bounds(cells: Ints, level: int) -> tuple[Floats, Floats]:
    """Where each cell begins and ends."""
    nearer, farther = (_edge(np.abs(cells) - 1 + step, level) for step in (0, 1))
    zero = np.nextafter(0.0, 1.0)
    low = np.where(cells > 0, nearer, np.where(cells < 0, -farther, 0.0))
    high = np.where(cells > 0, farther, np.where(cells < 0, np.where(nearer == zero, 0.0, -nearer), zero))
    return low, high


def _edge(place: Ints, level: int) -> Floats:
    sizes = SMALLEST * np.exp((np.maximum(place, 0) << level) * log1p(WIDTH))
    edges: Floats = np.where(place <= 0, np.nextafter(0.0, 1.0), sizes)
    return edges
