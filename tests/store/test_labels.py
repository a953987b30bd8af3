"""Labels in the store: halves come with checkpoints, joins with evaluations, posts until they are read; and how they are packed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from watchtower.core.joining import hashes_of, values_of
from watchtower.core.meeting import Terms, meet
from watchtower.core.merging import empty
from watchtower.nouns.batch import PredictionKind
from watchtower.nouns.errors import Fenced, Unavailable
from watchtower.nouns.labels import Halves, LabelHalf, PredictionHalf, Waiting
from watchtower.nouns.profile import Delta
from watchtower.nouns.settings import PredictionSettings
from watchtower.nouns.window import Key, Progress, window_of
from watchtower.store import Store
from watchtower.store.label_packing import pack_labels, pack_predictions, unpack_labels, unpack_predictions
from watchtower.store.labels import SPOOL, expire, put_join

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MINUTE = 60_000_000
TERMS = Terms(timedelta(minutes=10), timedelta(0), 1000)
KIND = PredictionSettings(kind=PredictionKind.CLASS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(f"sqlite:///{tmp_path}/w.db", now=lambda: NOW)) as opened:
        yield opened


def predictions(*ids: str, minute: float = 0.5) -> PredictionHalf:
    n = len(ids)
    return PredictionHalf(
        hashes_of(ids), np.full(n, int(minute * MINUTE)), (("1", ("country=DE",)),), np.zeros(n, dtype=np.int32), values_of(["x"] * n), np.full(n, 2.0)
    )


def labels(*rows: tuple[str, float, str]) -> LabelHalf:
    times = np.array([int(minute * MINUTE) for _, minute, _ in rows])
    return LabelHalf(hashes_of([each for each, _, _ in rows]), times, values_of([value for _, _, value in rows]))


def checkpoint(store: Store, *, waiting: PredictionHalf | None = None, came: LabelHalf | None = None, read: int | None = None) -> None:
    halves = Halves({"m": waiting} if waiting is not None else {}, {"m": came} if came is not None else {})
    progress = {} if read is None else {SPOOL: (None, Progress(read))}
    store.intake.checkpoint(Delta({}, {}, {}, (), progress, None, halves=halves), keep_original=False)


def test_a_model_without_labels_has_no_room(store: Store) -> None:
    assert store.labels.room("m", None) is None
    assert store.labels.halvings() == {}
    assert store.status()["labels"] == []


def test_what_a_checkpoint_brought_meets_once_over_restarts(store: Store) -> None:
    checkpoint(store, waiting=predictions("a", "b"))
    room = store.labels.room("m", None)
    assert room is not None
    checkpoint(store, came=labels(("a", 0.6, "x")))
    room = store.labels.room("m", room)
    assert room is not None
    joined, after = meet(room, MINUTE, TERMS, KIND, {})
    with store.lease.as_leader() as tx:
        put_join(tx, joined)
    kept, anew = store.labels.room("m", after), store.labels.room("m", None)
    for each in (kept, anew):
        assert each is not None
        assert each.revision == 1
        assert each.met.tolist() == hashes_of(["a"]).tolist()
        assert each.predictions.hashes.tolist() == hashes_of(["b"]).tolist()
        assert len(each.labels.times) == 0
        assert each.began == MINUTE // 2
    assert store.labels.waiting() == [Waiting("m", predictions=1, labels=1, joined=1)]


def test_whoever_joins_second_is_fenced(store: Store) -> None:
    checkpoint(store, waiting=predictions("a"), came=labels(("a", 0.6, "x")))
    room = store.labels.room("m", None)
    assert room is not None
    joined, _ = meet(room, MINUTE, TERMS, KIND, {})
    with store.lease.as_leader() as tx:
        put_join(tx, joined)
    with pytest.raises(Fenced), store.lease.as_leader() as tx:
        put_join(tx, joined)
    assert store.labels.waiting()[0].joined == 1


def test_a_room_that_somebody_else_moved_is_read_anew(store: Store) -> None:
    checkpoint(store, waiting=predictions("a", "b"), came=labels(("a", 0.6, "x")))
    stale = store.labels.room("m", None)
    assert stale is not None
    joined, _ = meet(stale, MINUTE, TERMS, KIND, {})
    with store.lease.as_leader() as tx:
        put_join(tx, joined)
    room = store.labels.room("m", stale)
    assert room is not None
    assert room.predictions.hashes.tolist() == hashes_of(["b"]).tolist()


def test_a_worn_piece_is_written_anew_and_an_empty_one_goes(store: Store) -> None:
    ids = [f"a{i}" for i in range(400)]
    checkpoint(store, waiting=predictions(*ids))
    checkpoint(store, waiting=predictions("z"), came=labels(*((each, 0.6, "x") for each in ids[:300]), ("z", 0.6, "x")))
    room = store.labels.room("m", None)
    assert room is not None
    joined, _ = meet(room, MINUTE, TERMS, KIND, {})
    with store.lease.as_leader() as tx:
        put_join(tx, joined)
    with store._database.reading() as tx:
        stored = tx.exec_driver_sql("SELECT id, rows FROM waiting_predictions").all()
    assert [tuple(row) for row in stored] == [(1, 100)]


def test_labels_of_ids_as_they_were_known_at_a_moment(store: Store) -> None:
    checkpoint(store, came=labels(("a", 1, "cat"), ("b", 2, "1.0"), ("a", 3, "dog")))
    at = datetime(1970, 1, 1, tzinfo=UTC)
    assert store.labels.labels_of("m", ["a", "b", "c"], at + timedelta(minutes=2.5)) == ["cat", "1", None]
    assert store.labels.labels_of("m", ["a", "b", "c"], at + timedelta(minutes=4)) == ["dog", "1", None]
    assert store.labels.labels_of("other", ["a"], NOW) == [None]


def test_posts_wait_until_intake_has_read_them(store: Store) -> None:
    store.labels.spool([b"one", b"two"], NOW)
    store.labels.spool([b"three"], NOW)
    assert [body for _, _, body in store.labels.spooled(0, 10)] == [b"one", b"two", b"three"]
    assert [body for _, _, body in store.labels.spooled(1, 1)] == [b"two"]
    checkpoint(store, read=3)
    assert [body for _, _, body in store.labels.spooled(0, 10)] == [b"three"]


def test_status_says_how_labels_stand(store: Store) -> None:
    checkpoint(store, waiting=predictions("a", "b"), came=labels(("a", 0.6, "x")))
    room = store.labels.room("m", None)
    assert room is not None
    joined, _ = meet(room, MINUTE, TERMS, KIND, {})
    with store.lease.as_leader() as tx:
        put_join(tx, replace(joined, now=replace(joined.now, expired=1, halvings=2)))
    assert store.status()["labels"] == [
        {"model": "m", "waiting": 1, "labels": 1, "joined": 1, "expired": 1, "coverage": 0.5, "kept_share": 0.25},
    ]


def test_labels_of_a_model_without_predictions_expire_and_those_of_others_wait_for_their_join(store: Store) -> None:
    for minute in (1.0, 2.0, 3.0):
        came = {model: labels(("a", minute, "x"), ("b", minute, "x")) for model in ("m", "typo")}
        store.intake.checkpoint(Delta({}, {}, {}, (), {}, int(3 * MINUTE), halves=Halves({}, came)), keep_original=False)
    key = Key("m", "1", "", window_of(0, timedelta(minutes=1)))
    store.intake.checkpoint(Delta({key: replace(empty(None), rows=1)}, {}, {}, (), {}, None), keep_original=False)
    store.retention.expire(windows_for=timedelta(days=1), scores_for=timedelta(days=1), labels_for=timedelta(minutes=1.5))
    assert {model: len(room.labels.times) for model in ("m", "typo") if (room := store.labels.room(model, None))} == {"m": 6, "typo": 4}
    with store._database.writing() as tx:
        expire(tx, 0, most=3)
    assert {model: len(room.labels.times) for model in ("m", "typo") if (room := store.labels.room(model, None))} == {"m": 6, "typo": 2}


def test_halves_come_back_as_they_were_packed() -> None:
    half = predictions("a", "b", "c")
    again = unpack_predictions(pack_predictions(half))
    assert again.places == half.places
    assert again.hashes.tolist() == half.hashes.tolist()
    assert again.times.tolist() == half.times.tolist()
    assert again.weights is not None
    assert again.weights.tolist() == [2.0, 2.0, 2.0]
    assert unpack_predictions(pack_predictions(replace(half, weights=None))).weights is None
    told = labels(("a", 3, "cat"), ("b", 1, "0.5"))
    back = unpack_labels(pack_labels(told))
    assert (back.values.texts, back.values.codes.tolist(), back.times.tolist()) == (("cat",), [0, -1], [3 * MINUTE, MINUTE])


def test_what_a_newer_version_wrote_is_refused() -> None:
    with pytest.raises(Unavailable, match="start the newer version"):
        unpack_labels(b"L\x02" + pack_labels(labels(("a", 1, "x")))[2:])
