"""A score above a bound."""

from collections.abc import Iterator

import numpy as np

from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading
from watchtower.conditions._significance import Measured, MinRows, RelativeTo, Significance, judged, needed
from watchtower.nouns.alert import Outcome
from watchtower.nouns.score import Need, Over


class Above(Condition):
    """Finds every subject whose score is greater than *value*, and not by chance."""

    measure: Measured
    """Which number."""
    value: float
    """The bound itself is not found."""
    feature: str | None = None
    """A glob over subjects; left out: all (of `errors.share` the one over all statuses)."""
    significance: Significance | None = 0.001
    """Corrected p-value over the subjects of one evaluation; only for tested measures; null switches the test off."""
    relative_to: RelativeTo = "reference"
    """What the score compares with."""
    min_rows: MinRows | None = None
    """Fewer rows are no score; left out: the measure's own."""

    def needs(self, over: Over) -> Iterator[Need]:
        """The measure, over the rule's windows."""
        yield from needed(self.measure, over, self.relative_to, self.min_rows)

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where the value is greater than the bound and significant."""
        need = next(iter(self.needs(reading.over)))
        scores = reading.select(need, self.measure.subjects if self.feature is None else self.feature)
        with np.errstate(invalid="ignore"):
            beyond = scores.values > self.value
        return judged(reading, need, scores, beyond, self.significance)
