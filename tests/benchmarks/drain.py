"""A process that only polls a topic with kafka-python and throws everything away: `python -m tests.benchmarks.drain BROKER TOPIC MESSAGES`."""

import json
import sys
import time

from kafka import KafkaConsumer, TopicPartition

from tests.benchmarks.topics import PARTITIONS

POLL, FETCH, PARTITION = 10_000, 50 << 20, 1 << 20
LIMIT = 300.0


def main() -> None:
    """Prints [[seconds, messages, CPU seconds], …], one entry a poll."""
    broker, topic, messages = sys.argv[1], sys.argv[2], int(sys.argv[3])
    consumer = KafkaConsumer(
        bootstrap_servers=broker,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=POLL,
        fetch_max_bytes=FETCH,
        max_partition_fetch_bytes=PARTITION,
    )
    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    seen, count, until = [], 0, time.monotonic() + LIMIT
    while count < messages and time.monotonic() < until:
        count += sum(len(records) for records in consumer.poll(1000, max_records=POLL).values())
        seen.append((time.monotonic(), count, time.process_time()))
    consumer.close()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
