"""The record loop, held against kafka-python's own parser."""

from collections.abc import Sequence
from types import SimpleNamespace

import kafka
import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.structs import TopicPartition

from watchtower.sources._records import KNOWN_VERSION, ColumnRecords, StockRecords, parser

HERE = TopicPartition("t", 0)
Row = tuple[int, int, bytes | None]


Headers = Sequence[tuple[str, bytes]]


def batch(first: int, values: Sequence[bytes | None], *, codec: int = 0, key: bytes | None = None, headers: Headers = (), magic: int = 2) -> bytes:
    builder = MemoryRecordsBuilder(magic, codec, 1 << 26, offset=first)
    for i, value in enumerate(values):
        builder.append(1_700_000_000_000 + i * 7, key, value, list(headers))
    builder.close()
    return bytes(builder.buffer())


def transactional(first: int, values: Sequence[bytes]) -> bytes:
    builder = MemoryRecordsBuilder(2, 0, 1 << 26, offset=first, transactional=True, producer_id=7, producer_epoch=0, base_sequence=0)
    for value in values:
        builder.append(1_700_000_000_000, None, value)
    builder.close()
    return bytes(builder.buffer())


def columns(raw: bytes, at: int = 0, *, each: int = 1000, kind: type[ColumnRecords] = ColumnRecords, aborted: Sequence[object] = ()) -> tuple[list[Row], int]:
    part = kind(at, HERE, MemoryRecords(raw), isolation_level=IsolationLevel.READ_COMMITTED, aborted_transactions=aborted)
    rows: list[Row] = []
    while part.record_iterator is not None:
        for taken in part.take(each):
            rows += zip(taken.offsets.tolist(), taken.timestamps.tolist(), taken.values, strict=True)
            assert taken.next == part.next_fetch_offset
    return rows, part.next_fetch_offset


def stock(raw: bytes, at: int = 0, aborted: Sequence[object] = ()) -> tuple[list[Row], int]:
    part = Fetcher.PartitionRecords(at, HERE, MemoryRecords(raw), isolation_level=IsolationLevel.READ_COMMITTED, aborted_transactions=aborted)
    rows: list[Row] = []
    while part:
        rows += [(record.offset, record.timestamp, record.value) for record in part.take(1000)]
    return rows, part.next_fetch_offset


VALUES = [b"", b"a", None, b"x" * 63, b"y" * 64, b"z" * 127, b"w" * 128, b"v" * 20_000, b'{"model": "m"}'] * 30
FETCHES = {
    "plain": batch(5, VALUES),
    "several batches": batch(0, VALUES) + batch(len(VALUES), VALUES) + batch(2 * len(VALUES) + 40, VALUES),
    "one record": batch(9, [b"one"]),
    "keys": batch(0, VALUES, key=b"k" * 300),
    "headers": batch(0, VALUES, headers=[("trace", b"1" * 200), ("b", b"")]),
    "gzip": batch(0, VALUES, codec=1),
    "snappy": batch(0, VALUES, codec=2),
    "lz4": batch(0, VALUES, codec=3),
    "zstd": batch(0, VALUES, codec=4),
    "compressed among plain": batch(0, VALUES) + batch(len(VALUES), VALUES, codec=3) + batch(2 * len(VALUES), VALUES),
    "an old format": batch(0, [b"a", b"b"], magic=1),
    "transactional": transactional(0, [b"a", b"b"]) + batch(2, [b"c"]),
    "cut off by the fetch's limit": batch(0, VALUES) + batch(len(VALUES), VALUES)[:-1],
    "nothing": b"",
}


@pytest.mark.parametrize("name", FETCHES)
def test_the_record_loop_reads_what_the_stock_parser_reads(name: str) -> None:
    assert columns(FETCHES[name]) == stock(FETCHES[name])


@pytest.mark.parametrize("name", ["plain", "several batches", "gzip", "transactional"])
def test_reading_may_begin_inside_a_batch_and_stop_anywhere(name: str) -> None:
    for at in (0, 1, 6, 11):
        assert columns(FETCHES[name], at, each=7) == stock(FETCHES[name], at)


def test_aborted_transactions_are_skipped() -> None:
    raw, aborted = transactional(0, [b"a", b"b"]) + batch(2, [b"c"]), [SimpleNamespace(first_offset=0, producer_id=7)]
    assert columns(raw, aborted=aborted) == stock(raw, aborted=aborted) == ([(2, 1_700_000_000_000, b"c")], 3)


def test_a_flipped_bit_is_a_corrupt_record() -> None:
    raw = bytearray(batch(0, VALUES))
    raw[-5] ^= 1
    with pytest.raises(CorruptRecordError):
        columns(bytes(raw))


def test_the_loop_is_only_used_with_the_client_that_it_was_held_against(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parser() is (ColumnRecords if kafka.__version__ == KNOWN_VERSION else StockRecords)
    monkeypatch.setattr(kafka, "__version__", "99.0")
    assert parser() is StockRecords
    assert columns(FETCHES["plain"], kind=StockRecords) == stock(FETCHES["plain"])
