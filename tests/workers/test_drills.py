"""Drills: what stands in the way of going back, without touching anything."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.workers._acting import at, begin, commit
from watchtower.core.versions import Standing
from watchtower.model_stores.directory import Directory as Models
from watchtower.nouns.drill import Drilled
from watchtower.nouns.errors import RollbackError
from watchtower.nouns.memory import Memory, Served
from watchtower.rollback_targets import State, Switch
from watchtower.rollback_targets.directory import Directory
from watchtower.store import Store
from watchtower.workers.drills import Course, Drills

DAY = timedelta(days=1)
MODEL = b"ONNX"
HEALTHY = Standing(("1",))


@pytest.fixture
def store() -> Iterator[Store]:
    """Version 2 of fraud is live."""
    opened = Store.open("sqlite://", now=lambda: at(0))
    commit(opened, Memory("fraud", served=Served(live="2")), 0)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two versions with digests, the second is current."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "model.onnx").write_bytes(MODEL)
        (tmp_path / version / "metadata.json").write_text(json.dumps({"sha256": hashlib.sha256(MODEL).hexdigest()}))
    (tmp_path / "current").symlink_to("2")
    return tmp_path


@dataclass
class Worker:
    """Drills over a folder, and what they found."""

    store: Store
    folder: Path
    standing: Standing = HEALTHY
    found: list[Drilled] = field(default_factory=list)

    def drills(self) -> Drills:
        return Drills(self.store, lambda _: Course(Directory(path=str(self.folder)).open, Models(path=str(self.folder)), self.standing), DAY, self.found.append)


def reasons(store: Store, folder: Path, standing: Standing = HEALTHY) -> tuple[str, ...]:
    """What one drill finds."""
    worker = Worker(store, folder, standing)
    assert worker.drills().step(at(0))
    return worker.found[0].reasons


def test_a_model_that_could_go_back_is_ready_and_nothing_was_touched(store: Store, folder: Path) -> None:
    before = {path: path.lstat().st_ctime_ns for path in folder.rglob("*")}
    assert reasons(store, folder) == ()
    assert {path: path.lstat().st_ctime_ns for path in folder.rglob("*")} == before
    assert store.drills.load("fraud") == Drilled("fraud", at(0), "2", "1", ())
    assert store.status()["drills"] == [{"model": "fraud", "ready": True, "at": "2026-11-20T10:00:00Z", "live": "2", "candidate": "1", "reasons": []}]


def test_without_a_healthy_version_nothing_can_be_gone_back_to(store: Store, folder: Path) -> None:
    assert reasons(store, folder, Standing())[0].startswith("no healthy version to go back to from 2")


def test_a_missing_and_a_changed_artefact_are_reasons(store: Store, folder: Path) -> None:
    (folder / "1" / "model.onnx").write_bytes(b"other")
    (found,) = reasons(store, folder)
    assert found.startswith("the artefact of version 1: ")
    (folder / "1" / "model.onnx").unlink()
    assert "the artefact of version 1: " in reasons(store, folder)[0]


def test_a_version_that_the_target_no_longer_has_is_a_reason(store: Store, folder: Path) -> None:
    (folder / "9").mkdir()
    found = reasons(store, folder, Standing(("8",)))
    assert any("no folder for version '8'" in each for each in found)


def test_a_target_that_names_another_version_than_the_traffic_shows_is_a_reason(store: Store, folder: Path) -> None:
    (folder / "current").unlink()
    (folder / "current").symlink_to("1")
    assert reasons(store, folder) == ("the target names 1, the traffic shows 2",)


@dataclass
class Odd:
    """A target that breaks where *breaks* says."""

    breaks: str
    closed: bool = False

    def current(self) -> str | None:
        return "2"

    def state(self) -> State:
        if self.breaks == "state":
            msg = "403: may not read"
            raise RollbackError(msg)
        return State("2", "t1")

    def ready(self, candidate: str) -> Sequence[str]:
        if self.breaks == "ready":
            raise RuntimeError(candidate)
        return ["may not patch deployments"] if self.breaks == "permissions" else []

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:
        assert dry_run
        assert (expected, token, key) == ("2", "t1", "drill-fraud")
        if self.breaks == "dry run":
            msg = "admission webhook denied the request"
            raise RollbackError(msg)
        return Switch(expected, candidate, changed=True, dry_run=True)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        ("", ()),
        ("state", ("the target: 403: may not read",)),
        ("ready", ("the target: 1",)),
        ("permissions", ("may not patch deployments",)),
        ("dry run", ("the dry run was refused: admission webhook denied the request",)),
    ],
)
def test_whatever_a_target_says_or_raises_is_a_reason(store: Store, breaks: str, said: tuple[str, ...]) -> None:
    far = Odd(breaks)
    found: list[Drilled] = []
    Drills(store, lambda _: Course(lambda: far, None, Standing(("1",))), DAY, found.append).step(at(0))
    assert ([each.reasons for each in found], far.closed) == ([said], True)


def test_it_drills_once_a_day_and_when_live_or_candidate_change_and_sooner_after_a_failure(store: Store, folder: Path) -> None:
    worker = Worker(store, folder)
    drills = worker.drills()
    assert [drills.step(at(minute)) for minute in (0, 1, 1439, 1440, 1441)] == [True, False, False, True, False]
    memory = store.evaluations.memory("fraud")
    commit(store, replace(memory, served=replace(memory.served, live="3")), 1)
    assert [drills.step(at(1442 + minute)) for minute in (0, 1, 14, 15, 16)] == [True, False, False, True, False]
    assert worker.found[-1].reasons == ("the target names 2, the traffic shows 3",)


def test_a_new_process_drills_again_and_a_model_under_way_or_without_a_target_is_left_alone(store: Store, folder: Path) -> None:
    assert Worker(store, folder).drills().step(at(0))
    assert Worker(store, folder).drills().step(at(1))
    assert not Drills(store, lambda _: None, DAY).step(at(2))
    begin(store, "credit")
    worker = Worker(store, folder)
    assert worker.drills().step(at(3))
    assert [each.model for each in worker.found] == ["fraud"]
