"""kafka-python's clients as we use them: what they are told, and what their errors mean."""

import socket
from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import AuthorizationError, KafkaError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError

from watchtower.nouns.errors import Unavailable
from watchtower.sources._records import Records, parser
from watchtower.sources._security import Security

CONNECT_WITHIN = 3.0
"""Seconds for a first answer of a broker."""
POLL_RECORDS = 10_000
PARTITION_BYTES = 1 << 20
FETCH_BYTES = 50 << 20
METADATA_EVERY = 5.0
"""Seconds after which a new, deleted or recreated topic is seen at the latest."""


class Consumer(KafkaConsumer):  # type: ignore[misc]
    """A consumer that hands out columns, and leaves no thread behind where it cannot connect."""

    def __init__(self, options: dict[str, object]) -> None:
        try:
            super().__init__(**options)
        except BaseException:
            if hasattr(self, "_client"):
                self._client.close()
            raise
        self._cluster.config["allow_auto_create_topics"] = False  # the client does not hand this option down
        self._fetcher.PartitionRecords = parser()

    def poll(self, timeout_ms: int = 0, max_records: int | None = None, update_offsets: bool = True) -> dict[TopicPartition, list[Records]]:  # noqa: FBT001, FBT002  its signature
        """See KafkaConsumer.poll.

        A group's leader that has planned the assignment does not ask for it any more if the poll ended before it came; it is made to.
        """
        if self._coordinator._join_task is not None:  # noqa: SLF001  private, pinned with the record loop
            self._coordinator.request_rejoin()
        found: dict[TopicPartition, list[Records]] = super().poll(timeout_ms, max_records, update_offsets)
        return found

    def topic_id(self, topic: str) -> str:
        """The topic's id, "" where the brokers give none or the topic is not known."""
        found = self._cluster.topic_id(topic)
        return "" if found is None or found.int == 0 else str(found)

    def known_partitions(self, topic: str) -> frozenset[int]:
        """The topic's partitions as last learnt, without asking; empty where there is no such topic."""
        return frozenset(self._cluster.partitions_for_topic(topic) or ())

    def place(self, partition: TopicPartition) -> int | None:
        """Where the next record comes from, without asking; None where *partition* is not assigned."""
        state = self._subscription.assignment.get(partition)
        return None if state is None or state.position is None else int(state.position.offset)

    def learn(self, topic: str, timeout: float) -> None:
        """Asks for the metadata of *topic*, waiting at most *timeout* seconds."""
        self._cluster.add_topic(topic)
        self._net.run(self._manager.wait_for, self._cluster.request_update(), timeout * 1000)


def connection(brokers: Sequence[str], security: Security | None) -> dict[str, object]:
    """The options that all clients share."""
    options: dict[str, object] = {"bootstrap_servers": list(brokers), "client_id": "watchtower"}
    if security is None:
        return options
    options |= {"security_protocol": security.protocol}
    if security.mechanism is not None:
        options |= {"sasl_mechanism": security.mechanism, "sasl_plain_username": security.username, "sasl_plain_password": security.secret()}
    files = {"ssl_cafile": security.ca_file, "ssl_certfile": security.certificate_file, "ssl_keyfile": security.key_file}
    return options | {name: file for name, file in files.items() if file is not None}


def consumer(brokers: Sequence[str], security: Security | None, **group: object) -> Consumer:
    """A consumer whose position is in our hands; Unavailable where no broker answers."""
    reachable(brokers)
    options: dict[str, object] = {
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "max_poll_records": POLL_RECORDS,
        "max_partition_fetch_bytes": PARTITION_BYTES,
        "fetch_max_bytes": FETCH_BYTES,
        "fetch_max_wait_ms": 250,
        "request_timeout_ms": 20_000,
        "reconnect_backoff_max_ms": 2_000,
        "metadata_max_age_ms": int(METADATA_EVERY * 1000),
        "bootstrap_timeout_ms": int(CONNECT_WITHIN * 1000),
        "metrics_enabled": False,
    }
    try:
        return Consumer(connection(brokers, security) | options | group)
    except KafkaError as error:
        raise unavailable(error, brokers) from error


def reachable(brokers: Sequence[str]) -> None:
    """Whether any broker takes a connection; Unavailable where none does, so that no client is made in vain."""
    reason = "none is named"
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]") or port, int(port) if host else 9092), timeout=CONNECT_WITHIN):
                return
        except (OSError, ValueError) as error:
            reason = f"{broker}: {error}"
    msg = f"no Kafka broker answers ({reason})"
    raise Unavailable(msg)


def unavailable(error: KafkaError, brokers: Sequence[str]) -> Unavailable:
    """What *error* means to us: denied for good, or away for now."""
    where = ", ".join(brokers)
    if isinstance(error, (AuthorizationError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError)):
        return Unavailable(f"Kafka at {where} denies access: {error}; check security: and the ACLs", for_good=True)
    return Unavailable(f"Kafka at {where} is away: {error}")
