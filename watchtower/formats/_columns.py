"""Values as JSON holds them -> typed columns. Numbers stay numbers, whatever does not fit is missing and marked."""

from collections import Counter
from collections.abc import Sequence
from types import NoneType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Column, FeatureType, Floats, NumberColumn, PredictionKind, TextColumn, VectorColumn

FINE, TYPE_ERROR, NON_FINITE = 0, 1, 2
_NUMBERS = frozenset({int, float, bool, NoneType})
_TEXTS = frozenset({str, NoneType})

Marks = NDArray[np.int8]


def column(values: Sequence[object], kind: FeatureType, *, checked: bool) -> Column:
    """The column of a feature of *kind*; *checked*: the values are known to be of its types, and finite."""
    match kind:
        case FeatureType.NUMERIC:
            return NumberColumn(np.array(values, dtype=np.float64)) if checked else numbers(values)
        case FeatureType.CATEGORICAL | FeatureType.TEXT:
            return texts(values)
        case FeatureType.EMBEDDING:
            return vectors(values)


def predictions(values: Sequence[object], kind: PredictionKind | None) -> Column | None:
    """The column of the predictions but for rankings (see _rankings.py). Without a *kind* it is inferred."""
    match kind:
        case PredictionKind.NUMBER | PredictionKind.PROBABILITY:
            return numbers(values)
        case PredictionKind.CLASS:
            return texts([class_name(each) for each in values])
        case PredictionKind.VECTOR:
            return vectors(values)
        case PredictionKind.RANKING:
            return None
        case None:
            inferred = infer(values)
            return texts([class_name(each) for each in values]) if inferred is FeatureType.CATEGORICAL else column(values, inferred, checked=False)


def infer(values: Sequence[object]) -> FeatureType:
    """All numbers: numeric; all lists: an embedding; anything else: categorical."""
    kinds = set(map(type, values)) - {NoneType}
    if kinds and kinds <= {int, float}:
        return FeatureType.NUMERIC
    return FeatureType.EMBEDDING if kinds == {list} else FeatureType.CATEGORICAL


def numbers(values: Sequence[object]) -> NumberColumn:
    """Booleans are 1 and 0; texts, lists and objects are type errors."""
    if not _NUMBERS.issuperset(map(type, values)):
        return _numbers_one_by_one(values)
    try:
        read = np.array(values, dtype=np.float64)
    except OverflowError:
        return _numbers_one_by_one(values)
    if np.isfinite(read).all():
        return NumberColumn(read)
    bad = np.zeros(len(read), dtype=np.int8)
    odd = np.flatnonzero(~np.isfinite(read)).tolist()
    bad[odd] = [FINE if values[i] is None else NON_FINITE for i in odd]
    return NumberColumn(np.where(bad == NON_FINITE, np.nan, read), bad if bad.any() else None)


def _numbers_one_by_one(values: Sequence[object]) -> NumberColumn:
    pairs = [_number(each) for each in values]
    bad = np.array([mark for _, mark in pairs], dtype=np.int8)
    return NumberColumn(np.array([value for value, _ in pairs], dtype=np.float64), bad if bad.any() else None)


def _number(value: object) -> tuple[float, int]:
    if value is None:
        return np.nan, FINE
    if not isinstance(value, (int, float)):
        return np.nan, TYPE_ERROR
    try:
        read = float(value)
    except OverflowError:
        return np.nan, NON_FINITE
    return (read, FINE) if np.isfinite(read) else (np.nan, NON_FINITE)


def texts(values: Sequence[object]) -> TextColumn:
    """Numbers and booleans as JSON writes them; lists and objects are type errors."""
    try:
        seen = dict.fromkeys(values)
    except TypeError:
        return _texts_one_by_one(values)
    return coded(values, seen) if _TEXTS.issuperset(map(type, seen)) else _texts_one_by_one(values)


def coded(values: Sequence[object], seen: dict[object, None]) -> TextColumn:
    """Codes of texts and Nones; *seen* holds each once, in order."""
    if len(seen) == 1:
        return _constant(next(iter(seen)), len(values))
    seen.pop(None, None)
    codes: dict[object, int] = {name: code for code, name in enumerate(seen)}
    codes[None] = -1
    return TextColumn(np.fromiter(map(codes.__getitem__, values), np.int32, len(values)), tuple(cast("dict[str, None]", seen)))


def _constant(value: object, n: int) -> TextColumn:
    if value is None:
        return TextColumn(np.full(n, -1, dtype=np.int32), ())
    return TextColumn(np.zeros(n, dtype=np.int32), (cast("str", value),))


def _texts_one_by_one(values: Sequence[object]) -> TextColumn:
    pairs = [_text(each) for each in values]
    read = [value for value, _ in pairs]
    bad = np.array([mark for _, mark in pairs], dtype=np.int8)
    found = coded(read, dict.fromkeys(read))
    return TextColumn(found.codes, found.names, bad if bad.any() else None)


def _text(value: object) -> tuple[str | None, int]:
    if value is None or isinstance(value, str):
        return value, FINE
    if isinstance(value, bool):
        return ("true" if value else "false"), FINE
    if isinstance(value, float):
        return (repr(value), FINE) if np.isfinite(value) else (None, NON_FINITE)
    return (written(value), FINE) if isinstance(value, int) else (None, TYPE_ERROR)


def written(value: int) -> str:
    """An integer's digits; beyond Python's limit for those, its hexadecimal ones."""
    try:
        return str(value)
    except ValueError:
        return hex(value)


def class_name(value: object) -> object:
    """A class as a text: 1, 1.0 and "1" are the same class."""
    return written(int(value)) if isinstance(value, float) and value.is_integer() else value


def class_text(value: object) -> str:
    """A label as a text, written like a class; "" where it is none."""
    return _text(class_name(value))[0] or ""


def vectors(values: Sequence[object]) -> VectorColumn:
    """Lists of numbers of the width that most rows have; other widths and other values are type errors. Nested lists (a picture) are laid out row-major."""
    values = [_laid_out(each) for each in values]
    widths = Counter(len(each) for each in values if isinstance(each, list) and each)
    width = max(widths, key=lambda each: (widths[each], each)) if widths else 0
    rows = [_vector(each, width) for each in values]
    read = np.array([row for row, _ in rows], dtype=np.float64).reshape(len(values), width)
    bad = np.array([mark for _, mark in rows], dtype=np.int8)
    return VectorColumn(read, bad if bad.any() else None)


def _laid_out(value: object) -> object:
    """A tensor as one list; a ragged one stays as it is, and is a type error."""
    while isinstance(value, list) and value and type(value[0]) is list:
        length = len(value[0])
        if not all(type(each) is list and len(each) == length for each in value):
            return value
        value = [each for part in value for each in part]
    return value


def _vector(value: object, width: int) -> tuple[Sequence[float] | Floats, int]:
    missing = [np.nan] * width
    if value is None:
        return missing, FINE
    if not isinstance(value, list) or len(value) != width:
        return missing, TYPE_ERROR
    parts = [_number(each) for each in value]
    marks = {FINE if each is not None else TYPE_ERROR for each in value} | {mark for _, mark in parts}
    if TYPE_ERROR in marks or NON_FINITE in marks:
        return missing, TYPE_ERROR if TYPE_ERROR in marks else NON_FINITE
    return [number for number, _ in parts], FINE


def floats(values: Sequence[object]) -> Floats | None:
    """A meta column of numbers, NaN where there is none or it is not finite; None where no row has one."""
    if values[0] is None and values.count(None) == len(values):
        return None
    read = np.array(values, dtype=np.float64)
    return np.where(np.isfinite(read), read, np.nan)
