"""The two-sample Cramér-von Mises test on fine bins: wasserstein's p-value."""

import numpy as np

from watchtower.nouns.batch import Flags, Floats, Ints
from watchtower.statistics._cdf import Distributions

_TERMS, _NODES = 10, 48
_SURE = 0.01
"""Below this the limit law's tail is 1 to sixteen places."""
_EQUAL = 1e-15
"""No gap beyond rounding: the distributions are the same, and ties cannot make that less likely."""


def cramer_von_mises(found: Distributions) -> Floats:
    """p-values of the subjects of *found*; 1 where all values fall into one bin, NaN where a side has no rows.

    T = n_r n_c / N² Σ (r_i + c_i) (F_i - G_i)² over the bins (below and above included), F and G at mid-distribution: midranks for ties.
    Under no drift T tends to ∫ B², B a Brownian bridge averaged over each bin; T is brought to the mean and the variance that ∫ B² has
    without ties (1/6, 1/45), and read in its limit law. Without the correction heavy ties (zero inflation) would hide changes.
    Source: Anderson (1962), On the distribution of the two-sample Cramér-von Mises criterion; Smirnov's form of the limit law.
    """
    there, here = (rows.astype(float) for rows in found.rows)
    every = there + here
    owner, first = _bins(found)
    r, c = _counts(found.reference, found.rows[0], found, first), _counts(found.current, found.rows[1], found, first)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (r[0] + c[0]) / every[owner]
        middle = (r[1] + c[1]) / every[owner]
        gap = r[1] / there[owner] - c[1] / here[owner]
        subjects = len(every)
        total = there * here / every * np.bincount(owner, share * gap**2, subjects)
        within = middle * (1 - middle) - share / 4
        mean = np.bincount(owner, share * within, subjects)
        running = np.concatenate([[0.0], np.cumsum(np.nan_to_num(share * middle**2))])
        before = running[:-1] - running[np.flatnonzero(first)][owner]
        variance = np.bincount(owner, 2 * (share * within) ** 2 + 4 * share * (1 - middle) ** 2 * before, subjects)
        standard = 1 / 6 + (total - mean * (1 + 1 / every)) / np.sqrt(45 * variance)
    p_values = limit_tail(np.where((variance > 0) & (total > _EQUAL), standard, 0.0))
    p_values[(there == 0) | (here == 0)] = np.nan
    return p_values


def _bins(found: Distributions) -> tuple[Ints, Flags]:
    """Owner of each bin, below and above included (one more than edges), and whether it is its subject's first."""
    subjects = len(found.places)
    sizes = np.bincount(found.owner, minlength=subjects) + 1
    owner = np.repeat(np.arange(subjects), sizes)
    first = np.zeros(len(owner), dtype=bool)
    first[np.cumsum(sizes) - sizes] = True
    return owner, first


def _counts(below: Ints, rows: Ints, found: Distributions, first: Flags) -> tuple[Floats, Floats]:
    """Rows in each bin, and rows below its middle; *below* says how many rows lie below each edge."""
    upper = np.insert(below, found.ends(), rows).astype(float)
    counts = np.diff(upper, prepend=0.0)
    counts[first] = upper[first]
    return counts, upper - counts / 2


def limit_tail(x: Floats) -> Floats:
    """P(∫ B² > x) of the Brownian bridge, to many places even far out.

    2/π Σ_k (-1)^(k+1) ∫ exp(-x y² / 2) / sqrt(-y sin y) dy over ((2k-1)π, 2kπ), each integral by Gauss-Chebyshev quadrature.
    """
    nodes = np.cos((2 * np.arange(1, _NODES + 1) - 1) * np.pi / (2 * _NODES))
    k = np.arange(1, _TERMS + 1)
    y = np.pi * (2 * k[:, None] - 0.5 + nodes / 2)
    weight = (-1.0) ** (k[:, None] + 1) * np.sqrt((1 - nodes**2) / (-y * np.sin(y))) / _NODES * np.pi
    tail = np.exp(-np.maximum(x, _SURE)[:, None] * (y**2 / 2).ravel()) @ weight.ravel()
    result: Floats = np.where(x <= _SURE, 1.0, np.clip(tail, 0.0, 1.0))
    return result
