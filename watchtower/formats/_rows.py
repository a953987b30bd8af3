"""Messages of one model -> its columns: meta columns are screened first, since a message is accepted as a whole or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, repeat
from operator import attrgetter
from typing import cast

import msgspec
import numpy as np
from msgspec import UNSET

from watchtower.formats._columns import coded, column, floats, infer, written
from watchtower.formats._message import MOST_ROWS, NONE, Decoders, Gpu, Many, Message, cells
from watchtower.formats._rankings import answers
from watchtower.formats._times import BAD, times
from watchtower.nouns.batch import Catalog, Codes, Column, Floats, GpuColumns, Ints, Messages, PredictionBatch, Reason, Schema, TextColumn
from watchtower.nouns.window import Partition

LONGEST_NAME = 200
ROLES = frozenset({"served", "shadow", "mirror", "probe"})


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """All messages of one call, end to end."""

    values: Sequence[bytes | None]
    positions: Ints
    appended: Ints
    latest: Ints
    """The largest event time that is not in the future."""
    partition: Codes
    partitions: tuple[Partition, ...]


def stream(messages: Sequence[Messages], catalog: Catalog) -> Stream:
    """*messages* end to end, in their order."""
    partitions = tuple(dict.fromkeys(each.partition for each in messages))
    numbers = [partitions.index(each.partition) for each in messages]
    return Stream(
        values=messages[0].values if len(messages) == 1 else list(chain.from_iterable(each.values for each in messages)),
        positions=np.concatenate([each.positions for each in messages]),
        appended=np.concatenate([each.appended for each in messages]),
        latest=np.concatenate([_latest(each, catalog.max_ahead) for each in messages]),
        partition=np.repeat(np.array(numbers, dtype=np.int32), [len(each.values) for each in messages]),
        partitions=partitions,
    )


def _latest(messages: Messages, ahead: int | None) -> Ints:
    anything = np.full(len(messages.values), np.iinfo(np.int64).max)
    if ahead is None:
        return anything
    known = np.minimum(messages.appended, messages.read_at or messages.appended) + ahead
    return np.where(messages.appended >= 0, known, anything)


def sound_name(name: str) -> bool:
    """At most 200 characters, none of them a control character."""
    return 0 < len(name) <= LONGEST_NAME and (name.isprintable() or not any(sign < " " or "\x7f" <= sign <= "\x9f" for sign in name))


def unsound(message: Many[object]) -> Reason | None:
    """What is wrong with the shape of a message with rows."""
    if not 1 <= message.rows <= MOST_ROWS:
        return Reason.ROWS_OUT_OF_RANGE
    inside = chain(msgspec.structs.astuple(message), cells(message.features), cells(message.gpu))
    return Reason.UNEQUAL_LENGTHS if any(type(each) is list and len(each) != message.rows for each in inside) else None


class Rows:
    """The rows of some messages of one model, as flat lists by field.

    Args:
        messages: the messages, all of one model.
        index: each message's place in *stream*.
    """

    def __init__(self, messages: Sequence[Message], index: Ints, whole: Stream) -> None:
        self.messages = messages
        self.index = index
        self.stream = whole
        many = set(map(type, messages)) != {type(messages[0])} or isinstance(messages[0], Many)
        self.counts = [each.rows if isinstance(each, Many) else 0 for each in messages] if many else None

    @cached_property
    def sizes(self) -> Ints:
        """int64[messages], how many rows each has."""
        return np.ones(len(self.messages), dtype=np.int64) if self.counts is None else np.maximum(np.array(self.counts), 1)

    def per_row(self, values: Ints) -> Ints:
        """A value a message, as one a row."""
        return values if self.counts is None else np.repeat(values, self.sizes)

    def each(self, name: str) -> list[object]:
        """One value a message of the field *name*."""
        return list(map(attrgetter(name), self.messages))

    def lacks(self, name: str) -> bool:
        """Whether no message has the field *name*."""
        return all(value is None for value in self.each(name))

    def get(self, name: str) -> list[object]:
        """One value a row of the field *name*."""
        return self.spread(self.each(name))

    def is_shared(self, values: list[object]) -> bool:
        """Whether each of *values*, one a message, means the same for all rows of its message."""
        return self.counts is not None and list not in set(map(type, values))

    def spread(self, values: list[object]) -> list[object]:
        """One value a message -> one a row: lists of messages with rows are laid out, everything else means the same for all."""
        if self.counts is None:
            return values
        flat: list[object] = []
        for value, rows in zip(values, self.counts, strict=True):
            if rows == 0:
                flat.append(value)
            elif type(value) is list:
                flat.extend(value)
            else:
                flat.extend(repeat(value, rows))
        return flat

    def text(self, name: str, default: str | None) -> TextColumn:
        """A meta column of texts; numbers as written; *default* where there is none or an empty one."""
        values = self.each(name)
        if not self.is_shared(values):
            return texts(self.spread(values), default)
        return replace(found := texts(values, default), codes=np.repeat(found.codes, self.sizes))

    def times(self) -> Ints:
        """Event times; see :func:`times`."""
        values, appended = self.each("time"), self.stream.appended[self.index]
        return self.per_row(times(values, appended)) if self.is_shared(values) else times(self.spread(values), self.per_row(appended))

    def without(self, rejected: dict[int, Reason]) -> "Rows | None":
        """The rows of the messages that were not rejected."""
        kept = [i for i, place in enumerate(self.index.tolist()) if place not in rejected]
        return Rows([self.messages[i] for i in kept], self.index[kept], self.stream) if kept else None


def texts(values: list[object], default: str | None) -> TextColumn:
    """Texts and whole numbers -> codes; *default* stands for None and ""."""
    seen = dict.fromkeys(values)
    if default is not None and len(seen) == 1 and None in seen:
        return TextColumn(np.zeros(len(values), dtype=np.int32), (default,))
    if any(type(each) is int or not each for each in seen):
        values = [(written(each) if isinstance(each, int) else each) or default for each in values]
        seen = dict.fromkeys(values)
    return coded(values, seen)


@dataclass(frozen=True, slots=True, eq=False)
class Meta:
    """Everything but features and prediction, one a row."""

    times: Ints
    versions: TextColumn
    roles: TextColumn
    statuses: TextColumn
    instances: TextColumn
    sampling: Floats | None
    gpu: GpuColumns | None


def meta(rows: Rows) -> Meta:
    """The meta columns of *rows*, not yet screened."""
    given = [] if rows.lacks("sampling") else rows.get("sampling")
    return Meta(
        times=rows.times(),
        versions=rows.text("version", "0"),
        roles=rows.text("role", "served"),
        statuses=_statuses(rows),
        instances=rows.text("instance", None),
        sampling=None if not given or floats(given) is None else np.array([1.0 if each is None else each for each in given], dtype=np.float64),
        gpu=_gpu(rows),
    )


def _statuses(rows: Rows) -> TextColumn:
    if rows.lacks("error"):
        return rows.text("status", "ok")
    return texts([status or ("error" if error else "ok") for status, error in zip(rows.get("status"), rows.get("error"), strict=True)], "ok")


def _gpu(rows: Rows) -> GpuColumns | None:
    devices = list(map(attrgetter("gpu"), rows.messages))
    if devices.count(None) == len(devices):
        return None
    known = [each if isinstance(each, Gpu) else Gpu() for each in devices]
    return GpuColumns(
        device=texts(rows.spread([each.device for each in known]), None),
        utilization=np.array(rows.spread([each.utilization for each in known]), dtype=np.float64),
        memory_used=np.array(rows.spread([each.memory_used_bytes for each in known]), dtype=np.float64),
    )


def screened(rows: Rows, found: Meta) -> dict[int, Reason]:
    """The messages (by place in the stream) that their meta columns reject, each with its first reason."""
    wrong: dict[int, Reason] = {}
    checks: Sequence[tuple[Reason, Callable[[], np.typing.NDArray[np.bool_]]]] = (
        (Reason.BAD_NAME, lambda: _named(found, sound_name)),
        (Reason.BAD_TYPE, lambda: _odd(found.roles, ROLES.__contains__)),
        (Reason.BAD_TYPE, lambda: np.zeros(len(found.times), dtype=bool) if found.sampling is None else ~((found.sampling > 0) & (found.sampling <= 1))),
        (Reason.BAD_TIME, lambda: found.times == BAD),
        (Reason.TIME_IN_FUTURE, lambda: found.times > rows.per_row(rows.stream.latest[rows.index])),
    )
    for reason, check in checks:
        bad = check()
        if bad.any():
            wrong = dict.fromkeys(rows.per_row(rows.index)[bad].tolist(), reason) | wrong
    return wrong


def _named(found: Meta, sound: Callable[[str], bool]) -> np.typing.NDArray[np.bool_]:
    odd = np.zeros(len(found.times), dtype=bool)
    for each in (found.versions, found.statuses, found.instances, *([found.gpu.device] if found.gpu else [])):
        odd |= _odd(each, sound)
    return odd


def _odd(texts_: TextColumn, sound: Callable[[str], bool]) -> np.typing.NDArray[np.bool_]:
    codes = [code for code, name in enumerate(texts_.names) if not sound(name)]
    return np.isin(texts_.codes, codes) if codes else np.zeros(len(texts_.codes), dtype=bool)


def batch(model: str, rows: Rows, found: Meta, schema: Schema, reader: Decoders) -> PredictionBatch:
    """The batch of *rows*, whose meta columns were found sound."""
    ids = [] if rows.lacks("id") else rows.get("id")
    sizes, codes = rows.sizes, rows.stream.partition[rows.index]
    used = np.flatnonzero(np.bincount(codes, minlength=len(rows.stream.partitions)))
    first = np.cumsum(sizes) - sizes
    return PredictionBatch(
        model=model,
        times=found.times,
        versions=found.versions,
        roles=found.roles,
        statuses=found.statuses,
        features=_features(rows, schema, reader),
        prediction=_prediction(rows, schema),
        latency=_seconds(rows, "latency_ms"),
        queue=_seconds(rows, "queue_ms"),
        compute=_seconds(rows, "compute_ms"),
        sampling=found.sampling,
        instances=found.instances if found.instances.names else None,
        gpu=found.gpu,
        ids=None if not ids else [as_text(each) for each in ids],
        partition=cast("Codes", rows.per_row(np.searchsorted(used, codes))).astype(np.int32),
        partitions=tuple(rows.stream.partitions[i] for i in used.tolist()),
        positions=rows.per_row(rows.stream.positions[rows.index]),
        ordinals=(np.arange(len(found.times)) - rows.per_row(first)).astype(np.int32),
    )


def as_text(value: object) -> str:
    """An id as a text, "" where there is none."""
    return value if isinstance(value, str) else written(value) if isinstance(value, int) else ""


def _seconds(rows: Rows, name: str) -> Floats | None:
    found = None if rows.lacks(name) else floats(rows.get(name))
    return None if found is None else found / 1000


def _prediction(rows: Rows, schema: Schema) -> Column | None:
    values = rows.get("prediction")
    absent = values.count(UNSET)
    if absent == len(values):
        return None
    return answers([None if each is UNSET else each for each in values] if absent else values, schema.prediction)


def _features(rows: Rows, schema: Schema, reader: Decoders) -> dict[str, Column]:
    """Each wanted feature's column, those that no row has left out."""
    holders = list(map(attrgetter("features"), rows.messages))
    kinds = set(map(type, holders))
    typed = reader.fields is not None and dict not in kinds and type(None) not in kinds
    wanted = {**schema.features, **(dict.fromkeys(_found(holders, schema)) if schema.open else {})}
    columns: dict[str, Column] = {}
    for name, kind in wanted.items():
        values = rows.spread(_values(holders, name, reader.fields, typed=typed))
        if not NONE.issuperset(map(type, values)):
            columns[name] = column(values, kind or infer(values), checked=typed and name not in reader.loose)
    return columns


def _found(holders: Sequence[object], schema: Schema) -> list[str]:
    """Names of features that the schema does not list, in the order in which they came."""
    names = dict.fromkeys(chain.from_iterable(each for each in holders if isinstance(each, dict)))
    return [name for name in names if name not in schema.features and sound_name(name)]


def _values(holders: Sequence[object], name: str, fields: dict[str, str] | None, *, typed: bool) -> list[object]:
    if typed and fields is not None:
        return list(map(attrgetter(fields[name]), holders))
    field = fields[name] if fields and name in fields else ""
    return [each.get(name) if isinstance(each, dict) else getattr(each, field, None) if field else None for each in holders]
