"""A score that ought to be there."""

from collections.abc import Iterator

from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading, Selection
from watchtower.conditions._significance import Measured, RelativeTo, needed
from watchtower.nouns.alert import Finding, Outcome
from watchtower.nouns.score import MeasureName, Need, Over

TRAFFIC = MeasureName("traffic", "rate")


class Absent(Condition):
    """Finds every subject without a score that had one in the last 60 windows; for `traffic.rate` also a score of 0."""

    measure: Measured
    """Which number."""
    feature: str | None = None
    """A glob over subjects; left out: all (of `errors.share` the one over all statuses)."""
    relative_to: RelativeTo = "reference"
    """What the score compares with."""

    def needs(self, over: Over) -> Iterator[Need]:
        """The measure, over the rule's windows."""
        yield from needed(self.measure, over, self.relative_to, None)

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where there is no score but was one; CLEAR where there is one; UNKNOWN where there never was."""
        scores = reading.select(next(iter(self.needs(reading.over))), self.measure.subjects if self.feature is None else self.feature)
        return [self._outcome(reading, scores, i) for i in range(len(scores.subjects))]

    def _outcome(self, reading: Reading, scores: Selection, i: int) -> Outcome:
        reason, segment, subject = scores.reasons[i], scores.segments[i], scores.subjects[i]
        version = scores.versions[i] or reading.board.live or ""
        if reason is None and not (self.measure == TRAFFIC and scores.values[i] == 0):
            return Outcome(version, segment, subject, Finding.CLEAR, value=float(scores.values[i]))
        known = (str(self.measure), segment, subject) in reading.board.seen
        value = None if reason is not None else float(scores.values[i])
        return Outcome(version, segment, subject, Finding.FOUND if known else Finding.UNKNOWN, value=value, reason=reason or "no traffic")
