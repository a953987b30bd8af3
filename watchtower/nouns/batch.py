"""What a source hands out and what a format makes of it: columns, never rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.window import Partition

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]


class Reason(StrEnum):
    """Why a message is no prediction."""

    NOT_JSON = "not_json"
    EMPTY = "empty"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    MISSING_FIELD = "missing_field"
    ROWS_OUT_OF_RANGE = "rows_out_of_range"
    UNEQUAL_LENGTHS = "unequal_lengths"
    BAD_TIME = "bad_time"
    TIME_IN_FUTURE = "time_in_future"
    BAD_TYPE = "bad_type"
    BAD_NAME = "bad_name"


@dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """Consecutive messages of one partition, as columns of equal length.

    Attributes:
        partition: where they come from.
        values: the payloads; None is a null value (a tombstone).
        positions: int64[n], each message's own position (offset; first byte in a file).
        next_position: where reading goes on after the last of them.
        appended: int64[n] microseconds since 1970 (the message's own timestamp), -1 where the source has none (files).
        read_at: microseconds since 1970 by the clock when they were polled; 0 in replay (then only timestamps count).
        end: the end of the partition as last seen, in positions; None if unknown.
    """

    partition: Partition
    values: Sequence[bytes | None]
    positions: Ints
    next_position: int
    appended: Ints
    read_at: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that is no prediction: counted by reason, kept as a dead letter."""

    partition: Partition
    position: int
    reason: Reason
    appended: int
    value: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class NumberColumn:
    """float64[n]; NaN where missing.

    *type_errors* and *nonfinite* count values inside that were of a wrong type or not finite (both are NaN in *values*);
    *bad* marks them: 0 fine or plainly missing, 1 type error, 2 non-finite. None means: none of either.
    """

    values: Floats
    bad: NDArray[np.int8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """Dictionary-coded strings: ``names[codes[i]]``, -1 where missing; *bad* as in NumberColumn."""

    codes: Codes
    names: tuple[str, ...]
    bad: NDArray[np.int8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VectorColumn:
    """float64[n, width]; a row of NaN where missing; *bad* as in NumberColumn."""

    values: Floats
    bad: NDArray[np.int8] | None = None


Column = NumberColumn | TextColumn | VectorColumn


@dataclass(frozen=True, slots=True, eq=False)
class GpuColumns:
    """What the rows say of devices; rows without are -1 / NaN."""

    device: TextColumn
    utilization: Floats
    memory_used: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PredictionBatch:
    """Many predictions of one model as columns of length n, in message order, of one or several partitions.

    Attributes:
        model: the model's name.
        times: int64[n] event time, microseconds since 1970.
        versions: the version of each row, never missing.
        roles: ``served``, ``shadow``, ``mirror`` or ``probe``, never missing.
        statuses: ``ok`` or what went wrong, never missing.
        features: by name; a name that is missing here is missing in every row.
        prediction: None where no row has one.
        latency, queue, compute: seconds, NaN where not logged; None where no row has it.
        sampling: share of the traffic that is logged, in (0, 1]; None means 1 everywhere.
        instances: None where no row has one.
        gpu: None where no row has one.
        ids: the request ids; None where no row has one, "" where a row has none.
        partition: int32[n], index into *partitions*.
        partitions: the partitions that rows come from.
        positions: int64[n], each row's message's position.
        ordinals: int32[n], the row's number within its message (0 for single predictions).
        derived: columns made of others, as the binning wants them folded; None: not made yet.
        unknown: names of features that the schema does not know, several by newlines; missing where there is none, or the format did not look.
    """

    model: str
    times: Ints
    versions: TextColumn
    roles: TextColumn
    statuses: TextColumn
    features: Mapping[str, Column]
    prediction: Column | None
    latency: Floats | None
    queue: Floats | None
    compute: Floats | None
    sampling: Floats | None
    instances: TextColumn | None
    gpu: GpuColumns | None
    ids: Sequence[str] | None
    partition: Codes
    partitions: tuple[Partition, ...]
    positions: Ints
    ordinals: Codes
    derived: Mapping[str, Column] | None = None
    unknown: TextColumn | None = None

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels that arrived: parallel sequences. A label is a number or a text (numbers are written as text too)."""

    model: Sequence[str]
    ids: Sequence[str]
    labels: Sequence[str]
    times: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What a format made of messages: one batch a model, labels, rejections."""

    predictions: Sequence[PredictionBatch]
    labels: Labels | None = None
    rejected: Sequence[Rejection] = ()


class FeatureType(StrEnum):
    """How a feature is folded."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TEXT = "text"
    EMBEDDING = "embedding"


class PredictionKind(StrEnum):
    """What a model answers."""

    CLASS = "class"
    PROBABILITY = "probability"
    NUMBER = "number"
    VECTOR = "vector"
    RANKING = "ranking"


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of one model's columns.

    *features* are those to decode and how; when *open* further features are decoded too, each inferred from the batch
    (all values numbers: numeric, else categorical). *features* empty and *open* False: no features are wanted now.
    """

    features: Mapping[str, FeatureType] = field(default_factory=dict)
    prediction: PredictionKind | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """The schemas that a format decodes by. A model that is not listed gets *other*."""

    models: Mapping[str, Schema] = field(default_factory=dict)
    other: Schema = Schema()
    max_bytes: int = 10_000_000
    max_ahead: int | None = None
    """Microseconds that an event time may lie ahead of the message's own timestamp and the clock at reading; None: any. Files decide later."""

    def of(self, model: str) -> Schema:
        """The schema of *model*."""
        return self.models.get(model, self.other)
