"""Cramér-von Mises distance."""

from typing import ClassVar

import numpy as np

from watchtower.nouns.batch import FeatureType
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cdf import distributions, rows_of
from watchtower.statistics._cramer_von_mises import cramer_von_mises
from watchtower.statistics._midranks import midranks
from watchtower.statistics._scored import scored


class CramerVonMises(Statistic):
    """sqrt(3 ω²), ω² = ∫ (F_r - F_c)² dH, in [0, 1]; H is the mean of F_r and F_c, so that traffic does not move it. 1: nothing overlaps.

    Over the fine bins, below and above included, all three at mid-distribution (ties count half). Missing rows are left out. Its p-value is that of the
    two-sample test, corrected for ties: T = n_r n_c / N ∫ (F_r - F_c)² dH with H of the pooled rows. With equal rows T = n ω² / 2.
    Source: Anderson (1962), On the distribution of the two-sample Cramér-von Mises criterion.
    """

    types: ClassVar[frozenset[FeatureType]] = frozenset({FeatureType.NUMERIC})

    def score(self, pair: Pair) -> Scores:
        """The distance of each numeric subject; `n` counts rows with a value."""
        found, ranks, subjects = distributions(pair), midranks(pair), len(pair.indexes)
        values = np.sqrt(3 * ranks.total(ranks.even_share * ranks.gap**2))
        return scored(self, pair, rows_of(pair), found.spread_out(values, subjects), found.spread_out(cramer_von_mises(pair), subjects))
