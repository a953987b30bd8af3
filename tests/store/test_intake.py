"""Checkpoints: what was read and how far it was read are one truth."""

import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from watchtower.edges.clock import ManualClock
from watchtower.nouns.batch import Reason, Rejection
from watchtower.nouns.errors import Fenced
from watchtower.nouns.profile import LATENCY_BUCKETS, Delta, Totals
from watchtower.nouns.window import Partition, Progress, micros
from watchtower.store import Store

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
Make = Callable[..., Delta]


def versions(store: Store) -> object:
    models = store.status()["models"]
    assert isinstance(models, list)
    return [(model["model"], each["version"], each["predictions"], each["late"]) for model in models for each in model["versions"]]


def test_a_fresh_store_knows_no_position(store: Store) -> None:
    found = store.intake.load()
    assert (found.progress, found.closed_through) == ({}, None)


def test_progress_comes_back_as_it_was_stored(store: Store, delta: Make) -> None:
    progress = Progress(10, newest=micros(TEN), caught_up_at=TEN, appended_at=TEN + timedelta(microseconds=1), end=12)
    partition = Partition("predictions", 3, "Äöü")
    store.intake.checkpoint(replace(delta(5, 0, None, 10, closed=TEN), progress={partition: (None, progress)}), keep_original=False)
    found = store.intake.load()
    assert found.progress == {partition: progress}
    assert found.closed_through == micros(TEN)


def test_checkpoints_add_up(store: Store, delta: Make) -> None:
    store.intake.checkpoint(delta(5, 0, None, 5), keep_original=False)
    store.intake.checkpoint(delta(3, 1, 5, 9, late=1), keep_original=False)
    assert versions(store) == [("fraud", "7", 9, 1)]


def test_progress_may_be_stored_again_without_having_moved(store: Store, delta: Make) -> None:
    store.intake.checkpoint(delta(5, 0, None, 5), keep_original=False)
    store.intake.checkpoint(replace(delta(0, 0, 5, 5), totals={}), keep_original=False)
    assert store.intake.load().progress[Partition("predictions")].position == 5


@pytest.mark.parametrize("old", [None, 4, 6])
def test_a_checkpoint_over_another_position_is_fenced_and_writes_nothing(store: Store, delta: Make, old: int | None) -> None:
    store.intake.checkpoint(delta(5, 0, None, 5, closed=TEN), keep_original=False)
    before = store.status()
    with pytest.raises(Fenced):
        store.intake.checkpoint(delta(3, 0, old, 9, closed=TEN + timedelta(hours=1)), keep_original=False)
    assert store.status() == before
    assert store.intake.load().closed_through == micros(TEN)
    assert store.intake.load().progress[Partition("predictions")].position == 5


def test_one_partition_that_was_moved_by_another_fences_all_of_them(store: Store, delta: Make) -> None:
    one, other = Partition("predictions", 0), Partition("predictions", 1)
    store.intake.checkpoint(replace(delta(1, 0, None, 1), progress={one: (None, Progress(1)), other: (None, Progress(1))}), keep_original=False)
    with pytest.raises(Fenced, match="1 of 2"):
        store.intake.checkpoint(
            replace(delta(1, 0, None, 1), progress={one: (Progress(1), Progress(2)), other: (Progress(0), Progress(2))}), keep_original=False
        )
    assert store.intake.load().progress[one].position == 1


def test_a_recreated_topic_is_another_partition(store: Store, delta: Make) -> None:
    store.intake.checkpoint(replace(delta(1, 0, None, 1), progress={Partition("t", 0, "a"): (None, Progress(7))}), keep_original=False)
    store.intake.checkpoint(replace(delta(1, 0, None, 1), progress={Partition("t", 0, "b"): (None, Progress(1))}), keep_original=False)
    assert {each.identity: at.position for each, at in store.intake.load().progress.items()} == {"a": 7, "b": 1}


