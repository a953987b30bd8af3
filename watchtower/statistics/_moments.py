"""Means and spreads of numeric subjects, from the sums that profiles keep."""

from dataclasses import dataclass

import numpy as np

from watchtower.nouns.batch import Flags, Floats, Ints
from watchtower.nouns.profile import Profile

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """float64 of several subjects: n of finite values, their mean less the binning's mean, their population variance (0: one single value)."""

    n: Floats
    mean: Floats
    variance: Floats

    @property
    def constant(self) -> Flags:
        """Whether there is nothing to measure a distance in."""
        return self.variance <= 0


def spread(profile: Profile, indexes: Ints) -> Spread:
    """n, mean and variance of *indexes*; NaN without rows. What rounding leaves of a variance counts as none."""
    n, first, second = profile.moments[indexes, :3].T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean, square = first / n, second / n
        variance = square - mean**2
        variance = np.where(variance <= _ROUNDING * square, 0.0, variance)
    return Spread(n, mean, variance)
