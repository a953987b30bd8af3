"""What conditions on one measure share: which scores they read, and when one counts."""

from collections.abc import Iterator

from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading, Selection
from watchtower.conditions._significance import Measured, MinRows, RelativeTo, Significance, judged, needed
from watchtower.nouns.alert import Outcome
from watchtower.nouns.batch import Flags
from watchtower.nouns.score import Need, Over


class OnMeasure(Condition):
    """Holds the scores of one measure against something; beyond it must be, and not by chance."""

    measure: Measured
    """Which number."""
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

    def selected(self, reading: Reading) -> Selection:
        """The scores that the condition is about."""
        return reading.select(next(iter(self.needs(reading.over))), self.measure.subjects if self.feature is None else self.feature)

    def judged(self, reading: Reading, scores: Selection, beyond: Flags) -> list[Outcome]:
        """FOUND where *beyond* and significant; UNKNOWN where there is no score."""
        return judged(reading, next(iter(self.needs(reading.over))), scores, beyond, self.significance)
