"""Artefacts that are still what they were when they were first seen."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.runners.models import logistic, placed
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.edges.clock import ManualClock
from watchtower.model_stores.directory import Directory
from watchtower.nouns.batch import FeatureType, NumberColumn, PredictionKind
from watchtower.nouns.binning import PREDICTION
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.score import Board
from watchtower.nouns.settings import FeatureSettings
from watchtower.nouns.window import EPOCH, Window
from watchtower.store import Store, StoredReference
from watchtower.workers.artefacts import FirstSeen, Made, changed, verified

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(TEN)


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    opened = Store.open("sqlite://", now=clock.now)
    yield opened
    opened.close()


@pytest.fixture
def models(tmp_path: Path) -> Directory:
    placed(tmp_path, "1", logistic([1.0]))
    placed(tmp_path, "2", logistic([2.0]))
    return Directory(path=str(tmp_path))


def replaced(models: Directory, version: str, metadata: object = None) -> None:
    """Somebody writes another model under the same version."""
    folder = Path(models.path) / version
    (folder / "model.onnx").write_bytes(logistic([9.0]))
    if metadata is not None:
        (folder / "metadata.json").write_text(json.dumps(metadata))


def test_the_first_look_records_and_a_later_change_is_broken_evidence(store: Store, models: Directory, clock: ManualClock) -> None:
    first = verified(store, models, "fraud", "1")
    clock.set(TEN + MINUTE)
    assert verified(store, models, "fraud", "1") == first
    replaced(models, "1")
    with pytest.raises(ShadowError, match=r"version 1 changed: sha256 .{12}… when it was first seen \(2026-11-20 10:00 UTC\), .{12}… now") as wrong:
        verified(store, models, "fraud", "1")
    assert "watchtower clear fraud/1" in str(wrong.value)
    assert verified(store, models, "other", "1").sha256 != first.sha256, "another model's records are its own"


def test_metadata_that_record_the_new_digest_say_that_it_is_meant(store: Store, models: Directory) -> None:
    verified(store, models, "fraud", "1")
    replaced(models, "1")
    digest = models.open().fetch("1").sha256
    replaced(models, "1", {"sha256": digest})
    assert verified(store, models, "fraud", "1").sha256 == digest


def test_clear_forgets_what_was_first_seen(store: Store, models: Directory) -> None:
    verified(store, models, "fraud", "1")
    replaced(models, "1")
    assert store.freezes.clear("fraud", "1", by="ann", origin="cli", now=TEN)
    assert verified(store, models, "fraud", "1").sha256 == models.open().fetch("1").sha256
    assert not store.freezes.clear("fraud", "2", by="ann", origin="cli", now=TEN), "nothing was known of it"


def test_digests_are_recorded_when_a_version_serves_or_may_be_gone_back_to(store: Store, models: Directory) -> None:
    served = Served(live="2", quiet_windows={"1": 60, "3": 60})
    window = Window(TEN, TEN + MINUTE)
    store.evaluations.commit("fraud", window, {}, Evaluation(Board("fraud", window, "2", {}), (), Memory("fraud", served=served), ()), now=window.end)
    column = {"amount": NumberColumn(np.arange(20.0)), PREDICTION: NumberColumn(np.arange(20.0))}
    binning = make_binning(column, {"amount": FeatureSettings(type=FeatureType.NUMERIC)}, PredictionKind.NUMBER, ())
    store.references.begin("fraud", StoredReference(binning, EPOCH, {("", ""): make_reference_profile(binning, column, 20)}))
    worker = FirstSeen(store, {"fraud": models}.get)
    assert worker.step(TEN)
    assert [store.artefacts.recorded("fraud", version) is not None for version in "123"] == [True, True, False]
    assert not worker.step(TEN), "3 has no artefact, which is logged once and looked for again"
    assert not FirstSeen(store, lambda _: None).step(TEN)


def test_when_a_version_was_made_is_asked_once(models: Directory) -> None:
    (Path(models.path) / "1" / "metadata.json").write_text(json.dumps({"created": TEN.isoformat()}))
    made = Made()
    assert made.of("fraud", models, ("1", "2")) == {"1": TEN}
    (Path(models.path) / "1" / "metadata.json").unlink()
    (Path(models.path) / "2" / "metadata.json").write_text(json.dumps({"created": TEN.isoformat()}))
    assert made.of("fraud", models, ("1", "2")) == {"1": TEN}, "what was not known is asked again later"


def test_what_differs_is_said_of_both_and_nothing_where_one_cannot_be_had(models: Directory) -> None:
    (Path(models.path) / "1" / "metadata.json").write_text(json.dumps({"author": "ann"}))
    found = changed(models, "2", "1")
    assert found["author"] == {"live": None, "candidate": "ann"}
    assert found["line"] == "2 beside 1: author unknown (was ann)"
    assert changed(models, "2", "3") == changed(models, "2", None) == changed(None, "2", "1") == {}
