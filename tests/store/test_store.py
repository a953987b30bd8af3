"""Opening, leading, expiring, and what a kill leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from watchtower.edges.clock import ManualClock
from watchtower.nouns.errors import ConfigError, Fenced, Unavailable
from watchtower.nouns.facts import Serving
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.profile import Delta, Profile
from watchtower.nouns.score import Board
from watchtower.nouns.step import Step
from watchtower.nouns.window import Key, Window
from watchtower.store import Store
from watchtower.store._reference_tables import references
from watchtower.store.database import Database
from watchtower.store.tables import schema

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Nth = Callable[[int], Window]
Make = Callable[..., Delta]


def evaluate(store: Store, window: Window) -> None:
    store.evaluations.commit("fraud", window, {}, Evaluation(Board("fraud", window, "7", {}), (), Memory("fraud"), ()), now=window.end)


def test_looking_at_a_store_that_is_not_there_says_so_and_makes_none(url: str, clock: ManualClock, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no store yet at .*watchtower\.db"):
        Store.open(url, read_only=True, now=clock.now)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_store_yet(url: str, clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / "watchtower.db").touch()
    with pytest.raises(Unavailable, match="no store yet"):
        Store.open(url, read_only=True, now=clock.now)


def test_a_newer_schema_is_refused_for_good(store: Store, url: str, clock: ManualClock) -> None:
    with Database.open(url, read_only=False).writing() as tx:
        tx.execute(sa.update(schema).values(version=99))
    with pytest.raises(Unavailable, match="newer Watchtower") as caught:
        Store.open(url, now=clock.now)
    assert caught.value.for_good
    store.close()


def test_looking_at_a_store_of_an_earlier_release_says_what_adds_the_tables_that_it_lacks(store: Store, url: str, clock: ManualClock) -> None:
    store.close()
    with Database.open(url, read_only=False).writing() as tx:
        tx.execute(sa.text("DROP TABLE earlier_references"))
        tx.execute(sa.insert(references).values(model="fraud", binning_id="b", valid_from=0, binning=b""))
    with pytest.raises(Unavailable, match="`watchtower run` adds what it lacks"):
        Store.open(url, read_only=True, now=clock.now).references.all("fraud")
    Store.open(url, now=clock.now).close()
    assert Store.open(url, read_only=True, now=clock.now).references.changes("fraud") == []


@pytest.mark.parametrize("url", ["mysql://x", "watchtower.db"])
def test_an_address_that_is_no_store_is_a_settings_error(url: str, clock: ManualClock) -> None:
    with pytest.raises(ConfigError, match="unknown store"):
        Store.open(url, now=clock.now)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(Unavailable, match=r"missing/watchtower\.db"):
        Store.open(f"sqlite:///{tmp_path}/missing/watchtower.db", now=clock.now)


def test_what_is_no_database_is_refused_for_good(tmp_path: Path, clock: ManualClock, url: str) -> None:
    (tmp_path / "watchtower.db").write_text("hello, I am a text of some length, and no database at all. " * 20)
    with pytest.raises(Unavailable) as caught:
        Store.open(url, now=clock.now)
    assert caught.value.for_good


def test_a_store_in_memory_works_alike(clock: ManualClock, delta: Make, window: Nth) -> None:
    store = Store.open("sqlite://", now=clock.now)
    store.intake.checkpoint(delta(5, 0, None, 5, closed=window(0).end), keep_original=False)
    evaluate(store, window(0))
    assert store.windows.due(MINUTE) == []
    store.hold_file_lock()
    store.close()


def test_a_second_daemon_on_the_same_file_is_refused(store: Store, url: str, clock: ManualClock) -> None:
    store.hold_file_lock()
    store.hold_file_lock()
    other = Store.open(url, now=clock.now)
    with pytest.raises(Unavailable, match=r"another watchtower runs on .*watchtower.db:"):
        other.hold_file_lock()
    store.close()
    other.hold_file_lock()
    other.close()


def test_status_says_whether_a_daemon_runs(store: Store, url: str, clock: ManualClock) -> None:
    looking = Store.open(url, read_only=True, now=clock.now)
    assert looking.status()["daemon"] == {"running": False, "heartbeat": None}
    store.hold_file_lock()
    store.heartbeat(TEN, [{"name": "retention", "next": "soon"}])
    assert looking.status()["daemon"] == store.status()["daemon"] == {"running": True, "heartbeat": "2026-11-20T10:00:00Z"}
    assert looking.status()["jobs"] == [{"name": "retention", "next": "soon"}]
    store.close()
    assert looking.status()["daemon"] == {"running": False, "heartbeat": "2026-11-20T10:00:00Z"}


def test_one_leads_until_its_lease_expires(store: Store, url: str, clock: ManualClock, window: Nth) -> None:
    other = Store.open(url, now=clock.now)
    evaluate(store, window(0))
    with pytest.raises(Fenced, match="another watchtower leads"):
        evaluate(other, window(1))
    clock.advance(timedelta(seconds=7))
    evaluate(other, window(1))
    with pytest.raises(Fenced):
        evaluate(store, window(2))
    other.close()


def test_who_holds_the_file_takes_the_lease_at_once(store: Store, url: str, clock: ManualClock, window: Nth) -> None:
    evaluate(store, window(0))
    other = Store.open(url, now=clock.now)
    other.hold_file_lock()
    evaluate(other, window(1))
    assert [row.window for row in other.windows.history("fraud", window(1).end, 5)] == [window(0), window(1)]
    other.close()


def test_a_reader_that_asks_to_write_is_refused_for_good(store: Store, url: str, clock: ManualClock) -> None:
    looking = Store.open(url, read_only=True, now=clock.now)
    with pytest.raises(Unavailable) as caught:
        looking.heartbeat(TEN)
    assert caught.value.for_good
    assert store.status()["jobs"] == []


def test_trials_come_back(store: Store) -> None:
    assert store.trials.load("p1") is None
    store.trials.save("p1", b"one")
    store.trials.save("p1", b"two")
    assert store.trials.load("p1") == b"two"


def test_trials_expire_once_no_open_plan_can_ask_for_them(store: Store, clock: ManualClock) -> None:
    plan = Plan("p1", "fraud", "i1", Step.ON_TRIAL, "7", ("6",), TEN, revision=0)
    begun = store.plans.record(plan, Serving("7"), Move(plan), TEN)
    store.trials.save("i1|7", b"one")
    store.trials.save("i2|7", b"two")
    clock.advance(timedelta(days=2))
    store.retention.expire(windows_for=MINUTE, scores_for=MINUTE)
    assert (store.trials.load("i1|7"), store.trials.load("i2|7")) == (b"one", None)
    store.plans.record(begun, Serving("8"), Move(replace(begun, step=Step.CANCELLED)), TEN)
    store.retention.expire(windows_for=MINUTE, scores_for=MINUTE)
    assert store.trials.load("i1|7") is None


def test_old_windows_and_boards_expire_and_totals_do_not(store: Store, delta: Make, window: Nth, clock: ManualClock, profile: Callable[..., Profile]) -> None:
    store.intake.checkpoint(delta(5, 0, None, 5, closed=window(3).end), keep_original=False)
    for n in range(3):
        evaluate(store, window(n))
    store.windows.rewrite("fraud", window(0), {("7", ""): profile(5)})
    clock.advance(timedelta(days=365))
    assert store.retention.expire(windows_for=2 * MINUTE, scores_for=3 * MINUTE) == 1
    assert [row.window for row in store.windows.history("fraud", window(9).end, 9)] == [window(1), window(2)]
    assert len(store.windows.boards("fraud", 9)) == 3
    assert store.retention.expire(windows_for=0 * MINUTE, scores_for=0 * MINUTE) == 5
    models = store.status()["models"]
    assert isinstance(models, list)
    assert models[0]["versions"][0]["predictions"] == 5


def test_a_checkpoint_of_ten_keys_takes_milliseconds_and_status_too(store: Store, delta: Make, window: Nth) -> None:
    draw = np.random.default_rng(1)
    keys = [Key("fraud", "7", f"c={n}", window(0)) for n in range(10)]
    cells = {key: Profile("b", 9, 9.0, draw.poisson(20, 700), draw.normal(size=(11, 5)), np.zeros((11, 2), dtype=np.int64)) for key in keys}
    took = []
    for at in range(20):
        each = replace(delta(1, 0, at or None, at + 1), profiles=cells)
        begun = time.perf_counter()
        store.intake.checkpoint(each, keep_original=False)
        store.status()
        took.append(time.perf_counter() - begun)
    assert sorted(took)[10] < 0.1


KILLED = """
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from watchtower.nouns.profile import Delta, Totals
from watchtower.nouns.facts import Serving
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.step import Step
from watchtower.nouns.score import Board
from watchtower.nouns.window import Partition, Progress, Window
from watchtower.store import Store
ten = datetime(2026, 11, 20, 10, tzinfo=UTC)
store = Store.open(sys.argv[1], now=lambda: ten)
partition = Partition("predictions")
for n in range(1000):
    old = None if n == 0 else Progress(n)
    store.intake.checkpoint(Delta({}, {}, {("fraud", "7"): Totals(1)}, (), {partition: (old, Progress(n + 1))}, None), keep_original=False)
    window = Window(ten + n * timedelta(minutes=1), ten + (n + 1) * timedelta(minutes=1))
    store.evaluations.commit("fraud", window, {}, Evaluation(Board("fraud", window, None, {}), (), Memory("fraud"), ()), now=ten)
"""


@pytest.mark.parametrize(
    ("point", "counted", "evaluated"),
    [("checkpoint.before_commit#3", 2, 2), ("checkpoint.after_commit#3", 3, 2), ("evaluation.before_commit#3", 3, 2), ("evaluation.after_commit#3", 3, 3)],
)
def test_a_kill_around_a_commit_leaves_all_of_it_or_nothing(url: str, clock: ManualClock, point: str, counted: int, evaluated: int) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, url], env=os.environ | {"WATCHTOWER_KILL_AT": point}, check=False)
    assert ended.returncode == -signal.SIGKILL
    looking = Store.open(url, read_only=True, now=clock.now)
    models = looking.status()["models"]
    assert isinstance(models, list)
    assert [each["predictions"] for each in models[0]["versions"]] == [counted]
    assert [at.position for at in looking.intake.load().progress.values()] == [counted]
    through = looking.evaluations.memory("fraud").evaluated_through
    assert through == TEN + evaluated * MINUTE
    assert json.loads(json.dumps(looking.status())) == looking.status()
