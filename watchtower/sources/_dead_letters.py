"""Writes dead letters to a topic."""

import logging
from collections.abc import Sequence

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

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
        """Returns when the brokers have all (key, value) of *letters*; Unavailable where they do not take them, some may have been written then."""
        producer = self._producer
        try:
            sent = [producer.send(self._topic, key=key.encode(), value=value) for key, value in letters]
            producer.flush(timeout=WITHIN)
            for each in sent:
                each.get(timeout=WITHIN)
        except KafkaError as error:
            raise unavailable(error, self._brokers) from error

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
