"""The kafka source against a real broker."""

import gc
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import pytest
from kafka.errors import TopicAlreadyExistsError

from tests.servers.kafka import Broker
from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Partition, Span
from watchtower.sources import SourceSession
from watchtower.sources.kafka import Kafka

Rows = list[tuple[int, int, bytes | None]]
Open = Callable[..., SourceSession]
PATIENCE = 15.0


@pytest.fixture
def topic() -> str:
    return f"t-{uuid.uuid4().hex[:10]}"


def source(broker: Broker, topic: str, **settings: object) -> Kafka:
    return Kafka.model_validate({"brokers": [broker.address], "topic": topic, "group": f"g-{topic}", "format": {"kind": "watchtower_json"}, **settings})


@pytest.fixture
def opened() -> Iterator[Open]:
    sessions: list[SourceSession] = []

    def open_session(settings: Kafka, instance: str = "") -> SourceSession:
        sessions.append(settings.open(instance))
        return sessions[-1]

    yield open_session
    for each in sessions:
        each.close()


def send(broker: Broker, topic: str, values: Sequence[bytes | None], partition: int = 0, **options: object) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", max_request_size=30_000_000, **options)
    for value in values:
        producer.send(topic, value=value, key=b"k" if value is None else None, partition=partition, timestamp_ms=1_700_000_000_123)
    producer.close()


def read(session: SourceSession, n: int, at: Mapping[Partition, int] | None = None) -> tuple[Rows, list[Messages]]:
    """Polls until *n* messages are there, seeking what is fresh."""
    rows: Rows = []
    polled: list[Messages] = []
    until = time.monotonic() + PATIENCE
    while len(rows) < n and time.monotonic() < until:
        if fresh := session.fresh():
            session.seek({each: (at or {}).get(each) for each in fresh})
        for each in session.poll(0.2):
            polled.append(each)
            rows += [(each.partition.number, position, value) for position, value in zip(each.positions.tolist(), each.values, strict=True)]
    return sorted(rows, key=lambda row: row[:2]), polled


def poll_until(session: SourceSession, reached: Callable[[], bool], at: int | None = None, *, seek: bool = False) -> None:
    """Polls until *reached*; *seek*: what is fresh (a rebalance may come twice) goes on at *at*."""
    until = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < until, "nothing of the kind happened"
        if seek:
            session.seek(dict.fromkeys(session.fresh(), at))
        session.poll(0.1)


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%d" % i for i in range(first, last)]


def test_all_partitions_are_read_from_their_start_with_the_messages_own_times(kafka_broker: Broker, topic: str, opened: Open) -> None:
    kafka_broker.create(topic, 2)
    send(kafka_broker, topic, [b"a", None, b"c"])
    send(kafka_broker, topic, [b"d"], partition=1)
    session = opened(source(kafka_broker, topic))
    rows, polled = read(session, 4)
    assert rows == [(0, 0, b"a"), (0, 1, None), (0, 2, b"c"), (1, 0, b"d")]
    assert {at for each in polled for at in each.appended.tolist()} == {1_700_000_000_123_000}
    assert all(each.read_at > 1_700_000_000_000_000 for each in polled)
    assert {each.partition.identity for each in polled} != {""}
    poll_until(session, session.caught_up, 3, seek=True)
    assert {each.number: ends[:2] for each, ends in session.ends().items()} == {0: (3, 3), 1: (1, 1)}


def test_nothing_is_returned_before_a_partition_is_sought_even_where_the_group_has_committed(kafka_broker: Broker, topic: str, opened: Open) -> None:
    from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 10))
    other = KafkaConsumer(bootstrap_servers=kafka_broker.address, group_id=f"g-{topic}", enable_auto_commit=False)
    other.assign([TopicPartition(topic, 0)])
    other.commit({TopicPartition(topic, 0): OffsetAndMetadata(7, "", -1)})
    other.close()
    session = opened(source(kafka_broker, topic))
    poll_until(session, lambda: bool(session.fresh()))
    assert [session.poll(0.2) for _ in range(3)] == [[], [], []]
    assert not session.caught_up()
    assert [position for _, position, _ in read(session, 10)[0]] == list(range(10))


