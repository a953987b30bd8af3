"""What the numbers must be, computed from rows alone, by the formulas of docs/statistics.md and without a line of Watchtower's."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEAST = 5.0
"""Cells whose pooled expected count in the smaller sample is under this are one rest cell."""
FINE = 1 / 64
"""The most that a bin of the prediction holds of the reference, unless it is one value."""


def psi_of_categories(reference: Sequence[object], window: Sequence[object]) -> float:
    """PSI of a categorical feature; "" is missing, which is a cell; shares smoothed by half a count."""
    left, right = Counter(reference), Counter(window)
    n, m = len(reference), len(window)
    rest = [0, 0]
    cells: list[list[int]] = []
    for name in left.keys() | right.keys():
        pair = [left[name], right[name]]
        unseen = name != "" and not left[name]
        if unseen or sum(pair) * min(n, m) / (n + m) < LEAST:
            rest = [rest[0] + pair[0], rest[1] + pair[1]]
        else:
            cells.append(pair)
    if sum(rest):
        if sum(rest) * min(n, m) / (n + m) < 1:
            cells.sort(key=sum)
            cells[0] = [cells[0][0] + rest[0], cells[0][1] + rest[1]]
        else:
            cells.append(rest)
    k = len(cells)
    shares = [((p + 0.5) / (n + k / 2), (q + 0.5) / (m + k / 2)) for p, q in cells]
    return sum((q - p) * math.log(q / p) for p, q in shares)


def distance(reference: NDArray[np.float64], window: NDArray[np.float64]) -> float:
    """Kolmogorov-Smirnov of the raw values; from bins it is at most this, and less by at most what a bin hides."""
    grid = np.sort(np.concatenate([reference, window]))
    left = np.searchsorted(np.sort(reference), grid, "right") / len(reference)
    right = np.searchsorted(np.sort(window), grid, "right") / len(window)
    return float(np.abs(left - right).max())


def hidden(reference: NDArray[np.float64], window: NDArray[np.float64]) -> float:
    """The most that bins at the reference's 64 quantiles can hide: the smaller of both shares in the fullest of them."""
    edges = np.quantile(reference, np.arange(65) / 64)
    p = np.histogram(reference, edges)[0] / len(reference)
    q = np.histogram(window, edges)[0] / len(window)
    return float(np.minimum(p + FINE / 4, q + FINE / 4).max())


def quantile(values: NDArray[np.float64], share: float) -> float:
    """The smallest value that *share* of all do not exceed."""
    return float(np.sort(values)[math.ceil(share * len(values)) - 1])
