"""Reads reference files: Parquet, CSV and JSONL as columns."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watchtower.core.answers import spell
from watchtower.edges.children import call
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, PredictionKind, TextColumn, VectorColumn
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place

SPECIAL = ("prediction", "label", "time")
_TYPE_ERROR, _NONFINITE = 1, 2
_PREDICTIONS = {
    PredictionKind.CLASS: FeatureType.CATEGORICAL,
    PredictionKind.PROBABILITY: FeatureType.NUMERIC,
    PredictionKind.NUMBER: FeatureType.NUMERIC,
    PredictionKind.VECTOR: FeatureType.EMBEDDING,
    PredictionKind.RANKING: FeatureType.TEXT,
}
Values = Sequence[object] | NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceTable:
    """A reference file as columns of *rows* rows.

    Attributes:
        features: by name; a declared feature that the file lacks is not here (:attr:`absent` names it).
        prediction: None where the file has no such column.
        labels: spelled texts (see core/answers.py), None where unlabelled; None where the file has no such column.
        rows: how many.
        ignored: columns that mean nothing to us.
        absent: declared features without a column.
    """

    features: Mapping[str, Column]
    prediction: Column | None
    labels: Sequence[str | None] | None
    rows: int
    ignored: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What :func:`read_table_apart` asks its child for."""

    path: str
    types: Mapping[str, FeatureType]
    prediction: PredictionKind | None


def read_table(path: str, types: Mapping[str, FeatureType], prediction: PredictionKind | None) -> ReferenceTable:
    """Reads *path* by its ending (.parquet, .csv, .jsonl); ConfigError where it is missing, unreadable or of another kind.

    With *types* empty every column but prediction, label and time is a feature, inferred: all values numbers is numeric, else
    categorical. *prediction* None infers the prediction likewise.
    """
    raw, rows = _raw(Path(path))
    wanted = types or {name: _inferred(values) for name, values in raw.items() if name not in SPECIAL}
    features = {name: as_column(raw[name], kind) for name, kind in wanted.items() if name in raw}
    answers = raw.get("prediction")
    column = None if answers is None else as_column(answers, _PREDICTIONS[prediction] if prediction else _inferred(answers))
    labels = spell(_listed(raw["label"])) if "label" in raw else None
    ignored = tuple(name for name in raw if name not in features and name not in SPECIAL)
    return ReferenceTable(features, column, labels, rows, ignored, tuple(name for name in wanted if name not in raw))


def read_requested(request: object) -> ReferenceTable:
    """The child's side of :func:`read_table_apart`."""
    assert isinstance(request, Request)
    return read_table(request.path, request.types, request.prediction)


def read_table_apart(
    path: str, types: Mapping[str, FeatureType], prediction: PredictionKind | None, *, time_limit: timedelta = timedelta(minutes=2)
) -> ReferenceTable:
    """As :func:`read_table`; a Parquet file is read in a child process, so that pyarrow's 43 MB do not stay with the daemon."""
    if Path(path).suffix.lower() not in {".parquet", ".pq"}:
        return read_table(path, types, prediction)
    found = call("watchtower.edges.tables:read_requested", Request(path, dict(types), prediction), time_limit=time_limit)
    assert isinstance(found, ReferenceTable)
    return found


def as_column(values: Values, kind: FeatureType) -> Column:
    """*values* as a column of *kind*: None, NaN and "" are missing, what does not fit is missing and marked."""
    match kind:
        case FeatureType.NUMERIC:
            return _numbers(values)
        case FeatureType.CATEGORICAL | FeatureType.TEXT:
            return _texts(values)
        case FeatureType.EMBEDDING:
            return _vectors(values)


def _numbers(values: Values) -> NumberColumn:
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        plain = values.astype(np.float64)
        bad = np.where(np.isinf(plain), _NONFINITE, 0).astype(np.int8)
        return NumberColumn(np.where(np.isinf(plain), np.nan, plain), bad if bad.any() else None)
    read = [_number(value) for value in values]
    bad = np.array([mark for _, mark in read], dtype=np.int8)
    return NumberColumn(np.array([number for number, _ in read], dtype=np.float64), bad if bad.any() else None)


def _number(value: object) -> tuple[float, int]:
    if value is None or value == "":
        return math.nan, 0
    if not isinstance(value, int | float | np.integer | np.floating):
        return math.nan, _TYPE_ERROR
    number = float(value)
    return (math.nan, _NONFINITE) if math.isinf(number) else (number, 0)


