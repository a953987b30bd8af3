"""Labels on their way in: from a source of their own, among predictions, and posted; windows never wait for them."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchtower.core.joining import hashes_of
from watchtower.core.meeting import Terms
from watchtower.core.profiling import Folder
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.labels import Waiting
from watchtower.nouns.settings import Watched, WindowSettings
from watchtower.nouns.window import Partition, window_of
from watchtower.sources.file import File
from watchtower.store import Store
from watchtower.store.labels import SPOOL
from watchtower.workers.intake import Feed, Intake
from watchtower.workers.labels import Joiner, SpoolSession
from watchtower.workers.references import References
from watchtower.workers.rows import RowReader

NOW = datetime(2026, 5, 11, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(f"sqlite:///{tmp_path}/w.db", now=lambda: NOW)) as opened:
        yield opened


def prediction(number: int, second: float) -> dict[str, object]:
    return {"model": "fraud", "id": f"r-{number}", "time": (NOW + timedelta(seconds=second)).isoformat(), "prediction": 0.5}


def label(number: int, second: float) -> dict[str, object]:
    return {"model": "fraud", "id": f"r-{number}", "time": (NOW + timedelta(seconds=second)).isoformat(), "label": 1}


class Files:
    """Intake over a file of predictions and one of labels."""

    def __init__(self, folder: Path, store: Store, *, every: bool = True) -> None:
        self.paths = {name: folder / f"{name}.jsonl" for name in ("predictions", "labels")}
        for path in self.paths.values():
            path.touch()
        sources = {name: File(path=str(path), format=WatchtowerJson()) for name, path in self.paths.items()}
        feeds = [
            Feed(sources["predictions"].open(), WatchtowerJson()),
            Feed(sources["labels"].open(), WatchtowerJson(), labels=True),
            Feed(SpoolSession(store), WatchtowerJson(), labels=True),
        ]
        references = References(store, lambda _: Watched(), RowReader([]), MINUTE)
        self.intake = Intake(store, feeds, Folder(WindowSettings(size=MINUTE)), references, lambda _: Watched(), (), timedelta(0), committed=lambda _: None)
        self.intake.folder.halves.every = every
        self.store = store

    def write(self, name: str, *rows: dict[str, object]) -> None:
        with self.paths[name].open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def step(self, now: datetime = NOW) -> None:
        self.intake.step(now)

    def close(self) -> None:
        for feed in self.intake.feeds:
            feed.session.close()


@pytest.fixture
def files(tmp_path: Path, store: Store) -> Iterator[Files]:
    with closing(Files(tmp_path, store)) as opened:
        yield opened


def waiting(store: Store) -> tuple[int, int]:
    """How many predictions and labels wait in the store."""
    room = store.labels.room("fraud", None)
    return (0, 0) if room is None else (len(room.predictions.times), len(room.labels.times))


def test_labels_come_from_a_file_among_predictions_and_by_post(files: Files, store: Store) -> None:
    files.write("predictions", prediction(1, 1), prediction(2, 2), prediction(3, 3), label(1, 30))
    files.write("labels", label(2, 31))
    store.labels.spool([json.dumps(label(3, 32)).encode()], NOW + MINUTE)
    files.step()
    assert waiting(store) == (3, 3)
    assert store.labels.spooled(0, 10) == []
    joiner = Joiner(store, Terms(), lambda _: Watched())
    joined = joiner.join("fraud", window_of(int(NOW.timestamp()) * 1_000_000, MINUTE), None)
    assert joined is not None
    assert joined.now == Waiting("fraud", predictions=0, labels=3, joined=3)


def test_windows_do_not_wait_for_labels(files: Files, store: Store) -> None:
    files.write("predictions", prediction(1, 1), prediction(2, 150))
    files.write("labels", label(1, 2))
    files.step()
    assert [window.start for _, window in store.windows.due(MINUTE)] == [NOW, NOW + MINUTE]


def test_a_label_moves_no_window(files: Files, store: Store) -> None:
    files.write("predictions", prediction(1, 1))
    files.write("labels", label(1, 200))
    files.step()
    assert store.windows.due(MINUTE) == []


def test_a_prediction_in_a_source_of_labels_is_rejected(files: Files, store: Store) -> None:
    files.write("labels", label(1, 2), prediction(2, 3), {"model": "fraud", "label": 1})
    files.step()
    status = store.status()
    assert status["rejected"] == {"missing_field": 2}
    assert status["models"] == []
    assert waiting(store) == (0, 1)


def test_what_was_accepted_when_it_was_posted_is_kept(files: Files, store: Store) -> None:
    files.intake.max_ahead = timedelta(seconds=10)
    store.labels.spool([json.dumps(label(3, 120)).encode()], NOW)
    files.step()
    assert waiting(store) == (0, 1)
    assert store.status()["rejected"] == {}


def test_posted_labels_show_no_lag(files: Files, store: Store) -> None:
    store.labels.spool([json.dumps(label(3, 32)).encode()], NOW)
    files.step()
    assert {each["topic"] for each in store.status()["lag"]} == {str(path) for path in files.paths.values()}  # type: ignore[attr-defined]
    assert store.intake.load().progress[SPOOL].position == 2


def test_without_labels_configured_predictions_wait_from_a_first_label_on(tmp_path: Path, store: Store) -> None:
    with closing(Files(tmp_path, store, every=False)) as files:
        files.write("predictions", prediction(1, 1))
        files.step()
        assert waiting(store) == (0, 0)
        files.write("predictions", label(1, 2))
        files.step()
        files.write("predictions", prediction(2, 3))
        files.step()
        assert waiting(store) == (1, 1)
    with closing(Files(tmp_path, store, every=False)) as again:
        again.write("predictions", prediction(3, 4))
        again.step()
        room = store.labels.room("fraud", None)
        assert room is not None
        assert set(hashes_of(["r-2", "r-3"]).tolist()) == set(room.predictions.hashes.tolist())


def test_the_spool_is_one_partition_that_goes_on_where_it_was_read(store: Store) -> None:
    store.labels.spool([b"one", b"two"], NOW)
    session = SpoolSession(store)
    assert session.fresh() == [SPOOL]
    assert session.fresh() == []
    session.seek({SPOOL: None})
    (found,) = session.poll(0.1)
    assert (found.partition, found.values, found.positions.tolist(), found.next_position) == (Partition("POST /api/v1/labels"), [b"one", b"two"], [1, 2], 3)
    assert session.poll(0.1) == []
    session.seek({SPOOL: 2})
    assert [each.values for each in session.poll(0.1)] == [[b"two"]]


def test_labels_that_cannot_be_read_hold_nothing_up(files: Files, store: Store) -> None:
    files.paths["labels"].unlink()
    files.paths["labels"].mkdir()
    files.write("predictions", prediction(1, 1))
    for _ in range(3):
        files.step()
    assert waiting(store) == (1, 0)
