"""Anderson-Darling distance."""

import math
from typing import ClassVar

import numpy as np

from watchtower.nouns.batch import FeatureType, Floats
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cdf import distributions, rows_of
from watchtower.statistics._limit_laws import anderson_tail
from watchtower.statistics._midranks import Midranks, midranks
from watchtower.statistics._scored import scored

_LARGEST = 8 * math.log(2) - 4
"""The integral where nothing overlaps: its largest value."""
_VARIANCE = 2 * (math.pi**2 - 9) / 3
_EQUAL = 1e-15


class AndersonDarling(Statistic):
    """sqrt(A / (8 ln 2 - 4)), A = ∫ (F_r - F_c)² / (H (1 - H)) dH, in [0, 1]: cramer_von_mises with more weight on the tails. 1: nothing overlaps.

    H is the mean of F_r and F_c, so that traffic does not move it. Over the fine bins, below and above included, all three at mid-distribution (ties count
    half). Missing rows are left out. Its p-value is that of the two-sample test on midranks, its variance corrected for ties.
    Source: Scholz and Stephens (1987), K-sample Anderson-Darling tests, equation 7 with k = 2; Anderson and Darling (1952) for the limit law.
    """

    types: ClassVar[frozenset[FeatureType]] = frozenset({FeatureType.NUMERIC})

    def score(self, pair: Pair) -> Scores:
        """The distance of each numeric subject; `n` counts rows with a value."""
        found, ranks, subjects = distributions(pair), midranks(pair), len(pair.indexes)
        spread = ranks.even_middle * (1 - ranks.even_middle)
        terms = np.divide(ranks.even_share * ranks.gap**2, spread, out=np.where(np.isnan(spread), np.nan, 0.0), where=spread > 0)
        values = np.sqrt(ranks.total(terms) / _LARGEST)
        p_values = anderson_tail(standard(ranks))
        return scored(self, pair, rows_of(pair), found.spread_out(values, subjects), found.spread_out(p_values, subjects))


def statistic(found: Midranks) -> Floats:
    """Scholz and Stephens' A² on midranks, (N - 1) n_r n_c / N² Σ share gap² / (H (1 - H) - share/4): scipy's, not standardised; mean 1 without drift."""
    there, here = found.rows
    every = there + here
    with np.errstate(divide="ignore", invalid="ignore"):
        sums: Floats = (every - 1) / every * there * here / every * found.total(_weight(found) * found.gap**2)
    return sums


def standard(found: Midranks) -> Floats:
    """A² brought to the mean and the variance that the limit law has without ties (1 and 2(π² - 9)/3); 0 of one bin, NaN without rows."""
    total = statistic(found)
    variance = found.total(2 * (_weight(found) * found.within()) ** 2) + 4 * found.pairs_before(_weight(found))
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = 1 + (total - 1) * np.sqrt(_VARIANCE / variance)
    moved = np.where((variance > 0) & (total > _EQUAL), moved, 0.0)
    moved[(found.rows[0] == 0) | (found.rows[1] == 0)] = np.nan
    return moved


def _weight(found: Midranks) -> Floats:
    """Share / (H (1 - H) - share/4); 0 for empty bins, and where one bin holds everything."""
    within = found.within()
    there = (found.share > 0) & (within > _EQUAL)
    weight: Floats = np.divide(found.share, within, out=np.zeros_like(within), where=there)
    return weight
