"""How long predictions take."""

from typing import ClassVar

from watchtower.measures import Measure
from watchtower.measures._estimates import estimates, student
from watchtower.measures._quantiles import quantile_with_bounds, variance
from watchtower.nouns.score import Scores, View

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class Latency(Measure):
    """Seconds, weighted by 1/sampling; `n` is the rows that logged one.

    mean and max are exact; quantiles are within 2 % from 1 µs to 1,100 s (below that within 1 µs, beyond it the largest value);
    queue_p99 and compute_p99 are of the parts, where logged. Intervals, of the logged rows: of the mean Student's, with the variance
    of the histogram; of a quantile p the quantiles at p ± 1.96 √(p(1 - p)/n), that is, of its order statistics. max has none.
    """

    names: ClassVar[tuple[str, ...]] = ("mean", *_QUANTILES, "max", "queue_p99", "compute_p99")

    def score(self, name: str, view: View) -> Scores:
        """One score, subject ""."""
        part, _, quantity = name.rpartition("_")
        durations = {"": view.profile.latency, "queue": view.profile.queue, "compute": view.profile.compute}[part]
        if durations is None or durations.rows == 0:
            return Scores.none([""], f"no {part or 'latency'} logged" if view.profile.rows else "no rows")
        if quantity == "max":
            return Scores.one(durations.largest, durations.rows)
        if quantity == "mean":
            found = student(durations.total / durations.weight, variance(durations), durations.rows, low=0.0)
        else:
            found = quantile_with_bounds(durations, _QUANTILES[quantity])
        return estimates({"": found}, durations.rows)
