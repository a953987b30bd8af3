"""Messages of a topic again, by position, apart from any group."""

import time
from collections.abc import Iterator, Sequence

import numpy as np
from kafka import TopicPartition
from kafka.errors import KafkaError

from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Span
from watchtower.sources._kafka_client import POLL_RECORDS, Consumer, consumer, unavailable
from watchtower.sources._records import Records
from watchtower.sources._security import Security

PATIENCE = 10.0
"""Seconds without a record after which the brokers are away."""


def reread(brokers: Sequence[str], security: Security | None, spans: Sequence[Span]) -> Iterator[Messages]:
    """The messages of *spans* (of one topic) in position order; Unavailable where no broker gives them and, at the end, where some have expired."""
    reader = consumer(brokers, security)
    gone: list[str] = []
    try:
        for span in spans:
            yield from _span(reader, span, gone)
    except KafkaError as error:
        raise unavailable(error, brokers) from error
    finally:
        reader.close(autocommit=False, timeout_ms=1000)
    if gone:
        raise Unavailable("; ".join(gone), expired=True)


def partitions(brokers: Sequence[str], security: Security | None, topic: str) -> int:
    """How many partitions *topic* has; Unavailable where it is not there or no broker says."""
    reader = consumer(brokers, security)
    try:
        found = reader.partitions_for_topic(topic)
    except KafkaError as error:
        raise unavailable(error, brokers) from error
    finally:
        reader.close(autocommit=False, timeout_ms=1000)
    if not found:
        msg = f"there is no topic {topic} at {', '.join(brokers)}; it is never made by Watchtower"
        raise Unavailable(msg)
    return len(found)


def _span(reader: Consumer, span: Span, gone: list[str]) -> Iterator[Messages]:
    """What is left of *span*; *gone* learns what is not."""
    here = TopicPartition(span.partition.topic, span.partition.number)
    reader.learn(here.topic, PATIENCE)
    if span.partition.identity and reader.topic_id(here.topic) != span.partition.identity:
        gone.append(f"topic {here.topic} was deleted or made anew: positions {span.first:,} to {span.last:,} of partition {here.partition} are gone")
        return
    first = reader.beginning_offsets([here], timeout_ms=5000)[here]
    if first > span.first:
        gone.append(f"{here.topic}/{here.partition}: positions from {span.first:,} have expired, the first that is kept is {first:,}; keep the topic longer")
    if first > span.last:
        return
    reader.assign([here])
    reader.seek(here, max(first, span.first))
    moved = time.monotonic()
    while (at := reader.place(here) or 0) <= span.last:
        for records in reader.poll(timeout_ms=500, max_records=POLL_RECORDS).get(here, ()):
            yield _messages(span, records)
        if (reader.place(here) or 0) > at:
            moved = time.monotonic()
        elif time.monotonic() - moved > PATIENCE:
            msg = f"{here.topic}/{here.partition}: no record came from position {at:,} in {PATIENCE:g} s"
            raise Unavailable(msg)


def _messages(span: Span, records: Records) -> Messages:
    kept = records.cut(0, int(np.searchsorted(records.offsets, span.last, side="right")))
    appended = np.where(kept.timestamps >= 0, kept.timestamps * 1000, -1)
    return Messages(span.partition, kept.values, kept.offsets, kept.next, appended)
