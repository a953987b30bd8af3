"""What conditions on one measure share: which scores they read, and when one counts."""

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading, Selection, reach
from watchtower.conditions._significance import Measured, MinRows, RelativeTo, Significance, judged
from watchtower.nouns.alert import Finding, Outcome
from watchtower.nouns.batch import Flags
from watchtower.nouns.score import Need, Over
from watchtower.nouns.written import Span


class OnScores(Condition):
    """Reads the scores of one measure."""

    NOT_A_NUMBER: ClassVar[str] = "not a number"

    measure: Measured
    """Which number."""
    feature: str | None = None
    """A glob over subjects; left out: all (of `errors.share` the one over all statuses)."""
    relative_to: RelativeTo = "reference"
    """What the score compares with."""
    min_rows: MinRows | None = None
    """Fewer rows are no score; left out: the measure's own."""
    over: Span | None = None
    """How far back windows are merged; left out: the rule's."""

    def need(self, over: Over, size: timedelta) -> Need:
        """The score it asks for."""
        return Need(self.measure, reach(self.over, size, over), self.relative_to, self.min_rows)

    def needs(self, over: Over, size: timedelta) -> Iterator[Need]:
        """The measure, over its own windows or the rule's."""
        yield self.need(over, size)

    def selected(self, reading: Reading) -> Selection:
        """The scores that the condition is about."""
        return reading.select(self.need(reading.over, reading.size), self.measure.subjects if self.feature is None else self.feature)

    def unknown(self, reading: Reading, scores: Selection, i: int, why: str = NOT_A_NUMBER) -> Outcome:
        """There is no score *i*, or nothing to hold it against: *why*."""
        reason = scores.reasons[i] or why
        return Outcome(reading.version_of(scores, i), scores.segments[i], scores.subjects[i], Finding.UNKNOWN, reason=reason)

    def said(self, reading: Reading, scores: Selection, i: int, *, found: bool, value: float) -> Outcome:
        """FOUND or CLEAR of score *i*, told with *value*."""
        finding = Finding.FOUND if found else Finding.CLEAR
        return Outcome(reading.version_of(scores, i), scores.segments[i], scores.subjects[i], finding, value=value)


class OnMeasure(OnScores):
    """Holds the scores of one measure against something; beyond it must be, and not by chance."""

    significance: Significance | None = 0.001
    """Corrected p-value over the subjects of one evaluation; only for tested measures; null switches the test off."""

    def judged(self, reading: Reading, scores: Selection, beyond: Flags) -> list[Outcome]:
        """FOUND where *beyond* and significant; UNKNOWN where there is no score."""
        return judged(reading, self.need(reading.over, reading.size), scores, beyond, self.significance)
