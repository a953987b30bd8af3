"""Arrays in the fewest bytes that give them back to the bit."""

from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.number] | NDArray[np.bool_]


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """*kind* is the numpy type that comes back, *stored* the one in *body*; *indexes* None means every element is there."""

    kind: str
    shape: tuple[int, ...]
    stored: str
    indexes: bytes | None
    body: bytes


def pack(array: Numbers) -> Packed:
    """The array in the fewest bytes that give it back to the bit."""
    flat: Numbers = _narrow(cast("Numbers", np.ascontiguousarray(array).ravel()))
    bits = flat.view(np.int64) if flat.dtype == np.float64 else flat
    filled = np.flatnonzero(bits)
    narrow = np.dtype(np.uint16 if flat.size <= 1 << 16 else np.uint32)
    indexes = None
    if filled.size * (narrow.itemsize + flat.itemsize) < flat.nbytes:
        indexes, flat = filled.astype(narrow.newbyteorder("<")).tobytes(), flat[filled]
    stored = flat.dtype.newbyteorder("<")
    return Packed(array.dtype.str.lstrip("<|=>"), array.shape, stored.str, indexes, flat.astype(stored, copy=False).tobytes())


def _narrow(flat: Numbers) -> Numbers:
    """The smallest integer array with the same values (and, of floats, the same bits: no -0.0, no NaN, no fractions)."""
    if flat.dtype == np.bool_ or not flat.size:
        return flat
    if flat.dtype == np.float64:
        if not np.isfinite(flat).all() or np.abs(flat).max() > 2**53:
            return flat
        whole = flat.astype(np.int64)
        if not np.array_equal(whole.astype(np.float64).view(np.int64), flat.view(np.int64)):
            return flat
        flat = whole
    low, high = int(flat.min()), int(flat.max())
    fits = next(kind for kind in (np.int8, np.int16, np.int32, np.int64) if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return cast("Numbers", flat.astype(fits))


def unpack(packed: Packed) -> Numbers:
    """What :func:`pack` was given."""
    kind, stored = np.dtype(packed.kind), np.dtype(packed.stored)
    body = np.frombuffer(packed.body, dtype=stored).astype(kind)
    if packed.indexes is None:
        return cast("Numbers", body.reshape(packed.shape))
    size = int(np.prod(packed.shape, dtype=np.int64))
    full = np.zeros(size, dtype=kind)
    full[np.frombuffer(packed.indexes, dtype="<u2" if size <= 1 << 16 else "<u4")] = body
    return cast("Numbers", full.reshape(packed.shape))


def ints(packed: Packed) -> NDArray[np.int64]:
    """The array as int64."""
    return unpack(packed).astype(np.int64, copy=False)


def floats(packed: Packed) -> NDArray[np.float64]:
    """The array as float64; flags stay flags."""
    array = unpack(packed)
    return array if array.dtype == np.bool_ else array.astype(np.float64, copy=False)  # type: ignore[return-value]
