"""A score outside a range."""

import numpy as np

from watchtower.conditions._on_measure import OnMeasure
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Outcome


class Outside(OnMeasure):
    """Finds every subject whose score is outside [*low*, *high*], and not by chance."""

    low: float
    """The smallest score that is fine."""
    high: float
    """The largest score that is fine."""

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where the value is outside the range and significant."""
        scores = self.selected(reading)
        with np.errstate(invalid="ignore"):
            beyond = (scores.values < self.low) | (scores.values > self.high)
        return self.judged(reading, scores, beyond)
