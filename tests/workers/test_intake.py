"""Intake under trouble: what a poll returned is counted once, whatever is away, whoever else reads."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from watchtower.core.profiling import Folder
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.settings import Watched, WindowSettings
from watchtower.nouns.window import Partition, micros, window_of
from watchtower.sources import SourceSession
from watchtower.sources.file import File
from watchtower.store import Store, database
from watchtower.workers.intake import Feed, Intake
from watchtower.workers.references import References
from watchtower.workers.rows import RowReader

NOW = datetime(2026, 5, 11, 6, tzinfo=UTC)
ZERO, ONE = Partition("predictions", 0, "id"), Partition("predictions", 1, "id")


def row(second: float, **change: object) -> bytes:
    when = (NOW + timedelta(seconds=second)).isoformat()
    return json.dumps({"model": "fraud", "version": "1", "time": when, "features": {"amount": second}, "prediction": 0.5} | change).encode()


class Topic:
    """A far end with partitions whose messages stand from position 0 on; the test assigns them, and takes them away."""

    def __init__(self, logs: Mapping[Partition, Sequence[bytes]], at_once: int = 10) -> None:
        self.logs, self.at_once = logs, at_once
        self.ours: dict[Partition, int | None] = dict.fromkeys(logs)
        self.away_after: int | None = None
        self.sought: list[Mapping[Partition, int | None]] = []

    def poll(self, timeout: float) -> Sequence[Messages]:  # noqa: ARG002  nothing is waited for
        if self.away_after is not None:
            self.away_after -= 1
            if self.away_after < 0:
                msg = "the brokers are away"
                raise Unavailable(msg)
        found = []
        for each, at in self.ours.items():
            values = self.logs[each][at : at + self.at_once] if at is not None else []
            if at is not None and values:
                n = len(values)
                self.ours[each] = at + n
                found.append(Messages(each, list(values), np.arange(at, at + n), at + n, np.full(n, micros(NOW)), micros(NOW)))
        return found

    def assigned(self) -> Sequence[Partition]:
        return list(self.ours)

    def fresh(self) -> Sequence[Partition]:
        return [each for each, at in self.ours.items() if at is None]

    def seek(self, positions: Mapping[Partition, int | None]) -> None:
        self.sought.append(positions)
        self.ours |= {each: at or 0 for each, at in positions.items() if each in self.ours}

    def ends(self) -> Mapping[Partition, tuple[int, int, datetime]]:
        return {each: (at, len(self.logs[each]), NOW) for each, at in self.ours.items() if at is not None}

    def lost(self) -> Mapping[Partition, int]:
        return {}

    def caught_up(self) -> bool:
        return all(at == len(self.logs[each]) for each, at in self.ours.items())

    def close(self) -> None:
        return


def intake(store: Store, *sessions: SourceSession, every: timedelta = timedelta(0), keep_original: Sequence[bool] = ()) -> Intake:
    size = timedelta(minutes=1)
    kept = [*keep_original, *[False] * len(sessions)]
    feeds = [Feed(session, WatchtowerJson(), kept[i]) for i, session in enumerate(sessions)]
    references = References(store, lambda _: Watched(), RowReader([]), size)
    return Intake(store, feeds, Folder(WindowSettings(size=size)), references, lambda _: Watched(), (), every, committed=lambda _: None)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Store]]:
    monkeypatch.setattr(database, "PATIENCE", 0.01)
    stores: list[Store] = []

    def once_more() -> Store:
        stores.append(Store.open(f"sqlite:///{tmp_path}/w.db", now=lambda: NOW))
        return stores[-1]

    yield once_more
    for store in stores:
        store.close()


def counted(store: Store) -> tuple[int, int]:
    """The totals, and the rows in the deltas of the window."""
    versions = [version for model in store.status()["models"] for version in model["versions"]]  # type: ignore[attr-defined]
    with store._database.reading() as tx:
        starts = {moment for (moment,) in tx.exec_driver_sql("SELECT window_start FROM deltas")}
    rows = 0
    for start in starts:
        window = window_of(start, timedelta(minutes=1))
        rows += sum(profile.rows for (_, segment), profile in store.windows.open_profiles("fraud", window).items() if segment == "")
    return sum(version["predictions"] for version in versions), rows


def until_drained(worker: Intake, topics: Sequence[Topic], steps: int = 20) -> None:
    for _ in range(steps):
        try:
            worker.step(NOW)
        except Unavailable:
            continue
        if all(topic.caught_up() for topic in topics):
            return


def test_a_checkpoint_that_the_store_refuses_loses_nothing(opened: Callable[[], Store], tmp_path: Path) -> None:
    store = opened()
    topic = Topic({ZERO: [row(i / 10) for i in range(100)]})
    worker = intake(store, topic)
    worker.step(NOW)
    topic.logs = {ZERO: [row(i / 10) for i in range(130)]}
    with closing(sqlite3.connect(tmp_path / "w.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            worker.step(NOW)
        other.execute("ROLLBACK")
    worker.step(NOW)
    worker.finish(NOW)
    assert counted(store) == (130, 130)


def test_an_end_right_after_a_refused_checkpoint_commits_nothing_by_halves(opened: Callable[[], Store], tmp_path: Path) -> None:
    store = opened()
    topic = Topic({ZERO: [row(i / 10) for i in range(100)]})
    worker = intake(store, topic)
    with closing(sqlite3.connect(tmp_path / "w.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            worker.step(NOW)
        other.execute("ROLLBACK")
    worker.finish(NOW)
    again = intake(store, Topic(topic.logs))
    again.step(NOW)
    assert counted(store) == (100, 100)


def test_what_came_before_the_brokers_went_away_is_counted(opened: Callable[[], Store]) -> None:
    store = opened()
    topic = Topic({ZERO: [row(i / 10) for i in range(100)]})
    worker = intake(store, topic)
    topic.away_after = 3
    with pytest.raises(Unavailable, match="brokers"):
        worker.step(NOW)
    topic.away_after = None
    worker.step(NOW)
    assert counted(store) == (100, 100)


def test_a_source_that_is_away_holds_up_no_other(opened: Callable[[], Store]) -> None:
    store = opened()
    away, here = Topic({ZERO: [row(1)]}), Topic({Partition("others"): [row(2), row(3)]})
    away.away_after = 0
    with pytest.raises(Unavailable, match="brokers"):
        intake(store, away, here).step(NOW)
    assert counted(store) == (2, 2)


def test_partitions_that_are_taken_away_and_given_back_are_counted_once(opened: Callable[[], Store]) -> None:
    store = opened()
    topic = Topic({ZERO: [row(0)], ONE: [row(0)]})
    worker = intake(store, topic, every=timedelta(hours=1))
    worker.step(NOW)
    topic.logs = {ZERO: [row(i / 10) for i in range(50)], ONE: [row(i / 10) for i in range(70)]}
    worker.step(NOW)
    topic.ours = {}
    worker.step(NOW)
    topic.ours = {ZERO: None, ONE: None}
    worker.step(NOW)
    worker.finish(NOW)
    assert counted(store) == (120, 120)


def test_a_partition_that_went_to_another_reader_is_counted_once(opened: Callable[[], Store]) -> None:
    store = opened()
    logs = {ZERO: [row(i / 10) for i in range(50)], ONE: [row(i / 10) for i in range(70)]}
    topic = Topic({ZERO: [row(0)], ONE: [row(0)]})
    worker = intake(store, topic, every=timedelta(hours=1))
    worker.step(NOW)
    topic.logs = logs
    worker.step(NOW)
    topic.ours.pop(ONE)
    worker.step(NOW)
    other = intake(store, Topic({ONE: logs[ONE]}))
    other.step(NOW)
    worker.finish(NOW)
    assert counted(store) == (120, 120)


def test_the_first_step_goes_on_from_the_store(opened: Callable[[], Store]) -> None:
    store = opened()
    logs = {ZERO: [row(i / 10) for i in range(50)]}
    intake(store, Topic(logs)).step(NOW)
    topic = Topic(logs)
    intake(store, topic).step(NOW)
    assert topic.sought == [{ZERO: 50}]


def test_originals_are_kept_only_of_the_sources_that_say_so(opened: Callable[[], Store]) -> None:
    store = opened()
    raw, digest = Topic({ZERO: [b"{secret"]}), Topic({Partition("others"): [b"{secret"]})
    intake(store, raw, digest, keep_original=[True, False]).step(NOW)
    kept = {letter.topic: "original" in json.loads(letter.value) for letter in store.intake.dead_letters.waiting(10)}
    assert kept == {"predictions": True, "others": False}


def test_in_a_growing_file_a_row_after_a_long_silence_counts(opened: Callable[[], Store], tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(row(-7200) + b"\n")
    store = opened()
    session = File(path=str(path), format=WatchtowerJson()).open()
    worker = intake(store, session)
    worker.step(NOW)
    for second in (0, 1):
        with path.open("ab") as file:
            file.write(row(second) + b"\n")
        worker.step(NOW)
    worker.finish(NOW)
    session.close()
    assert (counted(store)[0], store.status()["rejected"]) == (3, {})


def test_in_a_growing_file_a_lone_row_beyond_the_clock_is_in_the_future(opened: Callable[[], Store], tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(row(-10) + b"\n" + row(7200) + b"\n")
    store = opened()
    session = File(path=str(path), format=WatchtowerJson()).open()
    worker = intake(store, session)
    worker.step(NOW)
    worker.finish(NOW)
    session.close()
    assert (counted(store)[0], store.status()["rejected"]) == (1, {"time_in_future": 1})


class Gone(Topic):
    """A topic that was deleted."""

    def poll(self, timeout: float) -> Sequence[Messages]:  # noqa: ARG002  nothing is waited for
        msg = "topic labels was deleted"
        raise Unavailable(msg, for_good=True)


def test_labels_whose_brokers_do_not_even_refuse_cost_a_tenth_of_the_time(opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = [100.0]

    class Silent(Topic):
        def poll(self, timeout: float) -> Sequence[Messages]:  # noqa: ARG002  it is not kept
            ticks[0] += 3.0
            msg = "no Kafka broker answers"
            raise Unavailable(msg)

    monkeypatch.setattr("watchtower.workers.intake.monotonic", lambda: ticks[0])
    worker = intake(opened(), Silent({ZERO: []}), Topic({Partition("others"): [row(2), row(3)]}))
    worker.feeds[0].labels = True
    worker.step(NOW)
    assert worker.feeds[0].away_until == ticks[0] + 30


def test_a_topic_of_labels_that_was_deleted_ends_nothing_and_one_of_predictions_does(opened: Callable[[], Store]) -> None:
    store = opened()
    worker = intake(store, Gone({ZERO: []}), Topic({Partition("others"): [row(2), row(3)]}))
    worker.feeds[0].labels = True
    worker.step(NOW)
    assert counted(store) == (2, 2)
    assert worker.feeds[0].away_until > 0
    with pytest.raises(Unavailable, match="deleted"):
        intake(store, Gone({ZERO: []})).step(NOW)
