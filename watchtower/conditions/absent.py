"""A score that ought to be there."""

from watchtower.conditions._on_measure import OnScores
from watchtower.conditions._reading import Reading, Selection
from watchtower.nouns.alert import Finding, Outcome
from watchtower.nouns.score import MeasureName

TRAFFIC = MeasureName("traffic", "rate")


class Absent(OnScores):
    """Finds every subject without a score that had one in the last 60 windows; for `traffic.rate` also a score of 0."""

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where there is no score but was one; CLEAR where there is one; UNKNOWN where there never was."""
        scores = self.selected(reading)
        return [self._outcome(reading, scores, i) for i in range(len(scores.subjects))]

    def _outcome(self, reading: Reading, scores: Selection, i: int) -> Outcome:
        reason, segment, subject = scores.reasons[i], scores.segments[i], scores.subjects[i]
        version = reading.version_of(scores, i)
        if reason is None and not (self.measure == TRAFFIC and scores.values[i] == 0):
            return Outcome(version, segment, subject, Finding.CLEAR, value=float(scores.values[i]))
        known = (str(self.measure), segment, subject) in reading.board.seen
        value = None if reason is not None else float(scores.values[i])
        return Outcome(version, segment, subject, Finding.FOUND if known else Finding.UNKNOWN, value=value, reason=reason or "no traffic")
