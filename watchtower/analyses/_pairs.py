"""Two samples by the distances between their rows, and how a difference compares with those of random relabellings."""

import math
from dataclasses import dataclass

import numpy as np

from watchtower.nouns.batch import Floats

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Contrast:
    """Mean within the first sample (w_x), within the second (w_y), between them (between), over pairs of different rows."""

    within_first: float
    within_second: float
    between: float

    @property
    def excess(self) -> float:
        """2 between - within_first - within_second."""
        return 2 * self.between - self.within_first - self.within_second


def squared_distances(rows: Floats) -> Floats:
    """Squared Euclidean distances of all pairs of *rows*, float64[n, n], the diagonal exactly 0."""
    centred = rows - rows.mean(axis=0)
    norms = np.einsum("ij,ij->i", centred, centred)
    squares: Floats = norms[:, None] + norms[None, :] - 2 * (centred @ centred.T)
    np.maximum(squares, 0, out=squares)
    np.fill_diagonal(squares, 0)
    return squares


def contrast(pairs: Floats, first: int) -> Contrast:
    """Of a symmetric matrix over both samples, of which *first* rows are the first one's; its diagonal is left out."""
    second = len(pairs) - first
    diagonal = np.diagonal(pairs)
    x = (pairs[:first, :first].sum() - diagonal[:first].sum()) / (first * (first - 1))
    y = (pairs[first:, first:].sum() - diagonal[first:].sum()) / (second * (second - 1))
    return Contrast(float(x), float(y), float(pairs[:first, first:].mean()))


def relabelled(pairs: Floats, first: int, times: int, seed: int) -> Floats:
    """The excess (see :class:`Contrast`) of *times* random relabellings, float64[times]: quadratic forms, all in one matrix product.

    With z the 0/1 labels, A = *pairs* less its mean off the diagonal, and 0 on it: within_first is z'Az / n(n-1), between z'A(1-z) / nm.
    """
    size = len(pairs)
    second = size - first
    off = pairs.sum() - np.trace(pairs)
    centred = (pairs - off / (size * (size - 1))).astype(np.float32)
    np.fill_diagonal(centred, 0)
    total, sums = float(centred.sum(dtype=np.float64)), centred.sum(axis=1, dtype=np.float64)
    random = np.random.default_rng(seed)
    found = []
    for done in range(0, times, _AT_ONCE):
        count = min(_AT_ONCE, times - done)
        labels = np.zeros((size, count), dtype=np.float32)
        labels[np.argsort(random.random((size, count)), axis=0)[:first], np.arange(count)] = 1
        inside = np.einsum("ij,ij->j", labels, centred @ labels, dtype=np.float64)
        row_sums = sums @ labels
        between = row_sums - inside
        outside = total - 2 * row_sums + inside
        found.append(2 * between / (first * second) - inside / (first * (first - 1)) - outside / (second * (second - 1)))
    return np.concatenate(found)


def p_value(observed: float, chance: Floats) -> float:
    """(b + 1) / (m + 1) with b of m relabellings at or beyond *observed*; where none is, the tail of a shifted gamma with their mean, sd and skewness.

    The plain value is exact and cannot fall under 1 / (m + 1); the gamma (Pearson III) goes on from there. Under no drift such quadratic forms are
    weighted sums of chi-squares, which it approximates well. Source: Phipson & Smyth (2010); Minas & Montana (2014), Distance-based analysis of variance.
    """
    beyond = int(np.count_nonzero(chance >= observed - 1e-6 * float(np.std(chance))))
    plain = (beyond + 1) / (len(chance) + 1)
    return plain if beyond else min(plain, _tail(observed, chance))


def _tail(observed: float, chance: Floats) -> float:
    from scipy.special import gammaincc  # noqa: PLC0415  not on the line

    mean, sd = float(chance.mean()), float(chance.std())
    if sd <= 0:
        return 1.0
    skew = max(float((((chance - mean) / sd) ** 3).mean()), 1e-3)
    shape = 4 / skew**2
    return float(gammaincc(shape, max(0.0, shape + (observed - mean) / sd * math.sqrt(shape))))
