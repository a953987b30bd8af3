"""A record loop over kafka-python's fetched bytes: whole columns instead of one object a record.

kafka-python spends 70 % of a drain in parsing record by record. This walks from record to record once and reads all other
fields as columns; what it does not know (old formats, control records, transactions) is left to the stock parser. It stands in
for `Fetcher.PartitionRecords`, which is private, so it is used with the one version that it was held against.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import kafka
import numpy as np
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import calc_crc32c

from watchtower.nouns.batch import Ints

KNOWN_VERSION = "3.0.12"
_HEADER = struct.Struct(">qiibIhiqqqhii")
_AFTER_LENGTH, _CHECKED_FROM = 12, 21
_CODEC, _APPEND_TIME, _LEFT_TO_STOCK = 0x07, 0x08, 0x30
_NO_TIME = -1


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Consecutive records of one partition: values (None is a null), offsets, timestamps in milliseconds, and where reading goes on."""

    values: list[bytes | None]
    offsets: Ints
    timestamps: Ints
    next: int

    def __len__(self) -> int:
        return len(self.values)

    def cut(self, first: int, last: int) -> "Records":
        """The records from *first* up to but without *last*."""
        after = self.next if last >= len(self.values) else int(self.offsets[last])
        return Records(self.values[first:last], self.offsets[first:last], self.timestamps[first:last], after)


class _Taken(list[Records]):
    """What a poll takes from a partition: one item, that counts as many as it has records, for the consumer's limit on records."""

    def __len__(self) -> int:
        return sum(map(len, self))


class ColumnRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one fetched partition; `take` gives them as :class:`Records`."""

    def __init__(self, fetch_offset: int, tp: object, records: object, **options: object) -> None:
        super().__init__(fetch_offset, tp, records, **options)
        raw = bytes(records._buffer)  # type: ignore[attr-defined]  # noqa: SLF001  private, see above
        self._left: Records | None = None
        self._at = 0
        batches = list(_batches(raw))
        if all(each.is_simple for each in batches):
            self.leader_epoch = batches[-1].leader_epoch if batches else -1
            self.bytes_read = len(raw)
            self._left = _parsed(raw, batches, fetch_offset, check=self.check_crcs)
            self.records_read = len(self._left)

    def take(self, n: int | None = None) -> list[Records]:
        """Up to *n* records, as a list of one."""
        if self._left is None:
            return self._stock(n)
        end = len(self._left) if n is None else min(self._at + n, len(self._left))
        part = self._left.cut(self._at, end)
        self._at, self.next_fetch_offset = end, part.next
        if end == len(self._left):
            self.drain()
        return _Taken([part]) if len(part) else []

    def _stock(self, n: int | None) -> list[Records]:
        records = super().take(n)
        if not records:
            return []
        offsets = np.array([each.offset for each in records], dtype=np.int64)
        times = np.array([each.timestamp for each in records], dtype=np.int64)
        return _Taken([Records([each.value for each in records], offsets, times, self.next_fetch_offset)])


class StockRecords(ColumnRecords):
    """The same with the stock parser alone."""

    def __init__(self, fetch_offset: int, tp: object, records: object, **options: object) -> None:
        Fetcher.PartitionRecords.__init__(self, fetch_offset, tp, records, **options)
        self._left = None


def parser() -> type[ColumnRecords]:
    """The record loop where the client is the version that it was held against, else the stock parser in its clothes."""
    return ColumnRecords if kafka.__version__ == KNOWN_VERSION else StockRecords


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    start: int
    end: int
    base: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_delta: int
    first_time: int
    max_time: int
    count: int

    @property
    def is_simple(self) -> bool:
        return self.magic == 2 and not self.attributes & _LEFT_TO_STOCK


def _batches(raw: bytes) -> Iterator[_Batch]:
    """The batches that are there as a whole; the last one may be cut off by the fetch's limit."""
    at = 0
    while at + _AFTER_LENGTH <= len(raw):
        length = int.from_bytes(raw[at + 8 : at + 12], "big", signed=True)
        end = at + _AFTER_LENGTH + length
        if end > len(raw):
            return
        if length < _HEADER.size - _AFTER_LENGTH:
            yield _Batch(at, end, 0, -1, 0, 0, 0, 0, 0, 0, 0)
        else:
            base, _, epoch, magic, crc, attributes, last, first_time, max_time, _, _, _, count = _HEADER.unpack_from(raw, at)
            yield _Batch(at, end, base, epoch, magic, crc, attributes, last, first_time, max_time, count)
        at = end


