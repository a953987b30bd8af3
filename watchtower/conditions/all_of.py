"""Several conditions at once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from watchtower.conditions import Condition
from watchtower.conditions._joining import Joined, joined, named
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Finding, Outcome
from watchtower.nouns.score import Need, Over


class AllOf(Condition):
    """Finds every subject that all of its conditions find.

    Three-valued: CLEAR where one is clear, else UNKNOWN where one is unknown or says nothing of the subject. They are joined on segment and subject; a
    condition without subjects (`latency.p99`, the prediction's statistics) holds for every one. The first condition's value is told.
    """

    of: Annotated[tuple[Condition, ...], Field(min_length=1)]
    """The conditions."""

    def needs(self, over: Over, size: timedelta) -> Iterator[Need]:
        """What each of them needs."""
        for each in self.of:
            yield from each.needs(over, size)

    def check(self, reading: Reading) -> list[Outcome]:
        """One outcome for each (version, segment, subject) that any of them speaks of."""
        return [_all(each) for each in joined([named(each, reading) for each in self.of])]


def _all(them: Joined) -> Outcome:
    told = them.first(Finding.CLEAR) or them.first(Finding.UNKNOWN)
    if told is not None and (told.finding is Finding.CLEAR or None not in them.said):
        return told
    if None in them.said:
        return Outcome(them.version, them.segment, them.subject, Finding.UNKNOWN, reason="not every condition has such a subject")
    return them.first(Finding.FOUND) or Outcome(them.version, them.segment, them.subject, Finding.UNKNOWN, reason="no score")
