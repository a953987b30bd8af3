"""Rebalances of a consumer group, noted for the thread that reads."""

from collections import deque
from collections.abc import Iterable, Sequence

from kafka import ConsumerRebalanceListener, TopicPartition

from watchtower.sources._kafka_client import Consumer


class Assignments(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes rebalances and pauses what is new. Called on the client's own thread, where nothing may block.

    What is new also gets a position, so that the client never looks for a committed one.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.changes: deque[tuple[bool, tuple[TopicPartition, ...]]] = deque()

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Notes what is not ours any more."""
        self.changes.append((False, tuple(revoked)))

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """The same, where somebody else has them already."""
        self.changes.append((False, tuple(lost)))

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pauses what is ours now, until it is sought."""
        partitions = tuple(assigned)
        hold(self._consumer, partitions)
        self.changes.append((True, partitions))


def hold(consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
    """Nothing is fetched from *partitions* until they are sought."""
    if partitions:
        consumer.pause(*partitions)
    for each in partitions:
        consumer.seek(each, 0)
