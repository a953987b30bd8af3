"""Quantiles of log-spaced histograms of seconds."""

from math import sqrt

import numpy as np

from watchtower.measures._estimates import Estimate, Z
from watchtower.nouns.batch import Floats
from watchtower.nouns.profile import LATENCY_EDGES, Durations


def _middles() -> Floats:
    lower, upper = LATENCY_EDGES[:-1], LATENCY_EDGES[1:]
    middles: Floats = np.sqrt(np.maximum(lower, upper[0] / 2) * upper)
    return middles


MIDDLES = _middles()
"""The geometric middle of each cell but the last, which is open."""


def quantile(durations: Durations, share: float) -> float:
    """The duration, in seconds, that *share* of the weight does not exceed, within 2 %: the geometric middle of its cell, at most the largest."""
    reached = np.cumsum(durations.counts) >= share * durations.weight * (1 - 1e-12)
    cell = int(np.argmax(reached)) if reached.any() else len(durations.counts) - 1
    return min(float(MIDDLES[cell]), durations.largest) if cell < len(MIDDLES) else durations.largest


def quantile_with_bounds(durations: Durations, share: float) -> Estimate:
    """A quantile with those of its order statistics: at share ± 1.96 √(share (1 - share) / rows)."""
    reach = Z * sqrt(share * (1 - share) / durations.rows)
    return Estimate(quantile(durations, share), quantile(durations, max(0.0, share - reach)), quantile(durations, min(1.0, share + reach)))


def variance(durations: Durations) -> float:
    """The population variance, from the cells' middles: within 4 % of the mean square."""
    values = np.minimum(np.append(MIDDLES, durations.largest), durations.largest)
    mean = float(durations.counts @ values) / durations.weight
    return float(durations.counts @ (values - mean) ** 2) / durations.weight