def test_reading_goes_on_at_the_stored_position_and_a_partition_without_one_begins_at_its_start(kafka_broker: Broker, topic: str, opened: Open) -> None:
    kafka_broker.create(topic, 2)
    for number in (0, 1):
        send(kafka_broker, topic, numbered(0, 5), partition=number)
    session = opened(source(kafka_broker, topic, start="latest"))
    poll_until(session, lambda: len(session.fresh()) == 2)
    rows, _ = read(session, 7, {session.fresh()[0]: 3})
    assert rows == [(0, 3, b"3"), (0, 4, b"4"), *((1, i, b"%d" % i) for i in range(5))]


@pytest.mark.parametrize(("start", "first"), [("latest", 5), ("2023-11-14T22:13:20Z", 0), ("2033-01-01T00:00:00", 5)])
def test_start_says_where_reading_begins_without_stored_positions(kafka_broker: Broker, topic: str, opened: Open, start: str, first: int) -> None:
    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 5))
    session = opened(source(kafka_broker, topic, start=start))
    if first:
        poll_until(session, session.caught_up, seek=True)
    send(kafka_broker, topic, [b"5"])
    assert read(session, 6 - first)[0] == [(0, i, b"%d" % i) for i in range(first, 6)]


def test_the_position_behind_a_transaction_is_the_clients_and_aborted_messages_are_not_returned(kafka_broker: Broker, topic: str, opened: Open) -> None:
    from kafka import KafkaProducer

    kafka_broker.create(topic)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.address, transactional_id=topic)
    producer.init_transactions()
    for end, values in ((producer.commit_transaction, [b"a", b"b"]), (producer.abort_transaction, [b"c"])):
        producer.begin_transaction()
        for value in values:
            producer.send(topic, value=value, partition=0)
        producer.flush()
        end()
    producer.close()
    session = opened(source(kafka_broker, topic))
    assert [row[2] for row in read(session, 2)[0]] == [b"a", b"b"]
    poll_until(session, session.caught_up, 5, seek=True)
    assert [ends[:2] for ends in session.ends().values()] == [(5, 5)]


@pytest.mark.parametrize("compression", ["gzip", "lz4", "zstd"])
def test_compressed_messages_are_read_alike(kafka_broker: Broker, topic: str, opened: Open, compression: str) -> None:
    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 500), compression_type=compression)
    assert read(opened(source(kafka_broker, topic)), 500)[0] == [(0, i, b"%d" % i) for i in range(500)]


def test_a_message_of_20_mb_is_one_message(kafka_broker: Broker, topic: str, opened: Open) -> None:
    kafka_broker.create(topic, max_message_bytes="30000000")
    send(kafka_broker, topic, [b"a", b"x" * 20_000_000, b"b"])
    assert [len(row[2] or b"") for row in read(opened(source(kafka_broker, topic)), 3)[0]] == [1, 20_000_000, 1]


def test_a_killed_static_member_gets_its_partitions_back_at_once(kafka_broker: Broker, topic: str, opened: Open) -> None:
    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 5))
    read(opened(source(kafka_broker, topic), "host 1/ü"), 5)
    begun = time.monotonic()
    assert len(read(opened(source(kafka_broker, topic), "host 1/ü"), 5)[0]) == 5
    assert time.monotonic() - begun < 5


