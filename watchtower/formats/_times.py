"""Event times as they are logged -> microseconds since 1970, a column at a time."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Ints
from watchtower.nouns.window import micros

LAST = 9_223_372_036_854_775
"""2262-04-11: the last microsecond that nanoseconds since 1970 can say."""

BAD = -1
_MOST_SECONDS = 1e11
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_SECONDS = 19
_MARKS = {4: b"-", 7: b"-", 13: b":", 16: b":"}
_YEAR = {0: (0, 1000), 1: (0, 100), 2: (0, 10), 3: (0, 1)}
_PLACES = _YEAR | {tens + k: (field, 10 - 9 * k) for field, tens in ((1, 5), (2, 8), (3, 11), (4, 14), (5, 17)) for k in (0, 1)}
_RANGES = ((1, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 59))


def times(values: Sequence[object], default: Ints) -> Ints:
    """Microseconds since 1970 of *values*; None takes *default*; :data:`BAD` where unreadable or outside of 1970 to 2262.

    Texts are ISO 8601 (UTC where no zone is given); numbers are seconds where |t| < 1e11, else milliseconds.
    """
    kinds = set(map(type, values))
    if kinds == {str}:
        found = _texts(cast("Sequence[str]", values))
    elif kinds <= {int, float}:
        found = _numbers(cast("Sequence[float]", values))
    elif kinds == {NoneType}:
        found = default
    else:
        found = _mixed(values, default)
    return np.where((found < 0) | (found > LAST), BAD, found)


def _mixed(values: Sequence[object], default: Ints) -> Ints:
    found = np.full(len(values), BAD, dtype=np.int64)
    texts = [i for i, each in enumerate(values) if type(each) is str]
    numbers = [i for i, each in enumerate(values) if type(each) in {int, float}]
    absent = [i for i, each in enumerate(values) if each is None]
    found[texts] = _texts([cast("str", values[i]) for i in texts])
    found[numbers] = _numbers([cast("float", values[i]) for i in numbers])
    found[absent] = default[absent]
    return found


def _numbers(values: Sequence[float]) -> Ints:
    try:
        read = np.array(values, dtype=np.float64)
    except OverflowError:
        read = np.array([each if abs(each) <= LAST else np.nan for each in values], dtype=np.float64)
    exact = np.where(np.abs(read) < _MOST_SECONDS, read * 1e6, read * 1e3)
    fine = (exact >= 0) & (exact <= LAST)
    return np.where(fine, np.rint(np.where(fine, exact, 0)), BAD).astype(np.int64)


def _texts(values: Sequence[str]) -> Ints:
    """By columns of characters where the usual layout allows, one by one where not."""
    found = np.full(len(values), BAD, dtype=np.int64)
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    for length in set(lengths.tolist()):
        where = np.flatnonzero(lengths == length)
        part = values if len(where) == len(values) else [values[i] for i in where.tolist()]
        read = _aligned(part, length)
        odd = np.flatnonzero(read == BAD).tolist()
        read[odd] = [_one(part[i]) for i in odd]
        found[where] = read
    return found


def _one(value: str) -> int:
    """One time that has another layout, or none."""
    try:
        read = datetime.fromisoformat(value)
        return micros(read if read.tzinfo else read.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return BAD


def _aligned(values: Sequence[str], length: int) -> Ints:
    """Texts of one *length*; BAD where one is not laid out like the first."""
    bad = np.full(len(values), BAD, dtype=np.int64)
    layout = _ISO.fullmatch(values[0]) if values else None
    joined = "".join(values)
    if layout is None or not joined.isascii():
        return bad
    signs = np.ascontiguousarray(np.frombuffer(joined.encode("ascii"), dtype=np.uint8).reshape(len(values), length).T)
    fine = (signs[10] == ord("T")) | (signs[10] == ord(" "))
    for place, mark in _marks(layout).items():
        fine &= signs[place] == ord(mark)
    places, weights = _weights(layout)
    digits = signs[places] - ord("0")
    fine &= digits.max(axis=0) <= 9
    fields = (weights @ digits.astype(np.float32)).astype(np.int64)
    return np.where(fine & _possible(fields), _moments(fields, layout, signs), bad)


def _marks(layout: re.Match[str]) -> dict[int, bytes]:
    """The characters that are the same in every text of this layout."""
    marks = dict(_MARKS)
    if layout[1]:
        marks[_SECONDS] = b"."
    zone = layout[2] or ""
    if zone:
        marks[layout.start(2)] = zone[0].encode()
    if len(zone) > 1:
        marks[layout.start(2) + 3] = b":"
    return marks


def _weights(layout: re.Match[str]) -> tuple[list[int], NDArray[np.float32]]:
    """Where digits stand, and what each adds to year, month, day, hour, minute, second, microsecond, zone's hour, zone's minute."""
    places = dict(_PLACES)
    for k in range(len(layout[1] or ".") - 1):
        places[_SECONDS + 1 + k] = (6, 10 ** (5 - k) if k < 6 else 0)
    if len(layout[2] or "") > 1:
        start = layout.start(2)
        places |= {start + 1: (7, 10), start + 2: (7, 1), start + 4: (8, 10), start + 5: (8, 1)}
    weights = np.zeros((9, len(places)), dtype=np.float32)
    for row, (field, weight) in enumerate(places.values()):
        weights[field, row] = weight
    return list(places), weights


def _possible(fields: Ints) -> NDArray[np.bool_]:
    """Whether each field is in its range; the day is held against its month in :func:`_moments`."""
    possible: NDArray[np.bool_] = (fields[7] < 24) & (fields[8] < 60)
    for field, (least, most) in zip(fields, _RANGES, strict=False):
        possible &= (field >= least) & (field <= most)
    return possible


def _moments(fields: Ints, layout: re.Match[str], signs: NDArray[np.uint8]) -> Ints:
    """Microseconds since 1970; BAD where the month has no such day."""
    months = (fields[0] - 1970) * 12 + fields[1] - 1
    known, which = np.unique(months, return_inverse=True) if months.min() != months.max() else (months[:1], np.zeros(len(months), dtype=np.int64))
    first = _first_day(known)[which]
    days = first + fields[2] - 1
    seconds = ((days * 24 + fields[3]) * 60 + fields[4]) * 60 + fields[5]
    if len(layout[2] or "") > 1:
        east = np.where(signs[layout.start(2)] == ord("+"), 1, -1)
        seconds -= east * (fields[7] * 60 + fields[8]) * 60
    return np.where(days < _first_day(known + 1)[which], seconds * 1_000_000 + fields[6], BAD)


def _first_day(months: Ints) -> Ints:
    """Days since 1970 of each month's first, months counted from January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
