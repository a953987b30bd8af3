"""The tail of what was seen: a generalised Pareto distribution over a high threshold."""

from dataclasses import dataclass

import numpy as np

from watchtower.nouns.batch import Floats

LEAST = 20
"""Values over the threshold that a fit needs."""
_FLAT = 1e-6
_SHAPES = (-0.2, 0.8)
"""Bounds of the shape: a short tail is not believed to end soon after what was seen, and a longer one has no mean to speak of."""


@dataclass(frozen=True, slots=True)
class Tail:
    """P(X > threshold + y | X > threshold) = (1 + shape y / scale)^(-1/shape), exp(-y / scale) at shape 0.

    Fitted to *count* values; *distance* is the largest gap between their distribution and the fit's (Kolmogorov's).
    """

    threshold: float
    shape: float
    scale: float
    count: int
    distance: float = 0.0

    def beyond(self, level: float) -> float:
        """The share of the values over the threshold that are over *level*."""
        y = max(0.0, level - self.threshold)
        if self.scale <= 0:
            return float(y <= 0)
        if abs(self.shape) < _FLAT:
            return float(np.exp(-y / self.scale))
        return float(max(0.0, 1 + self.shape * y / self.scale) ** (-1 / self.shape))

    def level(self, share: float) -> float:
        """What *share* (0 to 1) of the values over the threshold are over."""
        if share >= 1:
            return self.threshold
        if abs(self.shape) < _FLAT:
            return self.threshold - self.scale * float(np.log(share))
        return self.threshold + self.scale / self.shape * float(share**-self.shape - 1)


def fitted(values: Floats, threshold: float) -> Tail | None:
    """The tail of *values* over *threshold* by probability-weighted moments; None where fewer than 20 are over it.

    With x_1 <= … <= x_n the excesses, a0 = mean x, a1 = mean (1 - (i - 0.35) / n) x_i: shape = 2 - a0 / (a0 - 2 a1), scale = 2 a0 a1 / (a0 - 2 a1).
    Source: Hosking and Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution.
    """
    excess = np.sort(values[values > threshold] - threshold)
    n = len(excess)
    if n < LEAST:
        return None
    weights = 1 - (np.arange(1, n + 1) - 0.35) / n
    a0, a1 = float(excess.mean()), float((weights * excess).mean())
    shape = float(np.clip(2 - a0 / (a0 - 2 * a1), *_SHAPES)) if a0 > 2 * a1 else _SHAPES[0]
    tail = Tail(threshold, shape, a0 * (1 - shape), n)
    model = 1 - np.array([tail.beyond(threshold + each) for each in excess.tolist()])
    steps = np.arange(n + 1) / n
    distance = float(max((model - steps[:-1]).max(), (steps[1:] - model).max()))
    return Tail(threshold, shape, tail.scale, n, distance)
