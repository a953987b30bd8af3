"""Many subjects at once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Finding, Outcome
from watchtower.nouns.score import Need, Over


class ShareOf(Condition):
    """Finds a model (a segment) of which at least the share *value* of the subjects is found, of those that are not unknown. It has no subject itself."""

    value: Annotated[float, Field(gt=0, le=1)]
    """The share that is found: 0.5 is half of the features."""
    of: Condition
    """What a subject must be found by."""

    def needs(self, over: Over, size: timedelta) -> Iterator[Need]:
        """What the condition needs."""
        yield from self.of.needs(over, size)

    def check(self, reading: Reading) -> list[Outcome]:
        """One outcome for each (version, segment), told with the share; UNKNOWN where every subject is."""
        places: dict[tuple[str, str], list[Outcome]] = {}
        for each in self.of.check(reading):
            places.setdefault((each.version, each.segment), []).append(each)
        return [self._outcome(*place, outcomes) for place, outcomes in places.items()]

    def _outcome(self, version: str, segment: str, outcomes: list[Outcome]) -> Outcome:
        known = [each for each in outcomes if each.finding is not Finding.UNKNOWN]
        if not known:
            return Outcome(version, segment, "", Finding.UNKNOWN, reason=outcomes[0].reason)
        found = [each for each in known if each.finding is Finding.FOUND]
        share = len(found) / len(known)
        measures = tuple(dict.fromkeys(measure for each in found for measure in each.measures))
        return Outcome(version, segment, "", Finding.FOUND if share >= self.value else Finding.CLEAR, value=share, measures=measures)