def _parsed(raw: bytes, batches: Sequence[_Batch], fetch_offset: int, *, check: bool) -> Records:
    """All records of *batches* from *fetch_offset* on; CorruptRecordError where a checksum or a length is wrong."""
    view = memoryview(raw)
    for each in batches if check else ():
        if calc_crc32c(view[each.start + _CHECKED_FROM : each.end]) != each.crc:
            msg = f"Record batch at offset {each.base} failed crc check"
            raise CorruptRecordError(msg)
    bounds = [(each.start + _HEADER.size, each.end) for each in batches]
    if any(each.attributes & _CODEC for each in batches):
        raw, bounds = _unpacked(view, batches)
    starts = _starts(raw, batches, bounds)
    return _columns(raw, starts, batches, fetch_offset)


def _unpacked(view: memoryview, batches: Sequence[_Batch]) -> tuple[bytes, list[tuple[int, int]]]:
    """Compressed batches laid out end to end, with where each begins and ends."""
    parts: list[bytes] = []
    bounds: list[tuple[int, int]] = []
    at = 0
    for each in batches:
        stock = DefaultRecordBatch(view[each.start : each.end])
        stock._maybe_uncompress()  # noqa: SLF001  private, see above
        part = bytes(memoryview(stock._buffer)[stock._pos :])  # noqa: SLF001
        parts.append(part)
        bounds.append((at, at + len(part)))
        at += len(part)
    return b"".join(parts), bounds


def _starts(raw: bytes, batches: Sequence[_Batch], bounds: Sequence[tuple[int, int]]) -> Ints:
    """int64[records]: where each record's attributes stand, right behind its length. The one loop over records."""
    starts: list[int] = []
    note = starts.append
    for batch, (begin, end) in zip(batches, bounds, strict=True):
        at, before = begin, len(starts)
        while at < end:
            length = raw[at]
            at += 1
            if length > 127:
                length &= 127
                shift = 7
                while (more := raw[at]) > 127:
                    length |= (more & 127) << shift
                    shift += 7
                    at += 1
                length |= more << shift
                at += 1
            note(at)
            at += length >> 1
        if at != end or len(starts) - before != batch.count:
            msg = f"Record batch at offset {batch.base} has other lengths than it says"
            raise CorruptRecordError(msg)
    return np.array(starts, dtype=np.int64)


def _columns(raw: bytes, starts: Ints, batches: Sequence[_Batch], fetch_offset: int) -> Records:
    after = batches[-1].base + batches[-1].last_delta + 1 if batches else fetch_offset
    padded = np.frombuffer(raw + bytes(16), dtype=np.uint8)
    counts = [each.count for each in batches]
    time_delta, at = _varints(padded, starts + 1)
    offset_delta, at = _varints(padded, at)
    key_length, at = _varints(padded, at)
    value_length, at = _varints(padded, at + np.maximum(key_length, 0))
    offsets = np.repeat(np.array([each.base for each in batches], dtype=np.int64), counts) + offset_delta
    firsts = np.array([each.max_time if each.attributes & _APPEND_TIME else each.first_time for each in batches], dtype=np.int64)
    moving = np.array([not each.attributes & _APPEND_TIME for each in batches], dtype=np.int64)
    timestamps = np.repeat(firsts, counts) + np.repeat(moving, counts) * time_delta
    ends = at + np.maximum(value_length, 0)
    if len(ends) and int(ends.max()) > len(raw):
        msg = "a record is longer than its batch"
        raise CorruptRecordError(msg)
    values: list[bytes | None] = [raw[first:last] for first, last in zip(at.tolist(), ends.tolist(), strict=True)]
    for i in np.flatnonzero(value_length < 0).tolist():
        values[i] = None
    found = Records(values, offsets, timestamps, after)
    wanted = int(np.searchsorted(offsets, fetch_offset))
    return found.cut(wanted, len(values)) if wanted else found


def _varints(signs: np.typing.NDArray[np.uint8], at: Ints) -> tuple[Ints, Ints]:
    """Zigzag varints that begin at *at*, and where each ends."""
    first = signs[at].astype(np.int64)
    value, at, shift = first & 127, at + 1, 7
    going = np.flatnonzero(first > 127)
    while len(going) and shift < 70:
        more = signs[at[going]].astype(np.int64)
        value[going] |= (more & 127) << shift
        at[going] += 1
        going = going[more > 127]
        shift += 7
    return (value >> 1) ^ -(value & 1), at
