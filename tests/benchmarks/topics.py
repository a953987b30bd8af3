"""Topics full of predictions: alone, and 64 to a message. Ten numeric features, as `line` expects them."""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from kafka import KafkaProducer

from tests.servers.kafka import Broker

FEATURES = ("amount", "age", "balance", "tenure", "velocity", "distance", "score_a", "score_b", "hour", "attempts")
ROWS = 64
PARTITIONS = 4
BLOCK = 50_000
AGO = 30.0
"""The newest event is so many seconds old."""
Template = tuple[bytes, bytes]
"""What stands before and after a message's time."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A full topic: *rows_each* predictions in each of *messages* of about *size* bytes; the first event is at *begins* (seconds since 1970)."""

    name: str
    messages: int
    rows_each: int
    size: int
    begins: float

    @property
    def rows(self) -> int:
        """All predictions in it."""
        return self.messages * self.rows_each


def singles(draw: random.Random) -> Iterator[Template]:
    """Messages with one prediction."""
    for _ in range(2000):
        head = {"model": "fraud", "version": "7", "id": f"req-{draw.getrandbits(80):020x}"}
        features = {name: round(draw.lognormvariate(2, 1), 6) for name in FEATURES}
        tail = {"features": features, "prediction": round(draw.random(), 6), "status": "ok", "latency_ms": round(draw.expovariate(0.08), 3)}
        yield _cut(head, tail | {"instance": f"fraud-7-{draw.randrange(4)}", "tags": {"region": "eu-west"}})


def batches(draw: random.Random) -> Iterator[Template]:
    """Messages with 64 predictions."""
    for _ in range(400):
        head = {"model": "fraud", "version": "7", "rows": ROWS}
        features = {name: [round(draw.lognormvariate(2, 1), 4) for _ in range(ROWS)] for name in FEATURES}
        tail = {
            "features": features,
            "prediction": [round(draw.random(), 4) for _ in range(ROWS)],
            "latency_ms": [round(draw.expovariate(0.08), 2) for _ in range(ROWS)],
        }
        yield _cut(head, tail | {"status": "ok", "instance": f"fraud-7-{draw.randrange(4)}"})


KINDS: dict[str, tuple[Callable[[random.Random], Iterator[Template]], int]] = {"singles": (singles, 1), "batches of 64": (batches, ROWS)}


def values(kind: str, messages: int, span: float) -> Iterator[tuple[bytes, float]]:
    """Messages and their event times, which rise evenly over the last *span* seconds."""
    templates = list(KINDS[kind][0](random.Random(1)))
    last = time.time() - AGO
    for first in range(0, messages, BLOCK):
        numbers = np.arange(first, min(first + BLOCK, messages))
        seconds = last - span + span * (numbers + 1) / messages
        written = np.datetime_as_string((seconds * 1000).astype("int64").astype("datetime64[ms]")).tolist()
        for number, moment, text in zip(numbers.tolist(), seconds.tolist(), written, strict=True):
            before, after = templates[number % len(templates)]
            yield before + text.encode() + b"Z" + after, moment


def fill(broker: Broker, kind: str, messages: int, span: float) -> Topic:
    """A new topic, filled in turn over its partitions."""
    name = broker.create(f"bench-{uuid.uuid4().hex[:8]}", PARTITIONS)
    send, flush = _sender(broker)
    size, begins = 0, 0.0
    for number, (value, moment) in enumerate(values(kind, messages, span)):
        begins = begins or moment
        size += len(value)
        send(name, value, number % PARTITIONS)
    flush()
    return Topic(name, messages, KINDS[kind][1], size // max(1, messages), begins)


def _cut(head: Mapping[str, object], tail: Mapping[str, object]) -> Template:
    return json.dumps(head).encode()[:-1] + b', "time": "', b'", ' + json.dumps(tail).encode()[1:]


def _sender(broker: Broker) -> tuple[Callable[[str, bytes, int], None], Callable[[], object]]:
    """confluent-kafka where it is there, since filling is no part of what is measured."""
    try:
        from confluent_kafka import Producer  # a convenience of the benchmarks
    except ImportError:
        producer = KafkaProducer(bootstrap_servers=broker.address, linger_ms=20, batch_size=1 << 18)
        return lambda topic, value, partition: producer.send(topic, value, partition=partition) and None, lambda: producer.flush(120)
    fast = Producer(
        {"bootstrap.servers": broker.address, "linger.ms": 20, "batch.num.messages": 10_000, "batch.size": 1 << 20, "queue.buffering.max.messages": 200_000}
    )

    def send(topic: str, value: bytes, partition: int) -> None:
        while True:
            try:
                return fast.produce(topic, value, partition=partition)
            except BufferError:
                fast.poll(0.1)

    return send, lambda: fast.flush(120)
