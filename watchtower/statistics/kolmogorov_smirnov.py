"""Kolmogorov-Smirnov distance."""

from typing import ClassVar

import numpy as np

from watchtower.nouns.batch import FeatureType
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cdf import distributions, rows_of
from watchtower.statistics._scored import scored


class KolmogorovSmirnov(Statistic):
    """The largest absolute difference of the distribution functions at the edges of the fine bins, in [0, 1].

    At most the raw rows' distance; it hides at most max min(pᵢ, qᵢ) over bins that hold more than one value. Missing rows are left out. Its p-value is
    Kolmogorov's, asymptotic and without a correction for bins or ties, so conservative: P(K > D sqrt(n_r n_c / (n_r + n_c))).
    Source: Smirnov (1939); scipy.special.kolmogorov.
    """

    types: ClassVar[frozenset[FeatureType]] = frozenset({FeatureType.NUMERIC})

    def score(self, pair: Pair) -> Scores:
        """The distance of each numeric subject; `n` counts rows with a value."""
        from scipy.special import kolmogorov  # noqa: PLC0415  31 MB that only an evaluation needs

        found = distributions(pair)
        values = np.maximum.reduceat(np.abs(found.gaps()), found.starts) if len(found.starts) else np.zeros(0)
        there, here = (rows.astype(float) for rows in found.rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            p_values = kolmogorov(np.sqrt(there * here / (there + here)) * values)
        subjects = len(pair.indexes)
        return scored(self, pair, rows_of(pair), found.spread_out(values, subjects), found.spread_out(p_values, subjects))
