"""Machines, containers and services, as meters read them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.nouns.readings import Series
from watchtower.nouns.score import Scores, View

LEAST = 3
"""Windows that a slope needs."""


@dataclass(frozen=True, slots=True)
class _Slope:
    value: float
    low: float
    high: float
    n: int


class Resource(Measure):
    """By instance or node (whatever the meter names subjects by); means of the readings over the windows, `n` counts them.

    cpu_utilization: used / requested CPU (100 m of 200 m is 0.5), of a node Σ used of its pods / the node's. memory_used: bytes. disk_share: share of the
    disk in use. memory_slope: bytes a second, by least squares over the windows' means of memory_used (at least 3 windows with readings, so say
    `over:`), interval by Student's t; where a meter reads memory_slope itself, the mean of that. Any other name is what a `prometheus` meter calls so.
    """

    names: ClassVar[tuple[str, ...]] = ("cpu_utilization", "memory_used", "memory_slope", "disk_share")
    is_open: ClassVar[bool] = True

    def score(self, name: str, view: View) -> Scores:
        """A score, or a reason, for every subject that a meter read."""
        if view.segment:
            return Scores.none([""], "machines have no segments")
        found = view.readings.of(f"resource.{name}")
        if not found and name == "memory_slope":
            return _slopes(view)
        if not found:
            return Scores.none([""], view.readings.absence(f"resource.{name}"))
        wholes = {subject: series.whole for subject, series in sorted(found.items())}
        return Scores.of(tuple(wholes), [(each.mean if each.n else each.reason, each.n) for each in wholes.values()])


def _slopes(view: View) -> Scores:
    found = {subject: _slope(series) for subject, series in sorted(view.readings.of("resource.memory_used").items())}
    if not found:
        return Scores.none([""], view.readings.absence("resource.memory_used"))
    scores = Scores.of(tuple(found), [(each, 0) if isinstance(each, str) else (each.value, each.n) for each in found.values()])
    low, high = (np.array([np.nan if isinstance(each, str) else getattr(each, name) for each in found.values()]) for name in ("low", "high"))
    return replace(scores, low=low, high=high)


def _slope(series: Series) -> _Slope | str:
    """Bytes a second with its 95 % interval: b = Σ(x - x̄)(y - ȳ)/Σ(x - x̄)², se² = RSS/(n - 2)/Σ(x - x̄)², x the middles of the windows."""
    points: Sequence[tuple[float, float, int]] = [
        ((window.start.timestamp() + window.end.timestamp()) / 2, each.mean, each.n)
        for window, each in zip(series.windows, series.summaries, strict=True)
        if each.n
    ]
    if len(points) < LEAST:
        return f"{len(points)} of {LEAST} windows with readings"
    from scipy.special import stdtrit  # noqa: PLC0415  scipy is slow to import, and few rules ask for this

    x, y = np.array([each[0] for each in points]), np.array([each[1] for each in points])
    dx, dy = x - x.mean(), y - y.mean()
    spread = float(dx @ dx)
    value = float(dx @ dy) / spread
    rest = dy - value * dx
    reach = float(stdtrit(len(points) - 2, 0.975)) * float(np.sqrt(rest @ rest / (len(points) - 2) / spread))
    return _Slope(value, value - reach, value + reach, sum(each[2] for each in points))