def test_two_members_share_the_partitions_and_what_moves_is_sought_anew(kafka_broker: Broker, topic: str, opened: Open) -> None:
    kafka_broker.create(topic, 2)
    first, second = opened(source(kafka_broker, topic), "one"), opened(source(kafka_broker, topic), "two")
    poll_until(first, lambda: len(first.assigned()) == 2)
    first.seek(dict.fromkeys(first.fresh()))
    until = time.monotonic() + PATIENCE
    while not (len(first.assigned()) == len(second.assigned()) == 1):
        assert time.monotonic() < until
        for each in (first, second):
            each.poll(0.1)
    assert {each.number for session in (first, second) for each in session.assigned()} == {0, 1}
    assert [len(first.fresh()), len(second.fresh())] == [1, 1]


def test_a_topic_that_is_made_later_is_waited_for_and_never_made_by_us(kafka_broker: Broker, topic: str, opened: Open) -> None:
    session = opened(source(kafka_broker, topic))
    for _ in range(5):
        assert session.poll(0.1) == []
    assert session.assigned() == []
    kafka_broker.create(topic)
    send(kafka_broker, topic, [b"a"])
    assert read(session, 1)[0] == [(0, 0, b"a")]


def test_a_partition_that_appears_later_begins_at_its_start(kafka_broker: Broker, topic: str, opened: Open) -> None:
    from kafka.admin import KafkaAdminClient

    kafka_broker.create(topic)
    session = opened(source(kafka_broker, topic, start="latest"))
    poll_until(session, session.caught_up, seek=True)
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.address)
    admin.create_partitions({topic: 2})
    admin.close()
    send(kafka_broker, topic, [b"new"], partition=1)
    poll_until(session, lambda: len(session.assigned()) == 2)
    at = dict.fromkeys([session.assigned()[0]], 0)
    assert read(session, 1, at)[0] == [(1, 0, b"new")]


def test_a_deleted_topic_is_lost_for_good(kafka_broker: Broker, topic: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchtower.sources._kafka_session.GONE_AFTER", 1.0)
    kafka_broker.create(topic)
    send(kafka_broker, topic, [b"a"])
    session = opened(source(kafka_broker, topic))
    read(session, 1)
    kafka_broker.delete(topic)
    with pytest.raises(Unavailable, match="was deleted") as caught:
        poll_until(session, lambda: False)
    assert caught.value.for_good


def test_a_recreated_topic_is_another_partition_that_is_read_from_its_start(kafka_broker: Broker, topic: str, opened: Open) -> None:
    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 5))
    session = opened(source(kafka_broker, topic))
    _, polled = read(session, 5)
    kafka_broker.delete(topic)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(TopicAlreadyExistsError):  # the deletion is still under way
            kafka_broker.create(topic)
            break
    send(kafka_broker, topic, [b"new"])
    rows, again = read(session, 1, {polled[0].partition: 5})
    assert rows == [(0, 0, b"new")]
    assert again[0].partition.identity not in {"", polled[0].partition.identity}


def test_messages_that_retention_took_are_counted_and_reading_goes_on_behind_them(kafka_broker: Broker, topic: str, opened: Open) -> None:
    from kafka import TopicPartition
    from kafka.admin import KafkaAdminClient

    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 10))
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.address)
    admin.delete_records({TopicPartition(topic, 0): 6})
    admin.close()
    session = opened(source(kafka_broker, topic))
    poll_until(session, lambda: bool(session.fresh()))
    (here,) = session.fresh()
    assert [row[1] for row in read(session, 4, {here: 2})[0]] == [6, 7, 8, 9]
    assert session.lost() == {here: 4}
    assert left(kafka_broker, topic, Span(here, 2, 8)) == ([b"6", b"7", b"8"], True)
    assert left(kafka_broker, topic, Span(here, 2, 4)) == ([], True)
    assert left(kafka_broker, topic, Span(here, 6, 8)) == ([b"6", b"7", b"8"], False)


def left(broker: Broker, topic: str, span: Span) -> tuple[list[bytes | None], bool]:
    """What of *span* is read again, and whether the rest is gone for good."""
    found: list[bytes | None] = []
    try:
        for each in source(broker, topic).reread([span]):
            found += each.values
    except Unavailable as gone:
        return found, gone.expired
    return found, False


