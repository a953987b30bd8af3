"""A Kafka topic, read as a member of a consumer group."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

from watchtower.edges.clock import Clock
from watchtower.nouns.batch import Messages
from watchtower.nouns.window import Partition, Span
from watchtower.nouns.written import Frozen
from watchtower.sources import Source, SourceSession
from watchtower.sources._security import Security

SESSION_SECONDS = 10
"""How long the group waits for a member that was killed."""


class DeadLetterSettings(Frozen):
    """Where messages go that are no predictions."""

    topic: str = Field(min_length=1)
    keep: Literal["digest", "raw"] = "digest"
    """digest: reason, position, size and SHA-256; raw: the original bytes too."""


class LetterSession(Protocol):
    """Takes dead letters."""

    def send(self, letters: Sequence[tuple[str, bytes]]) -> None:
        """Sends all (key, value) and returns when they have arrived; Unavailable where they have not."""


def _aware(value: Literal["earliest", "latest"] | datetime) -> Literal["earliest", "latest"] | datetime:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


class Kafka(Source):
    """Reads one topic; positions are kept in Watchtower's store, never in Kafka."""

    brokers: tuple[str, ...] = Field(min_length=1)
    """host:port of some brokers; they name the others."""
    topic: str = Field(min_length=1)
    group: str = Field(default="watchtower", min_length=1)
    """The consumer group over which replicas share the partitions."""
    start: Annotated[Literal["earliest", "latest"] | datetime, AfterValidator(_aware)] = "earliest"
    """Where reading begins, only for partitions that the store has no position for."""
    dead_letters: DeadLetterSettings | None = None
    """Left out: rejected messages are only counted."""
    security: Security | None = None

    def open(self, instance: str = "") -> SourceSession:
        """A session, connected at its first poll. *instance*: the static member's name, "" is a dynamic member."""
        from watchtower.sources._kafka_client import consumer  # noqa: PLC0415  kafka-python takes 23 MB
        from watchtower.sources._kafka_session import KafkaSession  # noqa: PLC0415  kafka-python takes 23 MB

        group: dict[str, object] = {"group_id": self.group, "session_timeout_ms": SESSION_SECONDS * 1000, "heartbeat_interval_ms": 2000}
        if instance:
            group["group_instance_id"] = _legal(instance)
        return KafkaSession(partial(consumer, self.brokers, self.security, **group), self.topic, self.brokers, self.start, Clock())

    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:
        """See Source.reread: with a consumer of its own, outside of the group."""
        from watchtower.sources._reread import reread  # noqa: PLC0415  kafka-python takes 23 MB

        return reread(self.brokers, self.security, spans)

    def owns(self, partition: Partition) -> bool:
        """Whether *partition* is of this topic."""
        return partition.topic == self.topic

    def look(self) -> str:
        """How many partitions the topic has, asked outside of the group."""
        from watchtower.sources._reread import partitions  # noqa: PLC0415  kafka-python takes 23 MB

        found = partitions(self.brokers, self.security, self.topic)
        return f"topic {self.topic} has {found} partition{'' if found == 1 else 's'}"

    def dead_letter_writer(self) -> "DeadLetters":
        """Writes to the topic of *dead_letters*; connects at the first send."""
        if self.dead_letters is None:
            msg = f"the source {self.topic} has no dead_letters:"
            raise ValueError(msg)
        return DeadLetters(self.brokers, self.security, self.dead_letters.topic)


class DeadLetters:
    """A connection for dead letters, made when there are some, and again after it failed."""

    def __init__(self, brokers: Sequence[str], security: Security | None, topic: str) -> None:
        """Does not connect."""
        self._to = (brokers, security, topic)
        self._open: Closing | None = None

    def send(self, letters: Sequence[tuple[str, bytes]]) -> None:
        """Returns when the brokers have all (key, value) of *letters*; Unavailable where they do not take them (some may have been written)."""
        from watchtower.sources._dead_letters import Producing  # noqa: PLC0415  kafka-python takes 23 MB

        self._open = self._open or Producing(*self._to)
        try:
            self._open.send(letters)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None


class Closing(LetterSession, Protocol):
    """A connection for dead letters."""

    def close(self) -> None:
        """Lets go of it."""


def _legal(instance: str) -> str:
    """*instance* in the characters that Kafka allows, at most 249."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in instance)[:249]
