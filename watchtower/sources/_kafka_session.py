"""One consumer in a group; positions come from the store, never from Kafka."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal

import numpy as np
from kafka import TopicPartition
from kafka.errors import KafkaError, LogTruncationError, NoOffsetForPartitionError, OffsetOutOfRangeError

from watchtower.edges.clock import Clock
from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Partition, micros
from watchtower.sources._assignments import Assignments, hold
from watchtower.sources._kafka_client import POLL_RECORDS, Consumer, unavailable
from watchtower.sources._records import KNOWN_VERSION, Records, StockRecords, parser

log = logging.getLogger(__name__)
LOOK_EVERY = 2.0
"""Seconds between two questions for the partitions' ends."""
ANSWER_WITHIN = 2.0
"""Seconds that such a question may take."""
SILENT_AFTER = 5.0
"""Seconds without an answer after which the brokers are away."""
GONE_AFTER = 10.0
"""Seconds after which a topic that was there and is not any more is taken as deleted."""

Start = Literal["earliest", "latest"] | datetime


class KafkaSession:
    """See SourceSession. Connects at the first poll, and again after it was away."""

    def __init__(self, connect: Callable[[], Consumer], topic: str, brokers: Sequence[str], start: Start, clock: Clock) -> None:
        self._connect = connect
        self._topic = topic
        self._brokers = brokers
        self._start = start
        self._clock = clock
        self._consumer: Consumer | None = None
        self._listener: Assignments | None = None
        self._identity = ""
        self._ours: dict[int, bool] = {}
        self._ends: dict[int, tuple[int, datetime]] = {}
        self._lost: dict[int, int] = {}
        self._looked = 0.0
        self._answered = time.monotonic()
        self._gone_since: float | None = None
        self._was_there = False
        self._told = False
        self._begun = False
        self._started: dict[int, int] = {}

    # --------------------------------------------------------------------------------------------- polling

    def poll(self, timeout: float) -> Sequence[Messages]:
        """What has come, in pieces of one partition; Unavailable where the brokers are away, for good where the topic was deleted."""
        consumer = self._connected()
        self._look(consumer)
        try:
            fetched = consumer.poll(timeout_ms=int(timeout * 1000), max_records=POLL_RECORDS)
        except OffsetOutOfRangeError as error:
            self._move(consumer, dict(error.args[0]))
            return []
        except LogTruncationError as error:
            log.warning("log_cut topic=%s reason=%s", self._topic, error)
            self._move(consumer, {each: consumer.place(each) or 0 for each in error.divergent_offsets})
            return []
        except NoOffsetForPartitionError:
            return []  # a rebalance that is still under way
        except KafkaError as error:
            raise unavailable(error, self._brokers) from error
        self._note_changes()
        return [self._messages(each.partition, records) for each, records in fetched.items() if self._ours.get(each.partition)]

    def _connected(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self._connect()
            self._listener = Assignments(self._consumer)
            with suppress(KafkaError):
                self._consumer.learn(self._topic, ANSWER_WITHIN)
            self._consumer.subscribe([self._topic], listener=self._listener)
            if parser() is StockRecords:
                log.warning("kafka_read_slowly reason=the record loop was held against kafka-python %s only", KNOWN_VERSION)
        return self._consumer

    def _messages(self, number: int, parts: Sequence[Records]) -> Messages:
        known = self._ends.get(number)
        after = parts[-1].next
        times = np.concatenate([each.timestamps for each in parts])
        return Messages(
            partition=self._partition(number),
            values=parts[0].values if len(parts) == 1 else [value for each in parts for value in each.values],
            positions=np.concatenate([each.offsets for each in parts]),
            next_position=after,
            appended=np.where(times >= 0, times * 1000, -1),
            read_at=micros(self._clock.now()),
            end=None if known is None else max(known[0], after),
        )

    def _partition(self, number: int) -> Partition:
        return Partition(self._topic, number, self._identity)

    # ------------------------------------------------------------------------------------- what is assigned

    def assigned(self) -> Sequence[Partition]:
        """The partitions that the group gave us."""
        self._note_changes()
        return [self._partition(number) for number in sorted(self._ours)]

    def fresh(self) -> Sequence[Partition]:
        """Those of them that were not sought yet."""
        self._note_changes()
        return [self._partition(number) for number, sought in sorted(self._ours.items()) if not sought]

    def _note_changes(self) -> None:
        while self._listener is not None and self._listener.changes:
            is_ours, partitions = self._listener.changes.popleft()
            for each in partitions:
                if is_ours:
                    self._ours[each.partition] = False
                else:
                    self._ours.pop(each.partition, None)
                self._ends.pop(each.partition, None)
            self._looked = 0.0
        self._note_identity()

    def _note_identity(self) -> None:
        """A topic with another id is another topic: all is sought anew."""
        consumer = self._consumer
        identity = consumer.topic_id(self._topic) if consumer else ""
        if consumer is None or not identity or identity == self._identity:
            return
        if self._identity:
            log.warning("topic_recreated topic=%s what=messages of the old topic that were not read are lost, the new one is read", self._topic)
        for number in self._ours:
            place = consumer.place(TopicPartition(self._topic, number))
            if number in self._ends and place is not None:
                self._lost[number] = self._lost.get(number, 0) + max(0, self._ends[number][0] - place)
        hold(consumer, [each for each in consumer.assignment() if each.partition in self._ours])
        self._ours = dict.fromkeys(self._ours, False)
        self._ends.clear()
        self._started.clear()
        self._identity = identity

    # ----------------------------------------------------------------------------------------------- seeking

    def seek(self, positions: Mapping[Partition, int | None]) -> None:
        """Goes on at these positions; None (or another topic's position) is where `start` says, for partitions that appear later the start."""
        self._note_changes()
        wanted = {
            TopicPartition(self._topic, each.number): at if each.identity == self._identity else None for each, at in positions.items() if self._has(each)
        }
        if not wanted:
            return
        consumer = self._connected()
        known = {each: at for each, at in wanted.items() if at is not None}
        again = {each: self._started[each.partition] for each in wanted if each not in known and each.partition in self._started}
        try:
            starts = self._starts(consumer, [each for each in wanted if each not in known and each not in again], later=self._begun or bool(known))
        except KafkaError as error:
            raise unavailable(error, self._brokers) from error
        self._note_changes()
        self._started |= {each.partition: at for each, at in starts.items()}
        for each, at in {**known, **again, **starts}.items():
            if each in consumer.assignment() and each.partition in self._ours:
                consumer.seek(each, at)
                consumer.resume(each)
                self._ours[each.partition] = True
        self._begun = True
        self._looked = 0.0

    def _has(self, partition: Partition) -> bool:
        return partition.topic == self._topic and partition.number in self._ours

    def _starts(self, consumer: Consumer, partitions: Sequence[TopicPartition], *, later: bool) -> Mapping[TopicPartition, int]:
        """Where reading begins that never read before; *later*: other partitions were read before these appeared."""
        if not partitions:
            return {}
        if self._start == "earliest" or later:
            found: Mapping[TopicPartition, int] = consumer.beginning_offsets(partitions, timeout_ms=5000)
            return found
        ends: Mapping[TopicPartition, int] = consumer.end_offsets(partitions, timeout_ms=5000)
        if isinstance(self._start, datetime):
            since = consumer.offsets_for_times(dict.fromkeys(partitions, micros(self._start) // 1000), timeout_ms=5000)
            return {each: ends[each] if since.get(each) is None else since[each].offset for each in partitions}
        return ends

    def _move(self, consumer: Consumer, positions: Mapping[TopicPartition, int]) -> None:
        """Positions that the brokers do not have: to the first that is there, or to the end where the log is shorter."""
        try:
            consumer.learn(self._topic, ANSWER_WITHIN)
            self._note_changes()
            firsts = consumer.beginning_offsets(list(positions), timeout_ms=5000)
            ends = consumer.end_offsets(list(positions), timeout_ms=5000)
        except KafkaError as error:
            raise unavailable(error, self._brokers) from error
        for each, position in positions.items():
            if not self._ours.get(each.partition):
                continue
            to = firsts[each] if position < firsts[each] or not self._identity else ends[each]
            lost = max(0, firsts[each] - position)
            self._lost[each.partition] = self._lost.get(each.partition, 0) + lost
            log.error("position_moved topic=%s partition=%d from=%d to=%d lost=%d", self._topic, each.partition, position, to, lost)
            consumer.seek(each, to)

    # ------------------------------------------------------------------------------------------------- ends

    def _look(self, consumer: Consumer) -> None:
        """Learns the ends every two seconds, and whether the brokers and the topic are there."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        known = consumer.known_partitions(self._topic)
        self._look_for_topic(is_there=bool(known))
        asked = [TopicPartition(self._topic, number) for number in sorted((known & set(self._ours)) or [*known][:1])]
        if not asked:
            return
        try:
            found = consumer.end_offsets(asked, timeout_ms=int(ANSWER_WITHIN * 1000))
        except KafkaError as error:
            denied = unavailable(error, self._brokers)
            if denied.for_good or time.monotonic() - self._answered >= SILENT_AFTER:
                raise denied from error
            return
        self._answered, now = time.monotonic(), self._clock.now()
        self._ends = {each.partition: (end, now) for each, end in found.items() if self._ours.get(each.partition)}

    def _look_for_topic(self, *, is_there: bool) -> None:
        if is_there:
            self._was_there, self._gone_since, self._told = True, None, False
            return
        since, self._gone_since = self._gone_since, self._gone_since or time.monotonic()
        if since is not None and not self._told:
            self._told = True
            log.warning("topic_missing topic=%s what=waiting for it", self._topic)
        if self._was_there and time.monotonic() - self._gone_since >= GONE_AFTER:
            msg = f"topic {self._topic} was deleted"
            raise Unavailable(msg, for_good=True)

    def ends(self) -> Mapping[Partition, tuple[int, int, datetime]]:
        """Position and end of each partition that is read, as last asked."""
        found: dict[Partition, tuple[int, int, datetime]] = {}
        for number, (end, at) in self._ends.items():
            place = self._place(number)
            if place is not None:
                found[self._partition(number)] = (place, max(end, place), at)
        return found

    def _place(self, number: int) -> int | None:
        if self._consumer is None or not self._ours.get(number):
            return None
        return self._consumer.place(TopicPartition(self._topic, number))

    def lost(self) -> Mapping[Partition, int]:
        """Messages that were gone before they were read, since this was last asked."""
        lost, self._lost = self._lost, {}
        return {self._partition(number): count for number, count in lost.items() if count}

    def caught_up(self) -> bool:
        """Whether every partition stands at its end as last asked."""
        return bool(self._ours) and all(number in self._ends and (self._place(number) or 0) >= self._ends[number][0] for number in self._ours)

    def close(self) -> None:
        """Leaves without waiting long; a static member keeps its partitions for its return."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=2000)
            self._consumer = None
