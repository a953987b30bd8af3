"""Killed at every named point of a plan, and stopped right before the call: still exactly one switch, counted at the far end, and a whole record."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.workers._acting import at
from tests.workers.far_end import FarEnd
from watchtower.edges.points import PLAN_POINTS, STOP, VARIABLE
from watchtower.nouns.step import Step
from watchtower.store import Store

ROOT = Path(__file__).parents[2]
WAYS = {
    "evaluation.before_commit#2": "rolled_back",
    "evaluation.after_commit#2": "rolled_back",
    "evaluation.before_commit": "rolled_back",
    "evaluation.after_commit": "rolled_back",
    "plan.verified": "rolled_back",
    "approved": "approved",
    "switch_failed": "refused",
    "unreached": "unreached",
    "frozen": "frozen",
    "stopped": "stopped",
    "deadline_passed": "late",
    "cleared": "cleared",
    "asked": "by_hand",
}
"""A point, or the kind of the fact that is committed there -> the way that comes along there; every other one is on the way `rolled_back`."""


def way(point: str) -> str:
    return WAYS.get(point) or WAYS.get(point.rpartition(".")[2], "rolled_back")


class Zygote:
    """Forks the processes that are killed; see :mod:`tests.workers._killed`."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.workers._killed"]
        self._process = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, way: str, folder: Path, far: FarEnd, environment: Mapping[str, str] | None = None, *, alone: bool = True) -> int:
        """A process that goes *way*; its pid."""
        return self.begun({"scenario": way, "folder": str(folder), "far": far.port, "environment": dict(environment or {}), "alone": alone})

    def begun(self, job: dict[str, object]) -> int:
        """A process that does *job*, the fields of :class:`tests.workers._killed.Job`; its pid."""
        return int(self._asked(job)["pid"])

    def ended(self, pid: int) -> int | str:
        """Its exit code, minus the signal that killed it, or "stopped"."""
        return self._asked({"wait": pid})["code"]

    def run(self, way: str, folder: Path, far: FarEnd, environment: Mapping[str, str] | None = None) -> int | str:
        return self.ended(self.begin(way, folder, far, environment))

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(10)

    def _asked(self, job: dict[str, object]) -> dict[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        found: dict[str, int] = json.loads(self._process.stdout.readline())
        return found


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    started = Zygote()
    yield started
    started.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clock").write_text("0")
    return tmp_path


def outcome(folder: Path) -> tuple[Step, list[str]]:
    """Where the plan stands and its facts; the record must be whole."""
    store = Store.open(f"sqlite:///{folder}/w.db", now=lambda: at(0))
    try:
        assert store.audit.verify().broken is None
        return store.plans.plan("fraud-p1").step, [row.fact.kind for row in store.plans.facts("fraud-p1")]
    finally:
        store.close()


EXPECTED: dict[str, tuple[Step, list[str], list[tuple[str, str]]]] = {
    "rolled_back": (Step.ROLLED_BACK, ["fired", "judged", "prepared", "switched", "serving", "all_resolved"], [("2", "1")]),
    "approved": (Step.VERIFYING, ["fired", "judged", "approved", "prepared", "switched"], [("2", "1")]),
    "refused": (Step.FAILED, ["fired", "judged", "prepared", "switch_failed"], []),
    "unreached": (Step.VERIFYING, ["fired", "judged", "prepared", "unreached", "switched"], [("2", "1")]),
    "frozen": (Step.HELD, ["fired", "judged", "prepared", "frozen"], []),
    "stopped": (Step.HELD, ["fired", "judged", "prepared", "stopped"], []),
    "late": (Step.FAILED, ["fired", "judged", "prepared", "switched", "deadline_passed"], [("2", "1")]),
    "cleared": (Step.HELD, ["fired", "judged", "cleared"], []),
    "by_hand": (Step.VERIFYING, ["asked", "prepared", "switched"], [("2", "1")]),
}


def far_end(name: str, folder: Path) -> FarEnd:
    return FarEnd(refuses=name == "refused", lost=lambda: name == "unreached" and float((folder / "clock").read_text()) < 0.1)


@pytest.mark.parametrize("name", EXPECTED)
def test_without_a_kill_each_way_ends_as_it_should(zygote: Zygote, folder: Path, name: str) -> None:
    with far_end(name, folder) as far:
        assert zygote.run(name, folder, far) == 0
        step, kinds, switches = EXPECTED[name]
        assert (outcome(folder), far.switches) == ((step, kinds), switches)


@pytest.mark.parametrize("point", [*PLAN_POINTS, "evaluation.before_commit#2", "evaluation.after_commit#2"])
def test_killed_at_any_point_it_goes_on_and_switches_exactly_as_often_as_without(zygote: Zygote, folder: Path, point: str) -> None:
    name = way(point)
    with far_end(name, folder) as far:
        assert zygote.run(name, folder, far, {VARIABLE: point}) == -signal.SIGKILL, "no process came along there"
        assert zygote.run(name, folder, far) == 0
        step, kinds, switches = EXPECTED[name]
        assert (outcome(folder), far.switches) == ((step, kinds), switches)
        assert len(set(far.keys)) <= 1


@pytest.mark.parametrize(
    "point",
    [
        *(f"switch.{name}#2" for name in ("before_state", "after_state", "before_call", "confirmed", "after_call")),
        *(f"plan.{when}_commit.{kind}" for kind in ("prepared#2", "switched#2") for when in ("before", "after")),
    ],
)
def test_killed_while_it_goes_forward_again_each_way_is_switched_once(zygote: Zygote, folder: Path, point: str) -> None:
    with FarEnd() as far:
        assert zygote.run("forward", folder, far, {VARIABLE: point}) == -signal.SIGKILL
        assert zygote.run("forward", folder, far) == 0
        assert far.switches == [("2", "1"), ("1", "2")]
        assert set(far.keys) == {"fraud-p1", "fraud-p1/forward"}
    assert outcome(folder) == (Step.FAILED, ["fired", "judged", "prepared", "switched", "serving", "deadline_passed", "prepared", "switched"])


@pytest.mark.parametrize("kills", ["before", "after"])
def test_killed_while_the_target_is_being_asked_it_is_switched_exactly_once(zygote: Zygote, folder: Path, kills: str) -> None:
    with FarEnd(kills=kills) as far:
        assert zygote.run("rolled_back", folder, far) == -signal.SIGKILL
        assert len(far.switches) == (kills == "after")
        assert zygote.run("rolled_back", folder, far) == 0
        assert (outcome(folder), far.switches) == (EXPECTED["rolled_back"][:2], [("2", "1")])


def test_killed_again_and_again_right_before_the_answer_is_recorded_it_is_switched_once(zygote: Zygote, folder: Path) -> None:
    with FarEnd() as far:
        for _ in range(5):
            assert zygote.run("rolled_back", folder, far, {VARIABLE: "switch.after_call"}) == -signal.SIGKILL
        assert zygote.run("rolled_back", folder, far) == 0
        assert (outcome(folder), far.switches) == (EXPECTED["rolled_back"][:2], [("2", "1")])


# ------------------------------------------------------------------------------------------- a holder of the lease that hangs


def woken_too_late(zygote: Zygote, folder: Path, far: FarEnd, point: str, *, other: str, clock: float) -> int | str:
    """A leader is stopped at *point*; another one takes over and goes the way *other*; somebody deploys 2 again; the first one is woken. Its exit code."""
    first = zygote.begin("switched", folder, far, {STOP: point}, alone=False)
    assert zygote.ended(first) == "stopped"
    (folder / "clock").write_text("1")  # a lease lasts 6 s
    assert zygote.ended(zygote.begin(other, folder, far, alone=False)) == 0
    assert (far.version, far.switches) == ("1", [("2", "1")])
    far.deploy("2")
    (folder / "clock").write_text(str(clock))
    os.kill(first, signal.SIGCONT)
    return zygote.ended(first)


@pytest.mark.parametrize("other", ["switched", "rolled_back"])
@pytest.mark.parametrize("clock", [1.0, 5.0])
def test_a_leader_that_was_stopped_before_the_call_and_woken_after_another_took_over_switches_nothing(
    zygote: Zygote, folder: Path, other: str, clock: float
) -> None:
    """The far end knows no tokens and names what was expected: the lease and the plan's revision alone hold it, whether or not the other's lease ran out."""
    with FarEnd(tokens=False) as far:
        woken_too_late(zygote, folder, far, "switch.before_call", other=other, clock=clock)
        assert (far.version, far.switches) == ("2", [("2", "1")])
        assert len(far.keys) == 1
    _, kinds = outcome(folder)
    assert kinds.count("switched") == 1


def test_a_leader_that_was_stopped_after_it_was_confirmed_is_held_by_the_targets_token(zygote: Zygote, folder: Path) -> None:
    """Nothing but the far end can hold what is on its way already."""
    with FarEnd() as far:
        woken_too_late(zygote, folder, far, "switch.confirmed", other="rolled_back", clock=1)
        assert (far.version, far.switches) == ("2", [("2", "1")])
        assert len(far.keys) == 2
    assert outcome(folder) == EXPECTED["rolled_back"][:2]


def test_without_a_token_at_the_target_that_call_would_have_switched(zygote: Zygote, folder: Path) -> None:
    """What the test above would see if the token did not hold it; `check` cautions of targets without one."""
    with FarEnd(tokens=False) as far:
        woken_too_late(zygote, folder, far, "switch.confirmed", other="rolled_back", clock=1)
        assert far.switches == [("2", "1"), ("2", "1")]
    assert outcome(folder) == EXPECTED["rolled_back"][:2]
