"""kill -9 around the call of the target `webhook`: the service counts one switch, hears one key, and the record is whole."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rollback_targets.far_end_webhook import Served, Switchboard
from tests.workers.test_switch_kills import EXPECTED, Zygote, outcome
from watchtower.edges.points import VARIABLE

KEY = "fraud-p1-switch"
AROUND = (
    *("switch.before_state", "switch.after_state", "plan.before_commit.prepared", "plan.after_commit.prepared", "switch.before_call", "switch.confirmed"),
    *("switch.after_call", "plan.before_commit.switched", "plan.after_commit.switched"),
)
"""The points from before the target is looked at to after its answer is committed, in the order in which they are passed."""
CALLED = AROUND.index("switch.after_call")


class Service:
    """A strict service that switches; the process that calls it can be killed while it waits for the answer."""

    def __init__(self, zygote: Zygote, folder: Path) -> None:
        self._zygote, self._folder = zygote, folder
        self.board = Switchboard()
        self._pid, self._known = 0, threading.Event()

    def run(self, environment: dict[str, str] | None = None, *, if_match: bool = True) -> int | str:
        """An actions worker's whole rollback, in a process of its own."""
        self._known.clear()
        settings = {"url": f"{self.board.url}/switch", "current_url": self.board.url, "secret": self.board.secret, "if_match": if_match, "time_limit": "5s"}
        job = {"scenario": "rolled_back", "folder": str(self._folder), "far": 0, "environment": environment or {}, "webhook": json.dumps(settings)}
        self._pid = self._zygote.begun(job)
        self._known.set()
        return self._zygote.ended(self._pid)

    def kill(self) -> None:
        """Kills who is asking now, once."""
        assert self._known.wait(10)
        os.kill(self._pid, signal.SIGKILL)
        self.board.after_post = lambda: None

    @property
    def switches(self) -> int:
        """How often it really switched."""
        return self.board.revision - 1

    def heard(self) -> list[tuple[str, str, dict[str, str]]]:
        """(Idempotency-Key, webhook-id, body without the time) of each call."""
        bodies = [(headers, {name: each for name, each in json.loads(raw).items() if name != "time"}) for headers, raw in self.board.posts]
        return [(headers["idempotency-key"], headers["webhook-id"], body) for headers, body in bodies]


ASKED = (KEY, KEY, {"action": "switch", "model": "fraud", "live": "2", "candidate": "1", "token": "r1", "key": "fraud-p1"})


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    started = Zygote()
    yield started
    started.close()


@pytest.fixture
def service(zygote: Zygote, tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "clock").write_text("0")
    made = Service(zygote, tmp_path)
    with Served(made.board):
        yield made


@pytest.mark.parametrize("point", AROUND)
def test_killed_at_a_point_around_the_call_the_service_switches_once(service: Service, tmp_path: Path, point: str) -> None:
    assert service.run({VARIABLE: point}) == -signal.SIGKILL, "the process did not come along there"
    assert service.switches == (AROUND.index(point) >= CALLED)
    assert service.run() == 0
    assert (service.switches, service.board.live, service.heard()) == (1, "1", [ASKED])
    assert outcome(tmp_path) == EXPECTED["rolled_back"][:2]


def test_killed_at_every_point_in_turn_it_is_still_one_switch(service: Service, tmp_path: Path) -> None:
    for point in AROUND:
        assert service.run({VARIABLE: point}) == -signal.SIGKILL, point
    assert service.run() == 0
    assert (service.switches, service.heard()) == (1, [ASKED])
    assert outcome(tmp_path) == EXPECTED["rolled_back"][:2]


@pytest.mark.parametrize("if_match", [True, False])
def test_killed_while_it_is_asked_and_nothing_was_done_the_next_call_has_the_same_key(service: Service, tmp_path: Path, *, if_match: bool) -> None:
    service.board.script, service.board.after_post = [(0, {}, False)], service.kill
    assert service.run(if_match=if_match) == -signal.SIGKILL
    assert (service.switches, len(service.board.posts)) == (0, 1)
    assert service.run(if_match=if_match) == 0
    assert (service.switches, service.board.live, service.heard()) == (1, "1", [ASKED, ASKED])
    assert outcome(tmp_path) == EXPECTED["rolled_back"][:2]


@pytest.mark.parametrize("if_match", [True, False])
def test_killed_before_it_hears_that_it_was_done_nothing_is_asked_again(service: Service, tmp_path: Path, *, if_match: bool) -> None:
    service.board.after_post = service.kill
    assert service.run(if_match=if_match) == -signal.SIGKILL
    assert (service.switches, service.board.live) == (1, "1")
    assert service.run(if_match=if_match) == 0
    assert (service.switches, service.heard()) == (1, [ASKED])
    assert outcome(tmp_path) == EXPECTED["rolled_back"][:2]


@pytest.mark.parametrize("if_match", [True, False])
def test_where_the_service_shows_a_switch_late_the_second_call_is_known_by_its_key(service: Service, tmp_path: Path, *, if_match: bool) -> None:
    """What is shown after the kill is what was there before it, token and all: only the key tells the service that it has done that already."""
    stale = [2]

    def shape(version: str | None, token: str) -> bytes:
        if service.switches and stale[0]:
            stale[0] -= 1
            version, token = "2", "r1"
        return json.dumps({"version": version, "token": token}).encode()

    service.board.shape, service.board.after_post = shape, service.kill
    assert service.run(if_match=if_match) == -signal.SIGKILL
    assert service.run(if_match=if_match) == 0
    assert stale == [0]
    assert (service.switches, service.heard()) == (1, [ASKED, ASKED])
    assert outcome(tmp_path) == EXPECTED["rolled_back"][:2]


def test_somebody_who_deploys_between_the_kill_and_the_next_call_is_not_undone(service: Service, tmp_path: Path) -> None:
    assert service.run({VARIABLE: "switch.confirmed"}) == -signal.SIGKILL
    service.board.set("3")
    service.run()
    assert (service.board.live, service.heard()) == ("3", [])
    step, kinds = outcome(tmp_path)
    assert (str(step), kinds[3]) == ("cancelled", "switch_failed")
