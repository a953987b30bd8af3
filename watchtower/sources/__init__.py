"""Where prediction logs come from."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from watchtower.formats import Format
from watchtower.kinds import Kind
from watchtower.nouns.batch import Messages
from watchtower.nouns.window import Partition, Span


class SourceSession(Protocol):
    """An open source; owns its sockets and files. Used by one thread."""

    def poll(self, timeout: float) -> Sequence[Messages]:
        """What has come, at most some ten thousand messages, waiting at most *timeout* seconds; Unavailable where the far end is away."""

    def assigned(self) -> Sequence[Partition]:
        """The partitions that this session reads now."""

    def fresh(self) -> Sequence[Partition]:
        """Partitions that were assigned since this was last asked: nothing is polled from them before :meth:`seek`."""

    def seek(self, positions: Mapping[Partition, int | None]) -> None:
        """Go on reading at these positions; None: where `start` says. Partitions of another identity start anew."""

    def ends(self) -> Mapping[Partition, tuple[int, int, datetime]]:
        """Each assigned partition's position, its end, and when that end was learnt; at most 5 s old where the far end answers."""

    def lost(self) -> Mapping[Partition, int]:
        """Messages that retention or a recreated topic took before they were read, since this was last asked."""

    def caught_up(self) -> bool:
        """Nothing more can be polled right now (a file's end)."""

    def close(self) -> None:
        """Lets go of everything."""


class Rereadable(Protocol):
    """What can be read again by position."""

    @property
    def format(self) -> Format:
        """How its messages are decoded."""

    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:
        """See :meth:`Source.reread`."""

    def owns(self, partition: Partition) -> bool:
        """See :meth:`Source.owns`."""


class Source(Kind):
    """Frozen settings of one source."""

    format: Format
    name: str = ""
    """What `replay --source` calls it; left out: its topic or path."""

    @abstractmethod
    def open(self) -> SourceSession:
        """Connects; ConfigError with the install command where a package is missing."""

    @abstractmethod
    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:
        """The messages of *spans* again, in position order, apart from any session (no group, nothing committed).

        Unavailable where the far end is away; with `expired`, after everything that is left was handed out, where some are gone for good.
        """

    @abstractmethod
    def owns(self, partition: Partition) -> bool:
        """Whether *partition* is one of this source's."""

    def look(self) -> str:
        """What `check --connect` tells of it, in a few words; joins and changes nothing. Unavailable where it cannot be read."""
        return "it is not known how to try it"
