"""Estimates with their 95 % intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from watchtower.nouns.score import Scores

Z = 1.959963984540054
"""Half of a 95 % interval, in standard errors."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the bounds that hold the true one in 95 % of samples."""

    value: float
    low: float
    high: float


def estimates(found: Mapping[str, Estimate | str], n: int) -> Scores:
    """Scores by subject with their bounds; a text is the reason why there is none. What is not finite is no score."""
    sound = {subject: "values too large" if isinstance(each, Estimate) and not np.isfinite(each.value) else each for subject, each in found.items()}
    scores = Scores.of(tuple(sound), [(each.value if isinstance(each, Estimate) else each, n) for each in sound.values()])
    low, high = (np.array([getattr(each, name) if isinstance(each, Estimate) else np.nan for each in sound.values()]) for name in ("low", "high"))
    return replace(scores, low=low, high=high)


def wilson(share: float, n: float) -> Estimate:
    """A share of *n* rows with Wilson's interval (Wilson 1927)."""
    if n <= 0:
        return Estimate(share, 0.0, 1.0)
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    reach = Z / (1 + Z * Z / n) * sqrt(max(share * (1 - share), 0.0) / n + Z * Z / (4 * n * n))
    return Estimate(share, max(0.0, min(middle - reach, share)), min(1.0, max(middle + reach, share)))


def mean_of(total: float, squares: float, weight: float, n: float, low: float = -np.inf) -> Estimate:
    """The mean of what was summed over *weight*, ± 1.96 sd/√n."""
    mean = float(total) / weight
    reach = Z * sqrt(max(float(squares) / weight - mean * mean, 0.0) / n)
    return Estimate(mean, max(low, mean - reach), mean + reach)
