"""Columns of logged features as the inputs that a model wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Column, FeatureType, NumberColumn, TextColumn, VectorColumn
from watchtower.nouns.errors import ShadowError

Feed = dict[str, NDArray[np.generic]]
_MATRIX = 2
_TYPES = {
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
_TEXT = "tensor(string)"


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


def feed(specs: Sequence[InputSpec], columns: Mapping[str, Column], types: Mapping[str, FeatureType], stacked: Mapping[str, Sequence[str]], rows: int) -> Feed:
    """Every input of a model filled from *columns* of *rows* rows.

    *types* are the features that there are, in the order of the settings; one without a column is missing in every row.
    *stacked* is the setting `inputs:`. Left out: an input named like a feature takes it, exactly one other input takes all
    numeric features. Missing numbers are NaN, missing texts empty. ShadowError names the input, its type and its shape.
    """
    others = [spec.name for spec in specs if spec.name not in stacked and spec.name not in types]
    numeric = [name for name, kind in types.items() if kind is FeatureType.NUMERIC]
    filled: Feed = {}
    for spec in specs:
        if spec.name in stacked:
            names: Sequence[str] = stacked[spec.name]
        elif spec.name in types:
            names = [spec.name]
        elif len(others) == 1 and numeric:
            names = numeric
        else:
            msg = f"{spec} is named like no feature: say which features it takes with inputs: {{{spec.name}: […]}}"
            raise ShadowError(msg)
        filled[spec.name] = _filled(spec, names, columns, types, rows)
    return filled


def rows_at_once(specs: Sequence[InputSpec]) -> int | None:
    """How many rows one call takes, where any input fixes it."""
    return next((spec.rows for spec in specs if spec.rows), None)


def _filled(spec: InputSpec, names: Sequence[str], columns: Mapping[str, Column], types: Mapping[str, FeatureType], rows: int) -> NDArray[np.generic]:
    unknown = [name for name in names if name not in types]
    if unknown:
        msg = f"{spec} takes feature {unknown[0]}, which the model's settings do not have"
        raise ShadowError(msg)
    matrix: NDArray[np.generic]
    if spec.type == _TEXT:
        matrix = np.concatenate([_texts(spec, name, columns.get(name), rows) for name in names], axis=1)
    else:
        matrix = np.concatenate([_numbers(spec, name, columns.get(name), types[name], rows) for name in names], axis=1)
    _check_width(spec, matrix.shape[1])
    shaped = matrix[:, 0] if len(spec.shape) == 1 else matrix
    return shaped if spec.type == _TEXT else _typed(spec, shaped)


def _check_width(spec: InputSpec, width: int) -> None:
    wanted = spec.shape[1] if len(spec.shape) == _MATRIX else None
    fits = len(spec.shape) <= _MATRIX and (len(spec.shape) != 1 or width == 1) and (not isinstance(wanted, int) or wanted == width)
    if not fits:
        msg = f"{spec} does not fit the logged features, which are of shape [N, {width}]"
        raise ShadowError(msg)


def _texts(spec: InputSpec, name: str, column: Column | None, rows: int) -> NDArray[np.object_]:
    if column is None:
        return np.full((rows, 1), "", dtype=object)
    if not isinstance(column, TextColumn):
        msg = f"{spec} wants texts, and feature {name} holds numbers"
        raise ShadowError(msg)
    names = np.array([*column.names, ""], dtype=object)
    return np.asarray(names[column.codes], dtype=object)[:, None]


def _numbers(spec: InputSpec, name: str, column: Column | None, kind: FeatureType, rows: int) -> NDArray[np.float64]:
    if isinstance(column, TextColumn) or (column is None and kind in {FeatureType.CATEGORICAL, FeatureType.TEXT}):
        msg = f"{spec} wants numbers, and feature {name} holds texts"
        raise ShadowError(msg)
    match column:
        case None:
            return np.full((rows, 1), np.nan)
        case VectorColumn():
            return column.values
        case NumberColumn():
            return column.values[:, None]


def _typed(spec: InputSpec, values: NDArray[np.generic]) -> NDArray[np.generic]:
    dtype = _TYPES.get(spec.type)
    if dtype is None:
        msg = f"{spec} is of a type that logged features cannot fill"
        raise ShadowError(msg)
    if np.issubdtype(dtype, np.floating):
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    numbers = values.astype(np.float64)
    odd = int(np.count_nonzero(~np.isfinite(numbers) | (numbers != np.round(numbers))))
    if odd:
        msg = f"{spec} holds whole numbers only, and {odd:,} of {numbers.size:,} logged values are missing or no whole numbers"
        raise ShadowError(msg)
    return numbers.astype(dtype)
