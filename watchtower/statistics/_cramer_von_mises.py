"""The two-sample Cramér-von Mises test on fine bins: wasserstein's p-value too."""

from typing import cast

import numpy as np

from watchtower.nouns.batch import Floats
from watchtower.nouns.score import Pair
from watchtower.statistics._limit_laws import brownian_tail
from watchtower.statistics._midranks import Midranks, midranks

_EQUAL = 1e-15
"""No gap beyond rounding: the distributions are the same, and ties cannot make that less likely."""


def cramer_von_mises(pair: Pair) -> Floats:
    """p-values of the numeric subjects of *pair*; 1 where all values fall into one bin, NaN where a side has no rows. Made once for each pair.

    T = n_r n_c / N² Σ (r_i + c_i) (F_i - G_i)² over the bins (below and above included), F and G at mid-distribution: midranks for ties.
    Under no drift T tends to ∫ B², B a Brownian bridge averaged over each bin; T is brought to the mean and the variance that ∫ B² has
    without ties (1/6, 1/45), and read in its limit law. Without the correction heavy ties (zero inflation) would hide changes.
    Source: Anderson (1962), On the distribution of the two-sample Cramér-von Mises criterion.
    """
    if "cramer_von_mises" not in pair.memo:
        pair.memo["cramer_von_mises"] = brownian_tail(standard(midranks(pair)))
    return cast("Floats", pair.memo["cramer_von_mises"])


def standard(found: Midranks) -> Floats:
    """T brought to mean 1/6 and variance 1/45; of values without ties it is what scipy.stats.cramervonmises_2samp reads in the limit law."""
    there, here = found.rows
    every = there + here
    with np.errstate(divide="ignore", invalid="ignore"):
        total = there * here / every * found.total(found.share * found.gap**2)
        within = found.within()
        mean = found.total(found.share * within) * (1 + 1 / every)
        limit = found.total(2 * (found.share * within) ** 2) + 4 * found.pairs_before(found.share)
        variance = limit * (1 + 1 / every) * (1 - 1 / (2 * every) - 0.75 * (there / here + here / there) / every)
        moved = 1 / 6 + (total - mean) / np.sqrt(45 * variance)
    moved = np.where((variance > 0) & (total > _EQUAL), moved, 0.0)
    moved[(there == 0) | (here == 0)] = np.nan
    return moved
