"""A slow drift that no single window shows."""

from datetime import timedelta
from math import exp
from typing import Annotated

import numpy as np
from pydantic import Field

from watchtower.conditions._on_measure import OnScores
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Outcome
from watchtower.nouns.batch import Floats
from watchtower.nouns.score import Need, Over

WINDOWS = 500
"""Boards that the sum looks back over."""
_CAP = 2
_OVERSHOOT = 1.166
_FLAT = 1e-6


class Cumulative(OnScores):
    """Finds every subject whose sum of deviations is greater than *value*: CUSUM, one-sided.

    S_0 = 0, S_t = max(0, S_{t-1} + x_t - target - slack), at most twice *value*; a window without a score leaves S as it is. The cap changes nothing until it
    is found, and lets it end about value / slack windows after the drift does, whatever the drift's size. It is computed anew at each evaluation over the last
    500 windows and begins again where the live version changes; nothing is remembered. Of a score whose mean moves from *target* by d, half of d is
    the best *slack*; a *value* of 4 to 5 standard deviations of the window's score is usual. Scores should be of one window (`over: 1 window`): merges
    that overlap count each window several times, and the run length below no longer holds.

    Average run length of normal scores of mean m and standard deviation s, in windows (:func:`average_run_length`): with d = (m - target - slack) / s and
    b = value / s + 1.166 it is (exp(-2db) + 2db - 1) / (2d²), b² at d = 0. Without drift (m = target), slack = s / 2 and value = 5 s that is 938 windows.

    Source: Page (1954), Continuous inspection schemes; Siegmund (1985), Sequential Analysis, formula for the average run length.
    """

    target: float
    """What the score is when all is well, such as its mean over quiet windows."""
    slack: Annotated[float, Field(ge=0)]
    """How far above the target a window may be without adding anything."""
    value: Annotated[float, Field(gt=0)]
    """The sum that is found, in the score's unit."""

    def need(self, over: Over, size: timedelta) -> Need:
        """The score, and those of the windows before."""
        need = super().need(over, size)
        return Need(need.measure, need.over, need.against, need.min_rows, WINDOWS - 1)

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where the sum is greater than the value, which it is told with; UNKNOWN where this window has no score."""
        scores = self.selected(reading)
        before = reading.before(self.need(reading.over, reading.size), scores, WINDOWS - 1)
        sums = cusum(np.vstack([before, scores.values]), self.target + self.slack, _CAP * self.value)
        lacking = np.isnan(scores.values)
        return [
            self.unknown(reading, scores, i) if lacking[i] else self.said(reading, scores, i, found=bool(sums[i] > self.value), value=float(sums[i]))
            for i in range(len(scores.subjects))
        ]


def cusum(values: Floats, level: float, most: float) -> Floats:
    """S after the last row of *values* (windows x subjects), never above *most*; NaN adds nothing."""
    sums: Floats = np.zeros(values.shape[1])
    for step in np.where(np.isnan(values), 0.0, values - level):
        sums = np.clip(sums + step, 0.0, most)
    return sums


def average_run_length(deviation: float, value: float) -> float:
    """Windows until the sum passes *value*, on average, by Siegmund's approximation; both in standard deviations of a window's score.

    *deviation* is the scores' mean less target and slack: negative while all is well.
    """
    b = value + _OVERSHOOT
    if abs(deviation) < _FLAT:
        return b * b
    return (exp(-2 * deviation * b) + 2 * deviation * b - 1) / (2 * deviation**2)
