"""Rule conditions: which subjects are found, clear or unknown."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from datetime import timedelta

from watchtower.conditions._reading import Reading
from watchtower.kinds import Kind
from watchtower.nouns.alert import Outcome
from watchtower.nouns.score import Need, Over


class Condition(Kind):
    """What a rule looks for."""

    @abstractmethod
    def needs(self, over: Over, size: timedelta) -> Iterator[Need]:
        """The scores it asks for, over *over* base windows (the rule's) where it has no `over` of its own; *size* is a base window's."""

    @abstractmethod
    def check(self, reading: Reading) -> Sequence[Outcome]:
        """EVERY (version, segment, subject) of its scores: FOUND, CLEAR or UNKNOWN; an empty board gives nothing or UNKNOWN, never FOUND."""
