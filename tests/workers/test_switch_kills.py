"""Killed at named points around a switch: still exactly one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers._acting import at, begin
from watchtower.nouns.step import Step
from watchtower.rollback_targets.directory import Directory
from watchtower.store import Store

SCRIPT = """
import sys
from tests.workers._acting import ACCEPTED, at
from watchtower.rollback_targets.directory import Directory
from watchtower.store import Store
from watchtower.workers.actions import Actions, Steering
url, folder = sys.argv[1:]
store = Store.open(url, now=lambda: at(0))
store.hold_file_lock()
worker = Actions(store, lambda _: Steering(Directory(path=folder).open), lambda *_: ACCEPTED)
while worker.step(at(0)):
    pass
"""


def run(url: str, folder: Path, extra: dict[str, str]) -> int:
    """The actions worker as a process of its own, until nothing is left to do."""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), **extra}
    return subprocess.run([sys.executable, "-c", SCRIPT, url, str(folder)], env=environment, timeout=30, check=False).returncode


@pytest.mark.parametrize(
    "point",
    [
        "switch.before_call",
        "switch.after_call",
        "plan.before_commit#2",
        "plan.before_commit#3",
        "plan.after_commit#1",
        "plan.after_commit#2",
        "plan.after_commit#3",
    ],
)
def test_killed_at_any_point_the_target_is_switched_exactly_once(tmp_path: Path, point: str) -> None:
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
    (tmp_path / "current").symlink_to("2")
    url = f"sqlite:///{tmp_path}/w.db"
    store = Store.open(url, now=lambda: at(0))
    plan = begin(store)
    assert run(url, tmp_path, {"WATCHTOWER_KILL_AT": point}) == -9
    switched = (tmp_path / "current").lstat().st_ino if (tmp_path / "current").readlink() == Path("1") else None
    assert run(url, tmp_path, {}) == 0
    assert Directory(path=str(tmp_path)).open().current() == "1"
    assert switched in {None, (tmp_path / "current").lstat().st_ino}
    assert store.plans.plan(plan.id).step is Step.VERIFYING
    assert [row.fact.kind for row in store.plans.facts(plan.id)] == ["fired", "judged", "prepared", "switched"]
    store.close()
