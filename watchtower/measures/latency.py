"""How long predictions take."""

from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.nouns.profile import LATENCY_EDGES, Durations
from watchtower.nouns.score import Scores, View

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def quantile(durations: Durations, share: float) -> float:
    """The duration, in seconds, that *share* of the weight does not exceed, within 2 %: the geometric middle of its cell, at most the largest."""
    reached = np.cumsum(durations.counts) >= share * durations.weight * (1 - 1e-12)
    cell = int(np.argmax(reached)) if reached.any() else len(durations.counts) - 1
    if cell + 1 >= len(LATENCY_EDGES):
        return durations.largest
    return min(float(np.sqrt(max(LATENCY_EDGES[cell], LATENCY_EDGES[1] / 2) * LATENCY_EDGES[cell + 1])), durations.largest)


class Latency(Measure):
    """Seconds, weighted by 1/sampling; `n` is the rows that logged one.

    mean and max are exact, quantiles within 2 %; queue_p99 and compute_p99 are of the parts, where logged.
    """

    names: ClassVar[tuple[str, ...]] = ("mean", *_QUANTILES, "max", "queue_p99", "compute_p99")

    def score(self, name: str, view: View) -> Scores:
        """One score, subject ""."""
        part, _, quantity = name.rpartition("_")
        durations = {"": view.profile.latency, "queue": view.profile.queue, "compute": view.profile.compute}[part]
        if durations is None or durations.rows == 0:
            return Scores.none([""], f"no {part or 'latency'} logged" if view.profile.rows else "no rows")
        if quantity == "mean":
            return Scores.one(durations.total / durations.weight, durations.rows)
        return Scores.one(durations.largest if quantity == "max" else quantile(durations, _QUANTILES[quantity]), durations.rows)
