"""Reference files: three forms, one table."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from watchtower.edges.tables import read_table, read_table_apart
from watchtower.nouns.batch import FeatureType, NumberColumn, PredictionKind, TextColumn, VectorColumn
from watchtower.nouns.errors import ConfigError

TYPES = {"amount": FeatureType.NUMERIC, "country": FeatureType.CATEGORICAL}
ROWS: list[dict[str, object]] = [
    {"amount": 1.5, "country": "DE", "prediction": 0.25, "label": 1, "time": "2026-01-01T00:00:00Z", "extra": "x"},
    {"amount": None, "country": None, "prediction": 0.75, "label": None, "time": "2026-01-01T00:00:01Z", "extra": "y"},
    {"amount": 3.0, "country": "FR", "prediction": 0.5, "label": 0, "time": "2026-01-01T00:00:02Z", "extra": "z"},
]


def written(folder: Path, form: str, rows: list[dict[str, object]]) -> str:
    path = folder / f"7.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "csv":
        with path.open("w", newline="") as file:
            out = csv.DictWriter(file, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
    else:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({name: pa.array([row[name] for row in rows]) for name in rows[0]}), path)
    return str(path)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_the_three_forms_give_the_same_table(tmp_path: Path, form: str) -> None:
    table = read_table(written(tmp_path, form, ROWS), TYPES, PredictionKind.PROBABILITY)
    amount, country = table.features["amount"], table.features["country"]
    assert isinstance(amount, NumberColumn)
    assert isinstance(country, TextColumn)
    assert np.array_equal(amount.values, [1.5, np.nan, 3.0], equal_nan=True)
    assert [country.names[code] if code >= 0 else None for code in country.codes] == ["DE", None, "FR"]
    assert isinstance(table.prediction, NumberColumn)
    assert table.prediction.values.tolist() == [0.25, 0.75, 0.5]
    assert table.labels == ("1", None, "0")
    assert (table.rows, table.ignored, table.absent) == (3, ("extra",), ())


def test_without_types_columns_are_inferred(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "csv", ROWS), {}, None)
    assert isinstance(table.features["amount"], NumberColumn)
    assert isinstance(table.features["extra"], TextColumn)
    assert set(table.features) == {"amount", "country", "extra"}


def test_what_does_not_fit_its_type_is_missing_and_marked(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"amount": "much"}, {"amount": float("inf")}, {"amount": None}, {"amount": 2}]
    amount = read_table(written(tmp_path, "jsonl", rows), TYPES, None).features["amount"]
    assert isinstance(amount, NumberColumn)
    assert np.array_equal(amount.values, [np.nan, np.nan, np.nan, 2.0], equal_nan=True)
    assert amount.bad is not None
    assert amount.bad.tolist() == [1, 2, 0, 0]


def test_vectors_and_word_labels_are_read(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"face": [0.1, 0.2], "label": "fraud"}, {"face": [0.3], "label": "ok"}, {"face": None, "label": "ok"}]
    table = read_table(written(tmp_path, "parquet", rows), {"face": FeatureType.EMBEDDING}, None)
    face = table.features["face"]
    assert isinstance(face, VectorColumn)
    assert np.array_equal(face.values, [[0.1, 0.2], [np.nan, np.nan], [np.nan, np.nan]], equal_nan=True)
    assert table.labels == ("fraud", "ok", "ok")


def test_a_parquet_file_is_read_apart_alike(tmp_path: Path) -> None:
    table = read_table_apart(written(tmp_path, "parquet", ROWS), TYPES, PredictionKind.PROBABILITY)
    assert table.labels == ("1", None, "0")


@pytest.mark.parametrize("name", ["missing.parquet", "bad.parquet", "bad.jsonl", "short.csv", "table.xlsx"])
def test_an_unreadable_file_is_a_configuration_error_that_names_it(tmp_path: Path, name: str) -> None:
    for file, text in {"bad.parquet": "no parquet", "bad.jsonl": "{", "short.csv": "a,b\n1\n", "table.xlsx": "?"}.items():
        (tmp_path / file).write_text(text)
    with pytest.raises(ConfigError, match=name):
        read_table_apart(str(tmp_path / name), TYPES, None)
