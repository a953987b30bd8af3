"""Labels' halves, and what they became, as bytes and back.

A half is msgpack: hashes do not compress, so arrays lie there as in memory, little-endian, integers in the smallest type that holds them, and not at
all where they are all alike. What labels became is mostly zeros: zlib (level 1) besides.
"""

import zlib
from collections.abc import Mapping
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Floats, Ints, PredictionKind
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.labels import CALIBRATION_BINS, RANKS, SCORE_CELLS, Hashes, LabelHalf, Labelled, Place, PredictionHalf, Spread, Values

_MAGIC = b"L\x01"


class _Whole(msgspec.Struct, array_like=True, frozen=True):
    """n integers: *first* and the differences, or *first* alone where *body* is empty; *kind* is the type of *body*."""

    n: int
    first: int
    kind: str
    body: bytes


class _Values(msgspec.Struct, array_like=True, frozen=True):
    """*numbers* is empty where all are NaN."""

    numbers: bytes
    texts: tuple[str, ...]
    codes: _Whole


class _Prediction(msgspec.Struct, array_like=True, frozen=True):
    hashes: bytes
    times: _Whole
    places: tuple[Place, ...]
    codes: _Whole
    values: _Values
    weights: bytes


class _Label(msgspec.Struct, array_like=True, frozen=True):
    hashes: bytes
    times: _Whole
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
    ranks: bytes = b""
    labels: tuple[int, bytes, bytes] | None = None
    residuals: tuple[int, bytes, bytes] | None = None


_DECODERS: Mapping[type, msgspec.msgpack.Decoder[object]] = {kind: msgspec.msgpack.Decoder(kind) for kind in (_Prediction, _Label, _Labelled)}
"""Made while this is imported, which one thread does: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""


def pack_predictions(half: PredictionHalf) -> bytes:
    """*half* as bytes."""
    weights = _raw(half.weights, "<f8")
    return _MAGIC + msgspec.msgpack.encode(
        _Prediction(_raw(half.hashes, "<u8"), _integers(half.times), half.places, _integers(half.codes), _values(half.values), weights)
    )


def unpack_predictions(blob: bytes) -> PredictionHalf:
    """What :func:`pack_predictions` wrote; Unavailable (for good) where a newer version did."""
    it = cast("_Prediction", _DECODERS[_Prediction].decode(_body(blob)))
    weights = _floats(it.weights) if it.weights else None
    return PredictionHalf(_hashes(it.hashes), _unpacked(it.times), it.places, _codes(it.codes), _unpacked_values(it.values), weights)


def pack_labels(half: LabelHalf) -> bytes:
    """*half* as bytes."""
    return _MAGIC + msgspec.msgpack.encode(_Label(_raw(half.hashes, "<u8"), _integers(half.times), _values(half.values)))


def unpack_labels(blob: bytes) -> LabelHalf:
    """What :func:`pack_labels` wrote; Unavailable (for good) where a newer version did."""
    it = cast("_Label", _DECODERS[_Label].decode(_body(blob)))
    return LabelHalf(_hashes(it.hashes), _unpacked(it.times), _unpacked_values(it.values))


def pack_hashes(hashes: Hashes) -> bytes:
    """Ids as bytes; they do not compress."""
    return _raw(hashes, "<u8")


def unpack_hashes(blob: bytes) -> Hashes:
    """What :func:`pack_hashes` wrote."""
    return _hashes(blob)


def pack_labelled(it: Labelled) -> bytes:
    """*it* as bytes."""
    frame = msgspec.msgpack.encode(
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
            ranks=_raw(it.ranks, "<f8"),
            labels=_spread(it.labels),
            residuals=_spread(it.residuals),
        )
    )
    return _MAGIC + zlib.compress(frame, 1)


def unpack_labelled(blob: bytes) -> Labelled:
    """What :func:`pack_labelled` wrote; Unavailable (for good) where a newer version did."""
    it = cast("_Labelled", _DECODERS[_Labelled].decode(zlib.decompress(_body(blob))))
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
        ranks=_floats(it.ranks).reshape(len(RANKS), 3) if it.ranks else None,
        labels=_unpacked_spread(it.labels),
        residuals=_unpacked_spread(it.residuals),
    )


def _spread(it: Spread | None) -> tuple[int, bytes, bytes] | None:
    return None if it is None else (it.level, _raw(it.cells, "<i4"), _raw(it.weights, "<f8"))


def _unpacked_spread(it: tuple[int, bytes, bytes] | None) -> Spread | None:
    return None if it is None else Spread(it[0], np.frombuffer(it[1], "<i4").astype(np.int64), _floats(it[2]))


def _values(values: Values) -> _Values:
    numbers = values.numbers if len(values) and not np.isnan(values.numbers).all() else None
    return _Values(_raw(numbers, "<f8"), values.texts, _integers(values.codes))


def _unpacked_values(it: _Values) -> Values:
    return Values(_floats(it.numbers) if it.numbers else np.full(it.codes.n, np.nan), it.texts, _codes(it.codes))


def _integers(array: NDArray[np.int64] | NDArray[np.int32]) -> _Whole:
    """Differences are small, and 0 where all are alike."""
    if not len(array):
        return _Whole(0, 0, "", b"")
    steps = np.diff(array.astype(np.int64, copy=False))
    low, high = (int(steps.min()), int(steps.max())) if len(steps) else (0, 0)
    kind = next((each for each in ("<i1", "<i2", "<i4") if np.iinfo(each).min <= low and high <= np.iinfo(each).max), "<i8")
    return _Whole(len(array), int(array[0]), kind, b"" if low == high == 0 else _raw(steps, kind))


def _unpacked(it: _Whole) -> Ints:
    found = np.full(it.n, it.first, dtype=np.int64)
    if it.body:
        found[1:] += np.cumsum(np.frombuffer(it.body, it.kind).astype(np.int64))
    return found


def _raw(array: NDArray[np.generic] | None, kind: str) -> bytes:
    return b"" if array is None else array.astype(kind, copy=False).tobytes()


def _hashes(blob: bytes) -> Hashes:
    return np.frombuffer(blob, "<u8").astype(np.uint64)


def _whole(blob: bytes) -> Ints:
    return np.frombuffer(blob, "<i8").astype(np.int64)


def _floats(blob: bytes) -> Floats:
    return np.frombuffer(blob, "<f8").astype(np.float64)


def _codes(it: _Whole) -> NDArray[np.int32]:
    return _unpacked(it).astype(np.int32)


def _body(blob: bytes) -> bytes:
    if blob[:2] != _MAGIC:
        msg = "the store holds labels that this version of Watchtower cannot read: start the newer version that wrote them"
        raise Unavailable(msg, for_good=True)
    return blob[2:]