def test_a_broker_that_is_away_says_nothing_of_the_messages(topic: str) -> None:
    away = Kafka.model_validate({"brokers": ["127.0.0.1:9"], "topic": topic, "format": {"kind": "watchtower_json"}})
    with pytest.raises(Unavailable) as error:
        list(away.reread([Span(Partition(topic, 0), 0, 1)]))
    assert not error.value.expired


def test_a_position_beyond_the_end_goes_back_to_the_end(kafka_broker: Broker, topic: str, opened: Open) -> None:
    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 3))
    session = opened(source(kafka_broker, topic))
    poll_until(session, session.caught_up, 50, seek=True)
    send(kafka_broker, topic, [b"3"])
    assert read(session, 1)[0] == [(0, 3, b"3")]


def test_positions_are_read_again_apart_from_the_group(kafka_broker: Broker, topic: str) -> None:
    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 30))
    here = Partition(topic, 0)
    again = list(source(kafka_broker, topic).reread([Span(here, 7, 12)]))
    found = [row for each in again for row in zip(each.positions.tolist(), each.values, strict=True)]
    assert found == [(i, b"%d" % i) for i in range(7, 13)]
    with pytest.raises(Unavailable, match="made anew"):
        list(source(kafka_broker, topic).reread([Span(Partition(topic, 0, "another"), 7, 12)]))


def test_dead_letters_arrive_with_their_keys_in_a_topic_that_is_made_where_it_is_missing(kafka_broker: Broker, topic: str) -> None:
    from kafka import KafkaConsumer, TopicPartition

    writer = source(kafka_broker, topic, dead_letters={"topic": f"{topic}.rejected"}).dead_letter_writer()
    writer.send([("t/0/1", b"one"), ("t/0/2", b"two")])
    writer.close()
    reader = KafkaConsumer(bootstrap_servers=kafka_broker.address, auto_offset_reset="earliest")
    reader.assign([TopicPartition(f"{topic}.rejected", 0)])
    found = [(each.key, each.value) for part in reader.poll(10_000).values() for each in part]
    reader.close()
    assert found == [(b"t/0/1", b"one"), (b"t/0/2", b"two")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # kafka-python leaves sockets that never connected to the collector
def test_brokers_that_are_away_are_said_and_come_back_without_a_loss(kafka_broker: Broker, topic: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchtower.sources._kafka_session.SILENT_AFTER", 1.0)
    kafka_broker.create(topic)
    send(kafka_broker, topic, numbered(0, 5))
    session = opened(source(kafka_broker, topic), "one")
    rows, _ = read(session, 5)
    here = session.assigned()[0]
    kafka_broker.stop()
    try:
        with pytest.raises(Unavailable) as caught:
            poll_until(session, lambda: False)
        assert not caught.value.for_good
        away = opened(source(kafka_broker, topic), "two")
        with pytest.raises(Unavailable, match="no Kafka broker answers"):
            away.poll(0.1)
    finally:
        kafka_broker.start()
    send(kafka_broker, topic, numbered(5, 10))
    until = time.monotonic() + PATIENCE
    while len(rows) < 10 and time.monotonic() < until:
        with suppress(Unavailable):  # it may take a moment
            rows += read(session, 1, {here: len(rows)})[0]
    assert rows == [(0, i, b"%d" % i) for i in range(10)]
    gc.collect()


def test_secrets_are_in_no_repr_and_incomplete_security_is_refused() -> None:
    from pydantic import ValidationError

    whole = {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "me", "password": "hush"}
    settings: dict[str, object] = {"brokers": ["a:1"], "topic": "t", "format": {"kind": "watchtower_json"}}
    assert "hush" not in repr(Kafka.model_validate({**settings, "security": whole}))
    for missing in ("mechanism", "username", "password"):
        with pytest.raises(ValidationError):
            Kafka.model_validate({**settings, "security": {key: value for key, value in whole.items() if key != missing}})
