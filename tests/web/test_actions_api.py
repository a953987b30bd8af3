"""Approvals and the kill switch over a real server: who may, what is told, and what the audit keeps."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tests.workers._acting import ACCEPTED, at, begin
from tests.workers._far import Far
from watchtower.edges.metrics import Metrics
from watchtower.nouns.facts import Approved
from watchtower.nouns.step import Step
from watchtower.store import Store
from watchtower.web.actions_api import ActionsDesk, actions_routes
from watchtower.web.app import create_app
from watchtower.web.server import Server
from watchtower.web.tokens import Tokens
from watchtower.web.view import StoreView
from watchtower.workers.actions import Actions
from watchtower.workers.approvals import ApprovalDesk
from watchtower.workers.guarding import Guarding, Steering

Answer = tuple[int, dict[str, object]]


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(Store.open("sqlite://", now=lambda: at(0))) as opened:
        yield opened


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.fixture
def worker(store: Store, far: Far) -> Actions:
    begin(store, approval_required=True)
    made = Actions(store, lambda _: Steering(lambda: far), lambda *_: ACCEPTED)
    made.step(at(0))
    return made


@pytest.fixture
def address(store: Store, worker: Actions, tmp_path: Path) -> Iterator[str]:
    yield from _addressed(store, worker, tmp_path)


def _addressed(store: Store, worker: Actions, tmp_path: Path) -> Generator[str, None, None]:
    (tmp_path / "tokens").write_text("# who\nfirst\nsecond\n")
    tokens = Tokens(tmp_path / "tokens")
    desk = ActionsDesk(ApprovalDesk(store, Guarding(store, worker.steering)), store.freezes, lambda model: model == "fraud", lambda: at(1), tokens.name)
    view = StoreView(store, Metrics(CollectorRegistry(), max_series=100), dict)
    yield from _served(create_app(view, tokens=tokens, further=(lambda doors: actions_routes(desk, doors.guard_change, doors.off_loop, doors.aside),)))


def _served(app: object) -> Generator[str, None, None]:
    server = Server(app, "127.0.0.1:0")  # type: ignore[arg-type]
    yield server.start()
    server.stop()


def post(address: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
    sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(f"{address}/api/v1/{path}", sent, {"Authorization": "Bearer second"} if headers is None else headers, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def test_an_approval_switches_once_and_the_audit_knows_who_and_from_where(address: str, store: Store, worker: Actions, far: Far) -> None:
    code, told = post(address, "incidents/fraud-i1/approve", {"by": "ana", "reason": "seen", "candidate": "1"})
    assert (code, told["result"]) == (200, "done")
    assert told["plan"] == {"id": "fraud-p1", "step": "switching", "live": "2", "candidate": "1"}
    assert store.plans.facts("fraud-p1")[2].fact == Approved("ana (token 2)", "api 127.0.0.1", "1", (), "seen")
    worker.step(at(1))
    code, told = post(address, "incidents/fraud-i1/approve", {"by": "ana", "reason": "seen", "candidate": "1"})
    assert (code, told["result"]) == (409, "nothing")
    assert not worker.step(at(1))
    assert far.switches == 1


def test_without_a_body_it_is_told_which_token_said_yes(address: str, store: Store) -> None:
    assert post(address, "incidents/fraud-p1/approve", headers={"Authorization": "Bearer first"})[0] == 200
    fact = store.plans.facts("fraud-p1")[2].fact
    assert isinstance(fact, Approved)
    assert fact.by == "token 1"


def test_a_refusal_ends_the_plan(address: str, store: Store) -> None:
    assert post(address, "incidents/fraud-i1/reject", {"reason": "no"})[0] == 200
    assert store.plans.plan("fraud-p1").step is Step.HELD


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("incidents/nowhere/approve", None, 404),
        ("incidents/fraud-i1/approve", {"candidate": "0"}, 409),
        ("incidents/fraud-i1/approve", {"revision": 1}, 409),
        ("incidents/fraud-p1/approve", {"revision": 1}, 409),
        ("incidents/fraud-i1/approve", {"candidat": "1"}, 400),
        ("incidents/fraud-i1/approve", {"reason": "x" * 501}, 400),
        ("incidents/fraud-i1/approve", b"{", 400),
        ("incidents/fraud-i1/approve", b" " * 10_001, 413),
        ("freeze", {"model": "fraudd"}, 404),
        ("freeze", {"for": "soon"}, 400),
        ("freeze", {"for": "0s"}, 400),
        ("freeze", {"for": "900000000d"}, 400),
        ("thaw", {"model": "fraud"}, 409),
    ],
)
def test_what_is_not_meant_or_not_readable_changes_nothing(address: str, store: Store, path: str, body: object, code: int) -> None:
    assert post(address, path, body)[0] == code
    assert store.plans.plan("fraud-p1").step is Step.AWAITING_APPROVAL
    assert store.freezes.all(at(1)) == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 401),
        ({"Authorization": "Bearer third"}, 401),
        ({"Authorization": "Bearer first", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Authorization": "Bearer first", "Origin": "https://elsewhere.example"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["incidents/fraud-i1/approve", "incidents/fraud-i1/reject", "freeze", "thaw"])
def test_nobody_acts_without_a_token_or_from_another_sites_page(address: str, store: Store, path: str, headers: dict[str, str], code: int) -> None:
    assert post(address, path, None, headers)[0] == code
    assert store.plans.plan("fraud-p1").step is Step.AWAITING_APPROVAL
    assert store.freezes.all(at(1)) == []


def test_a_page_of_ours_may_and_what_is_said_stands_on_one_line(address: str, store: Store) -> None:
    said = {"by": "bob\nplan_moved model=fraud", "reason": "a\x1b[2J\tb"}
    assert post(address, "freeze", said, {"Authorization": "Bearer first", "Origin": address})[0] == 200
    (frozen,) = store.freezes.all(at(1))
    assert (frozen.by, frozen.reason) == ("bob plan_moved model=fraud (token 1)", "a [2J b")


@dataclass
class Hung(Far):
    """Answers nobody before it is let go."""

    go: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def current(self) -> str | None:
        self.asked.set()
        self.go.wait(20)
        return super().current()


def test_approvals_that_wait_for_a_target_do_not_hold_up_the_kill_switch(store: Store, tmp_path: Path) -> None:
    begin(store, approval_required=True)
    far = Hung()
    far.go.set()
    worker = Actions(store, lambda _: Steering(lambda: far), lambda *_: ACCEPTED)
    worker.step(at(0))
    far.go.clear()
    far.asked.clear()
    answers: list[Answer] = []
    with closing(_addressed(store, worker, tmp_path)) as served:
        address = next(served)
        asking = [threading.Thread(target=lambda: answers.append(post(address, "incidents/fraud-i1/approve"))) for _ in range(5)]
        for each in asking:
            each.start()
        assert far.asked.wait(20)
        assert post(address, "freeze")[0] == 200
        assert answers == []
        far.go.set()
        for each in asking:
            each.join(20)
    assert sorted(code for code, _ in answers) == [200, 409, 409, 409, 409]
    worker.step(at(1))
    assert (store.plans.plan("fraud-p1").step, far.switches) == (Step.HELD, 0), "what is frozen meanwhile is held right before the call"


def test_freeze_and_thaw(address: str, store: Store) -> None:
    code, told = post(address, "freeze", {"model": "fraud", "for": "2h", "reason": "migration", "by": "bob"})
    frozen = {"model": "fraud", "by": "bob (token 2)", "at": "2026-11-20T10:01:00Z", "origin": "api 127.0.0.1", "reason": "migration"}
    assert (code, told) == (200, {"frozen": frozen | {"until": "2026-11-20T12:01:00Z"}})
    code, told = post(address, "incidents/fraud-i1/approve", {})
    assert (code, told["result"]) == (409, "held")
    assert post(address, "freeze")[1]["frozen"] == {**frozen, "model": None, "by": "token 2", "reason": "", "until": None}
    assert [each.model for each in store.freezes.all(at(1))] == ["", "fraud"]
    assert post(address, "thaw") == (200, {"thawed": True, "model": None, "frozen": ["fraud"]})
    assert post(address, "thaw", {"model": "fraud"})[1]["frozen"] == []
    assert [entry["act"]["kind"] for entry in store.audit.newest(10) if "act" in entry] == ["thaw", "thaw", "freeze", "freeze"]  # type: ignore[index]
    assert store.audit.verify().broken is None
