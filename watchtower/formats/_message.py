"""The native message as msgspec reads it: one struct for a single prediction, one for many, with features as the catalog wants them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import Generic, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from watchtower.nouns.batch import Catalog, FeatureType

F = TypeVar("F")

Scalar = str | int | float | bool | None
Numbers = float | None | list[float | None]
Texts = str | None | list[str | None]
Names = str | int | None | list[str | int | None]

MOST_FIELDS = 128
"""Features that a generated struct holds at most; msgspec looks a key up one field after the other."""

MOST_ROWS = 100_000


class Gpu(msgspec.Struct, gc=False):
    """What a prediction says of its device; in a message with rows each may be a list."""

    device: Names = None
    utilization: Numbers = None
    memory_used_bytes: Numbers = None


class Single(msgspec.Struct, Generic[F], gc=False):
    """One prediction (or label), as logged. Fields in the order in which they are usually written, which msgspec rewards."""

    model: str
    version: str | int | None = None
    id: str | int | None = None
    time: str | int | float | None = None
    features: F | None = None
    prediction: object | UnsetType = UNSET
    status: str | None = None
    error: str | None = None
    latency_ms: float | None = None
    queue_ms: float | None = None
    compute_ms: float | None = None
    instance: str | None = None
    role: str | None = None
    sampling: float | None = None
    gpu: Gpu | None = None
    tags: dict[str, Scalar] | None = None
    trace_id: str | None = None
    label: object | UnsetType = UNSET
    rows: UnsetType = UNSET


class Many(msgspec.Struct, Generic[F], gc=False):
    """A message with rows: every list has that length, anything else means the same for all rows."""

    rows: int
    model: str
    version: Names = None
    id: Names = None
    time: str | int | float | list[str | int | float | None] | None = None
    features: F | None = None
    prediction: object | UnsetType = UNSET
    status: Texts = None
    error: Texts = None
    latency_ms: Numbers = None
    queue_ms: Numbers = None
    compute_ms: Numbers = None
    instance: Texts = None
    role: Texts = None
    sampling: Numbers = None
    gpu: Gpu | None = None
    tags: dict[str, Scalar | list[Scalar]] | None = None
    trace_id: Texts = None
    label: object | UnsetType = UNSET


class Nothing(msgspec.Struct, gc=False):
    """Features that nobody wants: checked to be an object, otherwise skipped."""


Anything = dict[str, object]
Message = Single[object] | Many[object]


@dataclass(frozen=True, slots=True, eq=False)
class Decoders:
    """How to read a catalog's messages.

    Attributes:
        single, many: typed by the catalog's features where that is possible; *many* refuses features that are not in it.
        open_single, open_many: features of any name and type.
        fields: feature -> attribute of the typed structs; None where *single* is as open as *open_single*.
        loose: features that the catalog's models type differently: their values are not checked by the struct.
    """

    single: msgspec.json.Decoder[Single[object]]
    many: msgspec.json.Decoder[Many[object]]
    open_single: msgspec.json.Decoder[Single[object]]
    open_many: msgspec.json.Decoder[Many[object]]
    fields: dict[str, str] | None
    loose: frozenset[str]


def decoders(catalog: Catalog) -> Decoders:
    """The decoders of *catalog*, made once for each set of wanted features."""
    schemas = [*catalog.models.values(), catalog.other]
    wanted: dict[str, FeatureType | None] = {}
    for schema in schemas:
        for name, kind in schema.features.items():
            wanted[name] = kind if wanted.get(name, kind) is kind else None
    everything = len(wanted) > MOST_FIELDS or (not wanted and any(schema.open for schema in schemas))
    return _made(tuple(wanted.items()), everything=everything)


@lru_cache(maxsize=16)
def _made(wanted: tuple[tuple[str, FeatureType | None], ...], *, everything: bool) -> Decoders:
    open_single, open_many = _OPEN_SINGLE, _OPEN_MANY
    if everything:
        return Decoders(_one(open_single), _many(open_many), _one(open_single), _many(open_many), None, frozenset())
    names = [name for name, _ in wanted]
    one: type = msgspec.defstruct("Features", list(_fields(wanted, many=False)), gc=False) if wanted else Nothing
    many: type = msgspec.defstruct("FeaturesOfRows", list(_fields(wanted, many=True)), gc=False, forbid_unknown_fields=True)
    return Decoders(
        _one(_decoder(Single[one])),  # type: ignore[valid-type]
        _many(_decoder(Many[many])),  # type: ignore[valid-type]
        _one(open_single),
        _many(open_many),
        {name: f"f{number}" for number, name in enumerate(names)},
        frozenset(name for name, kind in wanted if kind is None),
    )


def _decoder(shape: object) -> object:
    return msgspec.json.Decoder(cast("type[Single[object]]", shape))


def _one(decoder: object) -> msgspec.json.Decoder[Single[object]]:
    return cast("msgspec.json.Decoder[Single[object]]", decoder)


def _many(decoder: object) -> msgspec.json.Decoder[Many[object]]:
    return cast("msgspec.json.Decoder[Many[object]]", decoder)


def _fields(wanted: tuple[tuple[str, FeatureType | None], ...], *, many: bool) -> Iterator[tuple[str, object, object]]:
    for number, (name, kind) in enumerate(wanted):
        yield f"f{number}", _shape(kind, many=many), msgspec.field(default=None, name=name)


def _shape(kind: FeatureType | None, *, many: bool) -> object:
    """The type of a feature's value in JSON; whatever does not fit is read carefully, and counted as a type error there."""
    match kind:
        case FeatureType.NUMERIC:
            return float | bool | None | list[float | bool | None] if many else float | bool | None
        case FeatureType.CATEGORICAL | FeatureType.TEXT:
            return Scalar | list[Scalar] if many else Scalar
        case FeatureType.EMBEDDING:
            return list[list[float | None] | None] | None if many else list[float | None] | None
        case None:
            return object


def cells(features: object) -> tuple[object, ...]:
    """The values inside a message's features, whatever holds them."""
    if isinstance(features, dict):
        return tuple(features.values())
    return msgspec.structs.astuple(features) if isinstance(features, msgspec.Struct) else ()


NONE = frozenset({NoneType})

_OPEN_SINGLE, _OPEN_MANY, *_ = (_decoder(shape) for shape in (Single[Anything], Many[Anything], Single[Nothing], Many[Nothing]))
"""Made while this is imported, which one thread does: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""
