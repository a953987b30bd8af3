"""Labels' halves, and what they became, as bytes and back: zlib (level 1) of msgpack, arrays as they lie in memory, little-endian."""

import zlib
from typing import TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Floats, Ints, PredictionKind
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.labels import CALIBRATION_BINS, SCORE_CELLS, Hashes, LabelHalf, Labelled, PredictionHalf, Values

_MAGIC = b"L\x01"
T = TypeVar("T")


class _Values(msgspec.Struct, array_like=True, frozen=True):
    numbers: bytes
    texts: tuple[str, ...]
    codes: bytes


class _Prediction(msgspec.Struct, array_like=True, frozen=True):
    hashes: bytes
    times: bytes
    places: tuple[tuple[str, tuple[str, ...]], ...]
    codes: bytes
    values: _Values
    weights: bytes


class _Label(msgspec.Struct, array_like=True, frozen=True):
    hashes: bytes
    times: bytes
    values: _Values


class _Labelled(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    rows: int
    weight: float
    weight2: float
    correct: float
    pairs: dict[str, dict[str, float]]
    scores: bytes
    counts: bytes
    calibration: bytes
    sums: bytes
    centre: float
    delays: bytes
    expired: float
    settled_rows: int
    unsettled: int


_DECODERS = {kind: msgspec.msgpack.Decoder(kind) for kind in (_Prediction, _Label, _Labelled)}
"""Made while this is imported, which one thread does: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""


def pack_predictions(half: PredictionHalf) -> bytes:
    """*half* as bytes."""
    weights = _raw(half.weights, "<f8")
    return _framed(_Prediction(_raw(half.hashes, "<u8"), _raw(_steps(half.times), "<i8"), half.places, _raw(half.codes, "<i4"), _values(half.values), weights))


def unpack_predictions(blob: bytes) -> PredictionHalf:
    """What :func:`pack_predictions` wrote; Unavailable (for good) where a newer version did."""
    it = _unframed(blob, _Prediction)
    weights = _floats(it.weights) if it.weights else None
    return PredictionHalf(_hashes(it.hashes), _times(it.times), it.places, _codes(it.codes), _unpacked(it.values), weights)


def pack_labels(half: LabelHalf) -> bytes:
    """*half* as bytes."""
    return _framed(_Label(_raw(half.hashes, "<u8"), _raw(_steps(half.times), "<i8"), _values(half.values)))


def unpack_labels(blob: bytes) -> LabelHalf:
    """What :func:`pack_labels` wrote; Unavailable (for good) where a newer version did."""
    it = _unframed(blob, _Label)
    return LabelHalf(_hashes(it.hashes), _times(it.times), _unpacked(it.values))


def pack_hashes(hashes: Hashes) -> bytes:
    """Ids as bytes; they do not compress."""
    return _raw(hashes, "<u8")


def unpack_hashes(blob: bytes) -> Hashes:
    """What :func:`pack_hashes` wrote."""
    return _hashes(blob)


def pack_labelled(it: Labelled) -> bytes:
    """*it* as bytes."""
    return _framed(
        _Labelled(
            kind=str(it.kind),
            rows=it.rows,
            weight=it.weight,
            weight2=it.weight2,
            correct=it.correct,
            pairs={label: dict(row) for label, row in it.pairs.items()},
            scores=_raw(it.scores, "<f8"),
            counts=_raw(it.counts, "<i8"),
            calibration=_raw(it.calibration, "<f8"),
            sums=_raw(it.sums, "<f8"),
            centre=it.centre,
            delays=_raw(it.delays, "<f8"),
            expired=it.expired,
            settled_rows=it.settled_rows,
            unsettled=it.unsettled,
        )
    )


def unpack_labelled(blob: bytes) -> Labelled:
    """What :func:`pack_labelled` wrote; Unavailable (for good) where a newer version did."""
    it = _unframed(blob, _Labelled)
    return Labelled(
        kind=PredictionKind(it.kind),
        rows=it.rows,
        weight=it.weight,
        weight2=it.weight2,
        correct=it.correct,
        pairs=it.pairs,
        scores=_floats(it.scores).reshape(2, SCORE_CELLS) if it.scores else None,
        counts=_whole(it.counts) if it.counts else None,
        calibration=_floats(it.calibration).reshape(CALIBRATION_BINS, 4) if it.calibration else None,
        sums=_floats(it.sums) if it.sums else None,
        centre=it.centre,
        delays=_floats(it.delays) if it.delays else None,
        expired=it.expired,
        settled_rows=it.settled_rows,
        unsettled=it.unsettled,
    )


def _values(values: Values) -> _Values:
    return _Values(_raw(values.numbers, "<f8"), values.texts, _raw(values.codes, "<i4"))


def _unpacked(it: _Values) -> Values:
    return Values(_floats(it.numbers), it.texts, _codes(it.codes))


def _steps(times: Ints) -> Ints:
    """The first, then differences: small numbers compress."""
    return np.diff(times, prepend=np.int64(0))


def _times(blob: bytes) -> Ints:
    return np.cumsum(_whole(blob))


def _raw(array: NDArray[np.generic] | None, kind: str) -> bytes:
    return b"" if array is None else array.astype(kind, copy=False).tobytes()


def _hashes(blob: bytes) -> Hashes:
    return np.frombuffer(blob, "<u8").astype(np.uint64)


def _whole(blob: bytes) -> Ints:
    return np.frombuffer(blob, "<i8").astype(np.int64)


def _floats(blob: bytes) -> Floats:
    return np.frombuffer(blob, "<f8").astype(np.float64)


def _codes(blob: bytes) -> NDArray[np.int32]:
    return np.frombuffer(blob, "<i4").astype(np.int32)


def _framed(frame: msgspec.Struct) -> bytes:
    return _MAGIC + zlib.compress(msgspec.msgpack.encode(frame), 1)


def _unframed(blob: bytes, kind: type[T]) -> T:
    if blob[:2] != _MAGIC:
        msg = "the store holds labels that this version of Watchtower cannot read: start the newer version that wrote them"
        raise Unavailable(msg, for_good=True)
    return cast("T", _DECODERS[kind].decode(zlib.decompress(blob[2:])))  # type: ignore[index]
