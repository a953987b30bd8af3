"""A person's yes and no: single-use, and of one plan and one candidate at one revision."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers._acting import ACCEPTED, at, begin, commit, evaluate
from tests.workers._far import Far
from watchtower.core import planning
from watchtower.core.guards import Freeze
from watchtower.nouns.facts import Approved, Fired, Refused
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.store import Store
from watchtower.workers.actions import Actions
from watchtower.workers.approvals import ApprovalDesk, Person, Said, token
from watchtower.workers.guarding import Guarding, Steering

ANA = Person("ana@host", "cli host", "seen it")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/w.db", now=lambda: at(0))
    yield opened
    opened.close()


def asking(store: Store, far: Far) -> tuple[Plan, ApprovalDesk, Actions]:
    """A plan that awaits approval, who answers, and who acts."""
    plan = begin(store, approval_required=True)
    steering = Steering(lambda: far)
    worker = Actions(store, lambda _: steering, lambda *_: ACCEPTED)
    worker.step(at(0))
    return store.plans.plan(plan.id), ApprovalDesk(store, Guarding(store, lambda _: steering)), worker


def second(store: Store, worker: Actions) -> Plan:
    """Another plan of the same incident, for the same candidate, that awaits approval too."""
    memory = evaluate(store, 1)
    fired = Fired("fraud", "2", (), at(2), ("1",), rollback=True, dry_run=False, target="directory", approval_required=True)
    plan = planning.open_plan(fired, "fraud-p2", "fraud-i1", at(2)).plan
    commit(store, replace(memory, plan=plan), 2, (), (fired,))
    worker.step(at(2))
    found = store.plans.plan("fraud-p2")
    assert found.step is Step.AWAITING_APPROVAL
    return found


@pytest.mark.parametrize("name", ["fraud-i1", "fraud-p1", "fraud-p1@2"])
def test_an_approval_names_the_incident_the_plan_or_the_plan_at_its_revision(store: Store, name: str) -> None:
    plan, desk, worker = asking(store, far := Far())
    assert token(plan) == "fraud-p1@2"
    said = desk.approve(name, ANA, at(1))
    assert (said.what, said.text) == ("done", "approved: fraud goes back from 2 to 1 (plan fraud-p1)")
    worker.step(at(1))
    assert (far.switches, far.names) == (1, "1")
    fact = store.plans.facts(plan.id)[2].fact
    assert fact == Approved("ana@host", "cli host", "1", (), "seen it")
    told = [moment.text for moment in store.plans.incidents()[0].incident.timeline]
    assert any("awaits approval until 2026-11-21 10:00:00 UTC (watchtower approve fraud-i1)" in text for text in told)
    assert "ana@host (cli host) approved: seen it; going back to 1" in told


def test_a_no_ends_it(store: Store) -> None:
    plan, desk, worker = asking(store, far := Far())
    assert desk.reject("fraud-i1", ANA, at(1)).what == "done"
    assert not worker.step(at(1))
    assert (store.plans.plan(plan.id).step, far.switches) == (Step.HELD, 0)
    assert store.plans.facts(plan.id)[2].fact == Refused("ana@host", "cli host", "seen it")


@pytest.mark.parametrize(
    ("name", "candidate", "words"),
    [
        ("nowhere", None, "there is no incident or plan 'nowhere'"),
        ("fraud-i1", "0", "asks for version 1, not 0: nothing was switched"),
        ("fraud-p1@1", None, "fraud-p1@1 does not ask any more; what does is fraud-p1@2 (2 to 1)"),
        ("fraud-i1@2", None, "what does is fraud-p1@2"),
    ],
)
def test_what_does_not_name_this_asking_approves_nothing(store: Store, name: str, candidate: str | None, words: str) -> None:
    _, desk, worker = asking(store, far := Far())
    said = desk.approve(name, ANA, at(1), candidate=candidate)
    assert said.what == "nothing"
    assert words in said.text
    assert not worker.step(at(1))
    assert far.switches == 0


def test_an_approval_that_is_sent_again_after_the_plan_ended_switches_nothing(store: Store) -> None:
    plan, desk, worker = asking(store, far := Far())
    desk.approve("fraud-i1", ANA, at(1))
    worker.step(at(1))
    evaluate(store, 2, live="1")
    evaluate(store, 3, live="1", firing=False)
    assert store.plans.plan(plan.id).step is Step.ROLLED_BACK
    for name in ("fraud-i1", "fraud-p1", "fraud-p1@2"):
        assert desk.approve(name, ANA, at(4)).text == "nothing awaits approval in fraud-i1: plan fraud-p1 is rolled back".replace(
            "fraud-i1", name.partition("@")[0]
        )
    assert not worker.step(at(4))
    assert far.switches == 1


@pytest.mark.parametrize("how", ["refused", "expired"])
@pytest.mark.parametrize("name", ["fraud-i1", "fraud-p1", "fraud-p1@2"])
def test_an_approval_of_one_plan_is_none_of_another_of_the_same_incident(store: Store, how: str, name: str) -> None:
    _, desk, worker = asking(store, far := Far())
    if how == "refused":
        desk.reject("fraud-i1", ANA, at(0))
    else:
        worker.step(at(24 * 60))
    plan = second(store, worker)
    said = desk.approve(name, ANA, at(2))
    assert (said.what, store.plans.plan(plan.id).step, far.switches) == ("nothing", Step.AWAITING_APPROVAL, 0)
    assert desk.approve(token(plan), ANA, at(2)).what == "done"
    worker.step(at(2))
    assert far.switches == 1


def test_a_guard_holds_an_approval_which_is_used_up_by_that(store: Store) -> None:
    plan, desk, worker = asking(store, far := Far())
    store.freezes.freeze(Freeze("fraud", "bob@host", at(0)))
    held = desk.approve("fraud-i1", ANA, at(1))
    assert held.what == "held"
    assert held.text.startswith("frozen: bob@host froze fraud until it is thawed, 1m ago: plan fraud-p1 still awaits approval, name it as fraud-p1@3")
    store.freezes.thaw("fraud", by="bob", origin="", now=at(1))
    assert desk.approve("fraud-i1", ANA, at(2)).what == "nothing"
    assert not worker.step(at(2))
    assert far.switches == 0
    assert desk.approve("fraud-p1@3", ANA, at(2)).what == "done"
    worker.step(at(2))
    assert (far.switches, store.plans.plan(plan.id).step) == (1, Step.VERIFYING)


def test_two_approvals_at_once_are_one_switch(store: Store) -> None:
    _, desk, worker = asking(store, far := Far())
    said: list[Said] = []
    gate = threading.Barrier(4)

    def approve() -> None:
        gate.wait(10)
        said.append(desk.approve("fraud-i1", ANA, at(1)))

    threads = [threading.Thread(target=approve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(each.what for each in said) == ["done", "nothing", "nothing", "nothing"]
    while worker.step(at(1)):
        pass
    assert far.switches == 1


def test_nobody_can_approve_after_the_deadline(store: Store) -> None:
    plan, desk, worker = asking(store, far := Far())
    late = desk.approve("fraud-i1", ANA, at(24 * 60))
    assert late.what == "nothing"
    assert "too late" in late.text
    assert not worker.step(at(24 * 60))
    assert (store.plans.plan(plan.id).step, far.switches) == (Step.HELD, 0)


def test_an_approval_acts_when_a_daemon_starts_if_that_is_soon(store: Store) -> None:
    plan, desk, worker = asking(store, far := Far())
    desk.approve("fraud-i1", ANA, at(1))
    worker.step(at(17))
    assert (store.plans.plan(plan.id).step, far.switches) == (Step.HELD, 0)
    assert store.plans.plan(plan.id).reason.startswith("max_age: the evidence is 16m old > 15m")