def _texts(values: Values) -> TextColumn:
    names: dict[str, int] = {}
    written = (None if value is None or value == "" or (isinstance(value, float) and math.isnan(value)) else _written(value) for value in _listed(values))
    codes = np.array([-1 if text is None else names.setdefault(text, len(names)) for text in written], dtype=np.int32)
    return TextColumn(codes, tuple(names))


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _vectors(values: Values) -> VectorColumn:
    listed = [value if isinstance(value, list | tuple) else None for value in _listed(values)]
    width = max((len(value) for value in listed if value), default=0)
    rows = np.full((len(listed), width), np.nan)
    bad = np.zeros(len(listed), dtype=np.int8)
    for i, value in enumerate(listed):
        if value is not None and len(value) == width and all(isinstance(each, int | float) for each in value):
            rows[i] = value
        elif value is not None:
            bad[i] = _TYPE_ERROR
    return VectorColumn(rows, bad if bad.any() else None)


def _inferred(values: Values) -> FeatureType:
    if isinstance(values, np.ndarray):
        return FeatureType.NUMERIC
    present = [value for value in values if value is not None and value != ""]
    if present and all(isinstance(value, list | tuple) for value in present):
        return FeatureType.EMBEDDING
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in present)
    return FeatureType.NUMERIC if plain else FeatureType.CATEGORICAL


def _listed(values: Values) -> Sequence[object]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _raw(path: Path) -> tuple[dict[str, Values], int]:
    readers = {".parquet": _parquet, ".pq": _parquet, ".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise _problem(path, f"a reference cannot be read from {path.suffix or 'a file without an ending'!r}", "give a .parquet, .csv or .jsonl file")
    try:
        columns = reader(path)
    except FileNotFoundError as missing:
        raise _problem(path, "there is no such reference file", "write it, or change reference: path") from missing
    except (OSError, ValueError, UnicodeDecodeError, csv.Error) as bad:
        raise _problem(path, f"the reference file cannot be read: {bad}", "write it anew") from bad
    return columns, max((len(values) for values in columns.values()), default=0)


def _problem(path: Path, what: str, advice: str) -> ConfigError:
    return ConfigError([Problem(Place(str(path)), what, advice)])


def _parquet(path: Path) -> dict[str, Values]:
    try:
        from pyarrow import ArrowException, parquet, types  # noqa: PLC0415  only Parquet pays for it
    except ImportError as missing:
        raise _problem(path, "reading Parquet needs pyarrow, which is not installed", "pip install pyarrow") from missing
    try:
        with path.open("rb") as file:
            table = parquet.read_table(file)
    except ArrowException as bad:
        raise ValueError(str(bad).splitlines()[0]) from bad
    columns: dict[str, Values] = {}
    for name in table.column_names:
        column = table[name]
        plain = types.is_floating(column.type) or (types.is_integer(column.type) and not column.null_count)
        columns[name] = column.to_numpy() if plain else column.to_pylist()
    return columns


def _csv(path: Path) -> dict[str, Values]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        body = [row for row in rows if row]
    short = next((i for i, row in enumerate(body, 2) if len(row) != len(header)), None)
    if short is not None:
        msg = f"line {short} has {len(body[short - 2])} of {len(header)} columns"
        raise ValueError(msg)
    turned: Sequence[Sequence[str]] = list(zip(*body, strict=True)) or [()] * len(header)
    return {name: _csv_values(name, values) for name, values in zip(header, turned, strict=True)}


def _csv_values(name: str, values: Sequence[str]) -> Values:
    """A CSV has only texts: a column whose values are all numbers is numbers (labels stay as written)."""
    if name == "label":
        return values
    try:
        return np.array([math.nan if value == "" else float(value) for value in values], dtype=np.float64)
    except ValueError:
        return [_csv_value(value) for value in values]


def _csv_value(value: str) -> object:
    try:
        return float(value)
    except ValueError:
        return value


def _jsonl(path: Path) -> dict[str, Values]:
    rows = list(_objects(path))
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _objects(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as bad:
                msg = f"line {number} is no JSON: {bad}"
                raise ValueError(msg) from bad
            if not isinstance(row, dict):
                msg = f"line {number} is no JSON object"
                raise ValueError(msg)  # noqa: TRY004  one kind of error for all that a file can be wrong by
            yield row
