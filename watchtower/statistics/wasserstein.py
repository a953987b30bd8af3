"""Wasserstein distance, in standard deviations of the reference."""

from typing import ClassVar

import numpy as np

from watchtower.nouns.batch import FeatureType, Floats
from watchtower.nouns.binning import NumericBins
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cdf import Distributions, distributions, rows_of
from watchtower.statistics._cramer_von_mises import cramer_von_mises
from watchtower.statistics._moments import spread
from watchtower.statistics._scored import scored


class Wasserstein(Statistic):
    """∫ abs(F_r - F_c) over the whole line, divided by the reference's standard deviation.

    Outside the reference's range it is exact, from the sums of the below and above cells; inside, F is interpolated between the edges, with an error of at
    most Σ widthᵢ (pᵢ + qᵢ) / (2 sd_r). Missing rows are left out. Its p-value is that of the Cramér-von Mises test on the fine bins.
    Outliers set sd_r: heavy tails pass small bounds in quiet windows, and it is significance that holds them back.
    Source: Vallender (1974), Calculation of the Wasserstein distance between probability distributions on the line.
    """

    types: ClassVar[frozenset[FeatureType]] = frozenset({FeatureType.NUMERIC})

    def score(self, pair: Pair) -> Scores:
        """The distance of each numeric subject; no score where the reference never varies. `n` counts rows with a value."""
        found, subjects = distributions(pair), len(pair.indexes)
        reference = spread(pair.reference, found.indexes)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            values = (_inside(found) + _outside(pair, found)) / np.sqrt(reference.variance)
        constant = np.zeros(subjects, dtype=bool)
        constant[found.places] = reference.constant
        return scored(self, pair, rows_of(pair), found.spread_out(values, subjects), found.spread_out(cramer_von_mises(pair), subjects), constant.tolist())


def _inside(found: Distributions) -> Floats:
    """∫ abs(F_r - F_c) between the outer edges, the difference being linear between neighbours."""
    gaps = found.gaps()
    left, right = gaps[:-1], gaps[1:]
    same = found.owner[:-1] == found.owner[1:]
    both = np.abs(left) + np.abs(right)
    crossing = np.where(both > 0, (left**2 + right**2) / np.where(both > 0, both, 1.0), 0.0)
    height = np.where(left * right < 0, crossing, both) / 2
    areas = np.where(same, np.diff(found.edges), 0.0) * height
    sums: Floats = np.bincount(found.owner[:-1], np.where(same, areas, 0.0), len(found.places)).astype(np.float64, copy=False)
    return sums


def _outside(pair: Pair, found: Distributions) -> Floats:
    """How far rows lie beyond the outer edges in the mean, below plus above."""
    bins = [each for each in (pair.binning.bins[index] for index in found.indexes) if isinstance(each, NumericBins)]
    low, high = np.array([each.edges[0] for each in bins]), np.array([each.edges[-1] for each in bins])
    last = found.ends() - 1

    def beyond(profile: Profile, below: Floats, rows: Floats, upto: Floats) -> tuple[Floats, Floats]:
        sums = profile.moments[found.indexes]
        return (low * below - sums[:, 3]) / rows, (sums[:, 4] - high * (rows - upto)) / rows

    one = beyond(pair.reference, found.reference[found.starts].astype(float), found.rows[0].astype(float), found.reference[last].astype(float))
    other = beyond(pair.current, found.current[found.starts].astype(float), found.rows[1].astype(float), found.current[last].astype(float))
    return np.abs(one[0] - other[0]) + np.abs(one[1] - other[1])
