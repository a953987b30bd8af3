"""One of several conditions."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from watchtower.conditions import Condition
from watchtower.conditions._joining import Joined, joined, named
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Finding, Outcome
from watchtower.nouns.score import Need, Over


class AnyOf(Condition):
    """Finds every subject that at least one of its conditions finds.

    Three-valued: FOUND where one finds, else UNKNOWN where one is unknown, else CLEAR. They are joined on segment and subject; a condition without subjects
    (`latency.p99`, the prediction's statistics) holds for every one, and one that says nothing of a subject does not count there.
    """

    of: Annotated[tuple[Condition, ...], Field(min_length=1)]
    """The conditions."""

    def needs(self, over: Over, size: timedelta) -> Iterator[Need]:
        """What each of them needs."""
        for each in self.of:
            yield from each.needs(over, size)

    def check(self, reading: Reading) -> list[Outcome]:
        """One outcome for each (version, segment, subject) that any of them speaks of."""
        return [_any(each) for each in joined([named(each, reading) for each in self.of])]


def _any(them: Joined) -> Outcome:
    found = them.first(Finding.FOUND) or them.first(Finding.UNKNOWN) or them.first(Finding.CLEAR)
    return found or Outcome(them.version, them.segment, them.subject, Finding.UNKNOWN, reason="no score")
