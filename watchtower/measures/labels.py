"""How many predictions get their label, and how late."""

from math import sqrt
from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.measures._estimates import Estimate, Z, estimates, wilson
from watchtower.nouns.labels import DELAY_CELLS, DELAY_EDGES, Labelled
from watchtower.nouns.score import Scores, View


class Labels(Measure):
    """Labels that arrived, by the window in which they did.

    coverage: of the predictions whose waiting ended in these windows (a label came, or `labels.wait` went by), the share that got a label (Wilson); no
    score before a prediction can have waited that long. Predictions without an id or without a value wait for nothing and are not counted.
    delay: median seconds from prediction to label (within 2 %), `n` joined rows; interval by order statistics.
    """

    names: ClassVar[tuple[str, ...]] = ("coverage", "delay")

    def score(self, name: str, view: View) -> Scores:
        """Subject ""."""
        found = view.profile.labelled
        if found is None or not found.settled_rows:
            return Scores.none([""], "no labels")
        return estimates({"": _coverage(found)}, found.settled_rows) if name == "coverage" else estimates({"": _delay(found)}, found.rows)


def _coverage(it: Labelled) -> Estimate | str:
    if it.unsettled:
        return "no prediction has waited for `labels.wait` yet"
    weight = it.weight + it.expired
    return wilson(it.weight / weight, it.settled_rows) if weight > 0 else "no labels"


def _delay(it: Labelled) -> Estimate | str:
    if it.delays is None or not it.rows:
        return "no labels"
    n = it.rows
    return Estimate(*(_quantile(it, (n + reach * sqrt(n)) / 2 / n) for reach in (0.0, -Z, Z)))


def _quantile(it: Labelled, q: float) -> float:
    """The middle of the cell that holds it."""
    counts = it.delays if it.delays is not None else np.zeros(DELAY_CELLS)
    through = np.cumsum(counts)
    cell = int(np.searchsorted(through, min(max(q, 0.0), 1.0) * through[-1], side="left"))
    low, high = DELAY_EDGES[min(cell, DELAY_CELLS - 1)], DELAY_EDGES[min(cell + 1, DELAY_CELLS - 1)]
    return float(sqrt(low * high)) if low > 0 else 0.0
