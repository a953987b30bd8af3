"""Shift of the mean, in standard deviations of the reference."""

from typing import ClassVar

import numpy as np

from watchtower.nouns.batch import FeatureType
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cdf import distributions, rows_of
from watchtower.statistics._moments import spread
from watchtower.statistics._scored import scored


class MeanShift(Statistic):
    """abs(mean_c - mean_r) / sd_r, sd_r the reference's population standard deviation. Missing rows are left out.

    Its p-value is Welch's, in the normal limit: z = (mean_c - mean_r) / sqrt(var_r / (n_r - 1) + var_c / (n_c - 1)), var the population variances.
    Source: Welch (1947), The generalization of Student's problem when several different population variances are involved.
    """

    types: ClassVar[frozenset[FeatureType]] = frozenset({FeatureType.NUMERIC})

    def score(self, pair: Pair) -> Scores:
        """The shift of each numeric subject; no score where the reference never varies. `n` counts rows with a value."""
        from scipy.special import erfc  # noqa: PLC0415  31 MB that only an evaluation needs

        found, subjects = distributions(pair), len(pair.indexes)
        there, here = spread(pair.reference, found.indexes), spread(pair.current, found.indexes)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            apart = np.abs(here.mean - there.mean)
            z = apart / np.sqrt(there.variance / np.maximum(there.n - 1, 1) + here.variance / np.maximum(here.n - 1, 1))
            values = np.where(np.isfinite(here.variance), apart / np.sqrt(there.variance), np.inf)  # without a spread there is no p-value: values too large
        constant = np.zeros(subjects, dtype=bool)
        constant[found.places] = there.constant
        return scored(self, pair, rows_of(pair), found.spread_out(values, subjects), found.spread_out(erfc(z / np.sqrt(2)), subjects), constant.tolist())