def test_closed_through_never_goes_back(store: Store, delta: Make) -> None:
    store.intake.checkpoint(delta(1, 0, None, 1, closed=TEN), keep_original=False)
    store.intake.checkpoint(delta(1, 0, 1, 2, closed=TEN - timedelta(hours=1)), keep_original=False)
    store.intake.checkpoint(delta(1, 0, 2, 3), keep_original=False)
    assert store.intake.load().closed_through == micros(TEN)


def test_other_roles_errors_and_latencies_are_kept_beside_the_totals(store: Store, delta: Make) -> None:
    buckets = np.zeros(len(LATENCY_BUCKETS) + 1, dtype=np.int64)
    buckets[2] = 4
    more = Totals(predictions=4, other_roles={"shadow": 2}, errors={"timeout": 1}, latency=buckets, latency_sum=0.5)
    for old, new in ((None, 1), (1, 2)):
        store.intake.checkpoint(replace(delta(1, 0, old, new), totals={("fraud", "7"): more}), keep_original=False)
    models = store.status()["models"]
    assert isinstance(models, list)
    assert models[0]["versions"] == [{"version": "7", "predictions": 8, "late": 0, "other_roles": {"shadow": 4}, "errors": {"timeout": 2}}]


def rejection(value: bytes | None, position: int = 3) -> Rejection:
    return Rejection(Partition("predictions", 2), position, Reason.NOT_JSON, 1_000_000, value)


def test_rejections_are_counted_and_wait_as_dead_letters(store: Store, delta: Make) -> None:
    store.intake.checkpoint(replace(delta(0, 0, None, 4), rejected=(rejection(b"{"), rejection(None, 4))), keep_original=False)
    first, second = store.intake.dead_letters.waiting(10)
    assert store.status()["rejected"] == {"not_json": 2}
    assert (first.key, first.topic) == ("predictions/2/3", "predictions")
    assert json.loads(first.value) == {
        "reason": "not_json",
        "topic": "predictions",
        "partition": 2,
        "offset": 3,
        "timestamp": "1970-01-01T00:00:01Z",
        "sha256": "021fb596db81e6d02bf3d2586ee3981fe519f275c0ac9ca76bbcf2ebb4097d96",
        "size": 1,
    }
    assert json.loads(second.value)["sha256"] is None
    store.intake.dead_letters.sent([first.id])
    assert [letter.key for letter in store.intake.dead_letters.waiting(10)] == ["predictions/2/4"]


def test_the_original_is_kept_where_asked(store: Store, delta: Make) -> None:
    store.intake.checkpoint(replace(delta(0, 0, None, 4), rejected=(rejection("ä".encode()), rejection(b"\xff"))), keep_original=True)
    text, raw = (json.loads(letter.value) for letter in store.intake.dead_letters.waiting(10))
    assert (text["original"], raw["original"], raw["encoding"]) == ("ä", "/w==", "base64")


def test_lag_is_the_end_less_the_stored_position(store: Store, delta: Make) -> None:
    store.intake.checkpoint(delta(5, 0, None, 5), keep_original=False)
    store.intake.set_ends({Partition("predictions"): (5, 12), Partition("predictions", 1): (40, 41)})
    assert store.status()["lag"] == [{"topic": "predictions", "partition": 0, "lag": 7}, {"topic": "predictions", "partition": 1, "lag": 1}]
    store.intake.set_ends({Partition("predictions"): (5, 5)})
    assert store.status()["lag"] == [{"topic": "predictions", "partition": 0, "lag": 0}]


def test_a_checkpoint_waits_for_a_lock_of_another_process(store: Store, delta: Make, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "watchtower.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, other.rollback).start()
    store.intake.checkpoint(delta(5, 0, None, 5), keep_original=False)
    assert versions(store) == [("fraud", "7", 5, 0)]


def test_status_never_waits_for_a_writer(store: Store, delta: Make, url: str, clock: ManualClock, tmp_path: Path) -> None:
    store.intake.checkpoint(delta(5, 0, None, 5), keep_original=False)
    other = sqlite3.connect(tmp_path / "watchtower.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE totals SET predictions = 0")
    looking = Store.open(url, read_only=True, now=clock.now)
    assert versions(looking) == versions(store) == [("fraud", "7", 5, 0)]
    other.rollback()
