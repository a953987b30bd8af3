"""A score below a bound."""

import numpy as np

from watchtower.conditions._on_measure import OnMeasure
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Outcome


class Below(OnMeasure):
    """Finds every subject whose score is less than *value*, and not by chance."""

    value: float
    """The bound itself is not found."""

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where the value is less than the bound and significant."""
        scores = self.selected(reading)
        with np.errstate(invalid="ignore"):
            beyond = scores.values < self.value
        return self.judged(reading, scores, beyond)
