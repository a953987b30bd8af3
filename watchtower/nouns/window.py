"""Event time: windows, partitions, how far each was read."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000


def micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z of an aware *moment*, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """The aware UTC datetime of *value* microseconds since 1970."""
    return EPOCH + timedelta(microseconds=int(value))


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open span of event time; *end* belongs to the next window."""

    start: datetime
    end: datetime


def window_of(start_micros: int, size: timedelta) -> Window:
    """The window of *size* that begins at *start_micros* (a whole multiple of *size* since 1970)."""
    start = moment(start_micros)
    return Window(start, start + size)


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One ordered piece of a source. *identity* tells a recreated topic from the old one (a topic's id)."""

    topic: str
    number: int = 0
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Positions of the first and the last message of *partition* that contributed; both inclusive."""

    partition: Partition
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition was read.

    Attributes:
        position: the client's position, where reading goes on (a Kafka offset, a byte in a file).
        newest: the largest event time seen, microseconds since 1970; None before the first row.
        caught_up_at: when the position last equalled the end that the source gave; None if never.
        appended_at: append time of the last message read, as far as the source knows it.
        end: the end as last seen, in positions.
    """

    position: int
    newest: int | None = None
    caught_up_at: datetime | None = None
    appended_at: datetime | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which profile: *segment* is "" for the whole, else ``column=value``."""

    model: str
    version: str
    segment: str
    window: Window
