"""Writes dead letters to a topic."""

import json
import logging
from collections.abc import Sequence

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError

from watchtower.sources._kafka_client import connection, reachable, unavailable
from watchtower.sources._security import Security

log = logging.getLogger(__name__)
WITHIN = 10.0
"""Seconds that a batch of dead letters may take."""


class Producing:
    """An open connection for dead letters; creates its topic where that is missing and allowed."""

    def __init__(self, brokers: Sequence[str], security: Security | None, topic: str) -> None:
        """Connects; Unavailable where that cannot be done."""
        self._brokers = brokers
        self._security = security
        self._topic = topic
        self._producer = self._connected()

    def send(self, letters: Sequence[tuple[str, bytes]]) -> None:
        """Returns when the brokers have all (key, value) of *letters*; Unavailable where they do not (some may have been written)."""
        try:
            too_large = self._sent(letters)
            if too_large and (still := self._sent([(key, _without_original(value)) for key, value in too_large])):
                log.error("dead_letters_dropped topic=%s keys=%s reason=larger than the topic takes", self._topic, [key for key, _ in still])
        except KafkaError as error:
            raise unavailable(error, self._brokers) from error

    def _sent(self, letters: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Sends all, and returns those that are larger than client or topic allow."""
        waiting, too_large = [], []
        for letter in letters:
            try:
                waiting.append((letter, self._producer.send(self._topic, key=letter[0].encode(), value=letter[1])))
            except MessageSizeTooLargeError:
                too_large.append(letter)
        self._producer.flush(timeout=WITHIN)
        for letter, each in waiting:
            try:
                each.get(timeout=WITHIN)
            except MessageSizeTooLargeError:
                too_large.append(letter)
        return too_large

    def _connected(self) -> KafkaProducer:
        reachable(self._brokers)
        options = connection(self._brokers, self._security) | {"bootstrap_timeout_ms": 3000}
        try:
            self._ensure_topic(options)
            return KafkaProducer(acks="all", retries=3, linger_ms=5, max_block_ms=int(WITHIN * 1000), max_request_size=20_000_000, **options)
        except KafkaError as error:
            raise unavailable(error, self._brokers) from error

    def _ensure_topic(self, options: dict[str, object]) -> None:
        admin = KafkaAdminClient(**options)
        try:
            if self._topic not in admin.list_topics():
                admin.create_topics([NewTopic(self._topic, 1, -1)])
                log.warning("topic_created topic=%s what=it did not exist and dead letters go there", self._topic)
        except TopicAlreadyExistsError:
            return
        except KafkaError as error:
            log.warning("topic_not_created topic=%s reason=%s", self._topic, error)
        finally:
            admin.close()

    def close(self) -> None:
        """Lets go of the connection."""
        self._producer.close(timeout=1)


def _without_original(value: bytes) -> bytes:
    """The same letter, which says that the message itself did not fit."""
    letter = json.loads(value)
    return json.dumps(
        {key: each for key, each in letter.items() if key not in {"original", "encoding"}} | {"original_left_out": "larger than the topic takes"}
    ).encode()
