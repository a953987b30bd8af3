"""Labelled rows of reference files, through the store."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from watchtower.edges.clock import ManualClock
from watchtower.nouns.batch import PredictionKind
from watchtower.nouns.memory import Memory, Served
from watchtower.nouns.settings import Watched
from watchtower.nouns.window import EPOCH
from watchtower.store import Store
from watchtower.workers.references import References
from watchtower.workers.rows import RowReader


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(Store.open("sqlite://", now=ManualClock(EPOCH).now)) as opened:
        yield opened


def references(store: Store, folder: Path) -> References:
    watched = Watched.model_validate({"prediction": {"kind": "number"}, "reference": {"kind": "file", "path": str(folder / "{version}.jsonl")}})
    return References(store, lambda _: watched, RowReader([]), timedelta(minutes=1))


def test_the_store_keeps_the_labels_of_each_versions_own_file(store: Store, tmp_path: Path) -> None:
    rows = {"1": [{"x": i, "prediction": i + 1.0, "label": i} for i in range(300)], "2": [{"x": i, "prediction": i + 2.0} for i in range(200)]}
    for version, each in rows.items():
        (tmp_path / f"{version}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in each))
    made = references(store, tmp_path)
    for version in ("1", "2"):
        made.comparison("price", Memory("price", served=Served(live=version)))
    stored = store.references.load("price")
    assert stored is not None
    found = stored.profiles["1", ""].labelled
    assert found is not None
    assert (found.kind, found.rows) == (PredictionKind.NUMBER, 300)
    assert found.residuals is not None
    assert found.residuals.weights.tolist() == [300.0]
    assert stored.profiles["2", ""].labelled is None
