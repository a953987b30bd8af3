"""Rollbacks that go on wherever a kill left them: what a daemon's workers do, as processes that may be killed or stopped at named points.

Run as a program it forks a process a job, since starting Python each time would take most of a test's time. Jobs and answers are lines of JSON.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from tests.workers._acting import ACCEPTED, at, begin, evaluate
from watchtower.core import incidents, planning
from watchtower.core.guards import Freeze
from watchtower.nouns.errors import Fenced, RollbackError
from watchtower.nouns.facts import Asked
from watchtower.nouns.incident import Incident
from watchtower.nouns.limits import Limits
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.rollback_targets import State, Switch
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets.webhook import Webhook
from watchtower.store import Store
from watchtower.workers.actions import Actions
from watchtower.workers.approvals import ApprovalDesk, Person
from watchtower.workers.guarding import Steering

ANN = Person("ann", "cli host-1")
LIMIT = 40
"""Steps after which a worker that still has something to do goes round in circles."""


@dataclass(frozen=True)
class Http:
    """A target behind HTTP; see :class:`tests.workers.far_end.FarEnd`."""

    port: int

    def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> tuple[int, dict[str, str]]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def current(self) -> str | None:
        return self.state().version

    def state(self) -> State:
        _, found = self._ask("GET", "/state")
        return State(found["version"], found["token"])

    def ready(self, candidate: str) -> Sequence[str]:
        return () if candidate else ("no version",)

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:
        assert not dry_run
        try:
            status, found = self._ask("POST", "/switch", {"to": candidate, "expected": expected, "token": token, "key": key, "pid": os.getpid()})
        except OSError as away:
            msg = f"the far end gave no answer: {type(away).__name__}"
            raise RollbackError(msg, retryable=True) from away
        if status == 409:
            where = "the far end"
            raise Moved(where, expected, found["version"])
        if status != 200:
            msg = f"{status}: {found['error']}"
            raise RollbackError(msg)
        return Switch(expected, candidate, changed=found["changed"] == "yes")

    def close(self) -> None:
        """Holds nothing open."""


@dataclass
class Driven:
    """A store, a target, and a clock that stands in a file, so that every process has the same time."""

    store: Store
    far: int
    file: Path
    webhook: str = ""

    def clock(self) -> datetime:
        return at(float(self.file.read_text()))

    @property
    def worker(self) -> Actions:
        return Actions(self.store, self.steering, lambda *_: ACCEPTED, clock=self.clock)

    def tick(self, minute: float) -> None:
        """It is that late now, for every process."""
        self.file.write_text(str(minute))

    def steering(self, model: str) -> Steering:
        if self.webhook:
            return Steering(partial(Webhook.model_validate_json(self.webhook).open_for, model))
        return Steering(lambda: Http(self.far))

    def plan(self) -> Plan | None:
        return self.store.evaluations.memory("fraud").plan

    def settle(self, minute: float) -> None:
        """Steps the worker until it has nothing to do."""
        worker = self.worker
        for _ in range(LIMIT):
            if not worker.step(max(at(minute), self.clock())):
                return
        msg = "the worker goes round in circles"
        raise AssertionError(msg)

    def evaluate(self, minute: int, live: str, *, firing: bool = True) -> None:
        """Unless it was evaluated already."""
        through = self.store.evaluations.memory("fraud").evaluated_through
        if through is None or through < at(minute):
            evaluate(self.store, minute, live=live, firing=firing)

    def begin(self, *, approval_required: bool = False) -> None:
        """A trial begins, unless one has."""
        if self.plan() is None:
            begin(self.store, approval_required=approval_required)


def rolled_back(it: Driven) -> None:
    """To the end: switched, seen in the traffic, resolved."""
    switched(it)
    it.evaluate(1, "1")
    it.settle(1)
    it.evaluate(2, "1", firing=False)


def switched(it: Driven) -> None:
    """As far as the switch, recorded."""
    it.begin()
    it.settle(0)


def approved(it: Driven) -> None:
    """A person approves before it is switched."""
    it.begin(approval_required=True)
    it.settle(0)
    plan = it.plan()
    if plan is not None and plan.step is Step.AWAITING_APPROVAL:
        ApprovalDesk(it.store, it.worker.guarding).approve(plan.id, ANN, at(0))
    it.settle(0)


def unreached(it: Driven) -> None:
    """No answer of the target arrives before a while is over."""
    switched(it)
    it.tick(0.2)
    it.settle(0.2)


def late(it: Driven) -> None:
    """The traffic never shows it."""
    switched(it)
    it.settle(60)


def forward(it: Driven) -> None:
    """It serves and does not help, so the former live version is switched to again."""
    if it.plan() is None:
        begin(it.store, limits=Limits(forward=True))
    if (plan := it.plan()) is not None and plan.switched_at is None:
        it.settle(0)
    it.evaluate(1, "1")
    it.evaluate(30, "1")
    it.tick(60)
    it.settle(60)


def frozen(it: Driven) -> None:
    """Somebody freezes between the decision and the call."""
    it.begin()
    if (plan := it.plan()) is not None and plan.step is Step.ON_TRIAL:
        it.worker.step(at(0))
    if it.store.freezes.frozen("fraud", at(0)) is None:
        it.store.freezes.freeze(Freeze("fraud", "ann", at(0), "cli host-1"))
    it.settle(0)


def stopped(it: Driven) -> None:
    """The evidence is too old by the time of the call."""
    it.begin()
    if (plan := it.plan()) is not None and plan.step is Step.ON_TRIAL:
        it.worker.step(at(0))
    it.tick(30)
    it.settle(30)


def cleared(it: Driven) -> None:
    """A freeze holds the verdict, and is thawed."""
    it.begin()
    plan = it.plan()
    if plan is not None and plan.step is Step.ON_TRIAL:
        if it.store.freezes.frozen("fraud", at(0)) is None:
            it.store.freezes.freeze(Freeze("fraud", "ann", at(0), "cli host-1"))
        it.settle(0)
    it.store.freezes.thaw("fraud", by="ann", origin="cli host-1", now=at(0.5))
    it.settle(1)


def by_hand(it: Driven) -> None:
    """A person asks, without a trial."""
    memory = it.store.evaluations.memory("fraud")
    if memory.evaluated_through is None:
        evaluate(it.store, 0, live="2", firing=False)
    if not it.store.plans.of_incident("fraud-p1"):
        fact = Asked("fraud", "2", "1", "ann", "cli host-1", at(0), target="http", incident="fraud-i1")
        move = planning.ask(fact, "fraud-p1", "fraud-i1", at(0))
        incident = incidents.noted(Incident("fraud-i1", "fraud", at(0), revision=0), at(0), "note", move.note or "asked")
        it.store.plans.begin(fact, move, incident, at(0))
    it.settle(0)


SCENARIOS: Mapping[str, Callable[[Driven], None]] = {
    each.__name__: each for each in (rolled_back, switched, approved, unreached, late, forward, frozen, stopped, cleared, by_hand)
} | {"refused": switched}


@dataclass(frozen=True)
class Job:
    """What a process does, and its part of the environment.

    *alone*: it holds the file's lock, as a daemon on SQLite does; *webhook*: settings of a webhook target as JSON, instead of :class:`Http`.
    """

    scenario: str
    folder: str
    far: int
    environment: dict[str, str]
    alone: bool = True
    webhook: str = ""


def work(job: Job) -> int:
    """The whole life of the process."""
    os.environ.update(job.environment)
    clock = Path(job.folder) / "clock"
    store = Store.open(f"sqlite:///{job.folder}/w.db", now=lambda: at(float(clock.read_text())))
    if job.alone:
        store.hold_file_lock()
    try:
        SCENARIOS[job.scenario](Driven(store, job.far, clock, job.webhook))
    except Fenced:
        return 3
    return 0


def main() -> None:
    """A job a line: it is begun and its process told; then what became of it, each time that it ends or stops."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            _, status = os.waitpid(asked["wait"], os.WUNTRACED)
            code = "stopped" if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)
            print(json.dumps({"code": code}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = work(Job(**asked))
            except BaseException:  # noqa: BLE001  the child must not go on as its parent
                traceback.print_exc()
            finally:
                os._exit(code)
        print(json.dumps({"pid": pid}), flush=True)


if __name__ == "__main__":
    main()
