"""Kept rows as bytes and back: msgpack, then zlib (level 1); numbers as float32 where that gives them back to the bit."""

import zlib
from typing import cast

import msgspec
import numpy as np

from watchtower.nouns.batch import Column, Floats, NumberColumn, PredictionBatch, TextColumn, VectorColumn
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Partition
from watchtower.store._arrays import Packed, floats, ints, pack, unpack

_MAGIC = b"R\x01"


class _Texts(msgspec.Struct, array_like=True, frozen=True, tag="t"):
    codes: Packed
    names: tuple[str, ...]


class _Numbers(msgspec.Struct, array_like=True, frozen=True, tag="n"):
    values: Packed


class _Vectors(msgspec.Struct, array_like=True, frozen=True, tag="v"):
    values: Packed


_Column = _Texts | _Numbers | _Vectors


class _Batch(msgspec.Struct, array_like=True, frozen=True):
    times: Packed
    versions: _Texts
    roles: _Texts
    statuses: _Texts
    features: dict[str, _Column]
    prediction: _Column | None
    ids: tuple[str, ...] | None
    partition: Packed
    partitions: tuple[Partition, ...]
    positions: Packed
    ordinals: Packed


_DECODER = msgspec.msgpack.Decoder(_Batch)
"""Made while this is imported, which one thread does: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""


def pack_rows(batch: PredictionBatch) -> bytes:
    """*batch*, as core/retaining.py slims it, as bytes."""
    frame = _Batch(
        times=pack(batch.times),
        versions=_texts(batch.versions),
        roles=_texts(batch.roles),
        statuses=_texts(batch.statuses),
        features={name: _column(column) for name, column in batch.features.items()},
        prediction=None if batch.prediction is None else _column(batch.prediction),
        ids=None if batch.ids is None else tuple(each or "" for each in batch.ids),
        partition=pack(batch.partition),
        partitions=batch.partitions,
        positions=pack(batch.positions),
        ordinals=pack(batch.ordinals),
    )
    return _MAGIC + zlib.compress(msgspec.msgpack.encode(frame), 1)


def unpack_rows(blob: bytes, model: str) -> PredictionBatch:
    """What :func:`pack_rows` wrote of *model*; Unavailable (for good) where a newer version did."""
    if blob[:2] != _MAGIC:
        msg = "the store holds rows that this version of Watchtower cannot read: start the newer version that wrote them"
        raise Unavailable(msg, for_good=True)
    it = _DECODER.decode(zlib.decompress(blob[2:]))
    return PredictionBatch(
        model=model,
        times=ints(it.times),
        versions=cast("TextColumn", _read(it.versions)),
        roles=cast("TextColumn", _read(it.roles)),
        statuses=cast("TextColumn", _read(it.statuses)),
        features={name: _read(column) for name, column in it.features.items()},
        prediction=None if it.prediction is None else _read(it.prediction),
        latency=None,
        queue=None,
        compute=None,
        sampling=None,
        instances=None,
        gpu=None,
        ids=it.ids,
        partition=ints(it.partition).astype(np.int32),
        partitions=it.partitions,
        positions=ints(it.positions),
        ordinals=ints(it.ordinals).astype(np.int32),
    )


def _texts(column: TextColumn) -> _Texts:
    return _Texts(pack(column.codes), column.names)


def _column(column: Column) -> _Column:
    if isinstance(column, TextColumn):
        return _texts(column)
    return _Numbers(_narrow(column.values)) if isinstance(column, NumberColumn) else _Vectors(_narrow(column.values))


def _narrow(values: Floats) -> Packed:
    """As whole numbers where they are, as float32 where nothing is lost, else as they are."""
    packed = pack(values)
    if packed.stored != "<f8":
        return packed
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32)
    same = np.array_equal(single.astype(np.float64), values, equal_nan=True)
    return Packed("f8", values.shape, "<f4", None, single.astype("<f4").tobytes()) if same else packed


def _read(column: _Column) -> Column:
    match column:
        case _Texts():
            return TextColumn(unpack(column.codes).astype(np.int32), column.names)
        case _Numbers():
            return NumberColumn(floats(column.values))
        case _Vectors():
            return VectorColumn(floats(column.values))
