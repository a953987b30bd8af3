"""Columns of values as tensors of an input's type and shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Column, FeatureType, NumberColumn, TextColumn, VectorColumn
from watchtower.nouns.errors import ShadowError

TEXT = "tensor(string)"
TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint64)": np.uint64,
    "tensor(uint32)": np.uint32,
    "tensor(uint16)": np.uint16,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
Tensor = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a model: its name, its type (``tensor(float)``), and its shape, in which a name or None is free."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    @property
    def rows(self) -> int | None:
        """How many rows one call takes, where the model fixes it."""
        first = self.shape[0] if self.shape else None
        return first if isinstance(first, int) and first > 0 else None

    def __str__(self) -> str:
        return f"input {self.name} ({self.type}, shape [{', '.join('?' if each is None else str(each) for each in self.shape)}])"


def check_type(spec: InputSpec) -> None:
    """ShadowError where no logged feature can be of the input's type."""
    if spec.type != TEXT and spec.type not in TYPES:
        kinds = {"seq": "a sequence", "map": "a map", "optional": "an optional value", "sparse_tensor": "a sparse tensor"}
        found = kinds.get(spec.type.partition("(")[0], "of a type that is not known")
        msg = f"{spec} is {found}, which logged features cannot fill: only tensors of numbers, flags or texts can be re-run"
        raise ShadowError(msg)
    if not spec.shape:
        msg = f"{spec} takes one value for all rows, and features hold one a row: say it with inputs: {{{spec.name}: {{value: …}}}}"
        raise ShadowError(msg)


def texts(spec: InputSpec, name: str, column: Column | None, rows: int) -> NDArray[np.object_]:
    """object[rows, 1]; missing texts are empty."""
    if column is None:
        return np.full((rows, 1), "", dtype=object)
    if not isinstance(column, TextColumn):
        msg = f"{spec} wants texts, and feature {name} holds numbers"
        raise ShadowError(msg)
    names = np.array([*column.names, ""], dtype=object)
    return np.asarray(names[column.codes], dtype=object)[:, None]


def numbers(spec: InputSpec, name: str, column: Column | None, kind: FeatureType, rows: int, width: int = 1) -> NDArray[np.float64]:  # noqa: PLR0913, PLR0917  a column, and what it is to be
    """float64[rows, width]; missing numbers are NaN. *width* is that of a feature that no row has."""
    if isinstance(column, TextColumn) or (column is None and kind in {FeatureType.CATEGORICAL, FeatureType.TEXT}):
        msg = f"{spec} wants numbers, and feature {name} holds texts"
        raise ShadowError(msg)
    match column:
        case None:
            return np.full((rows, width), np.nan)
        case VectorColumn():
            return column.values
        case NumberColumn():
            return column.values[:, None]


def shaped(spec: InputSpec, matrix: Tensor, said: Sequence[int]) -> Tensor:
    """``[rows, width]`` as the input's shape: its own axes where they are fixed, one free one by what is left, more by what was *said*; row-major."""
    rows, width = matrix.shape
    if len(spec.shape) == 1 and width == 1 and not said:
        return matrix[:, 0]
    wanted = _axes(spec, width, said)
    if prod(wanted) != width or len(wanted) != len(spec.shape) - 1:
        msg = f"{spec} does not fit the logged features, which are of shape [N, {', '.join(map(str, said)) if said else width}]"
        raise ShadowError(msg)
    return matrix.reshape((rows, *wanted))


def width_of(spec: InputSpec, said: Sequence[int]) -> int:
    """How many numbers a row of the input has, as far as it or what was *said* fixes that; else 1."""
    axes = tuple(said) or spec.shape[1:]
    return prod(each for each in axes if isinstance(each, int)) if all(isinstance(each, int) and each > 0 for each in axes) else 1


def _axes(spec: InputSpec, width: int, said: Sequence[int]) -> tuple[int, ...]:
    own = [each if isinstance(each, int) and each > 0 else 0 for each in spec.shape[1:]]
    if said:
        return tuple(said) if len(said) == len(own) and all(a in {0, b} for a, b in zip(own, said, strict=True)) else ()
    if own.count(0) > 1:
        example = f"inputs: {{{spec.name}: {{features: […], shape: [{', '.join(str(each or '…') for each in own)}]}}}}"
        msg = f"{spec} leaves {own.count(0)} axes free, and the logged features, of shape [N, {width}], do not say how long each is: say it with {example}"
        raise ShadowError(msg)
    known = prod(each for each in own if each)
    return tuple(each or (width // known if known else 0) for each in own)


def typed(spec: InputSpec, values: Tensor) -> Tensor:
    """*values* in the input's type; ShadowError where a whole number or flag cannot hold them."""
    dtype = np.dtype(TYPES[spec.type])
    if np.issubdtype(dtype, np.floating):
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    real = values.astype(np.float64)
    low, high = (0, 1) if dtype == np.bool_ else _range(dtype)
    odd = int(np.count_nonzero(~np.isfinite(real) | (real != np.round(real)) | (real < low) | (real > high)))
    if odd:
        holds = "holds 0 and 1 only" if dtype == np.bool_ else f"holds whole numbers from {low} to {high} only"
        msg = f"{spec} {holds}, and {odd:,} of {real.size:,} logged values are missing or others"
        raise ShadowError(msg)
    return real.astype(dtype)


def _range(dtype: np.dtype[np.generic]) -> tuple[int, int]:
    bits = 8 * dtype.itemsize
    return (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def constant(spec: InputSpec, value: object, rows: int) -> Tensor:
    """The same *value* for every row (or for all of them, where the input has no axis for rows)."""
    if (spec.type == TEXT) != isinstance(value, str):
        msg = f"{spec} cannot take {value!r}"
        raise ShadowError(msg)
    one: Tensor = np.array([value], dtype=object) if isinstance(value, str) else np.array(value, dtype=np.float64).reshape(-1)
    if not spec.shape:
        return one.reshape(()) if spec.type == TEXT else typed(spec, one.reshape(-1)[:1]).reshape(())
    filled = shaped(spec, np.tile(one, (rows, 1)), ())
    return filled if spec.type == TEXT else typed(spec, filled)
