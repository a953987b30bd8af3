"""Targets that are slow, busy or away, and what may be concluded while nobody evaluates: time counts from when something happened."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from tests.end_to_end.running import until
from tests.workers._acting import ACCEPTED, MINUTE, TEN, at, begin, evaluate
from tests.workers._far import Far
from watchtower.core.guards import Freeze
from watchtower.nouns.errors import RollbackError
from watchtower.nouns.facts import Fact, Switched
from watchtower.nouns.limits import Limits
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.step import Step
from watchtower.rollback_targets import Switch
from watchtower.store import Store
from watchtower.workers.actions import Actions
from watchtower.workers.base import Aside
from watchtower.workers.guarding import Steering

AWAY = RollbackError("the API server gave no answer", retryable=True)


@dataclass
class Slow(Far):
    """Each switch takes *takes*, and *meanwhile* happens; the clock is here. *deaf*: so many answers are lost after the switch was made."""

    now: datetime = TEN
    takes: timedelta = timedelta(0)
    deaf: int = 0
    meanwhile: Callable[[], object] = bool

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:
        done = super().switch_to(candidate, expected=expected, token=token, key=key, dry_run=dry_run)
        self.now += self.takes
        self.meanwhile()
        if self.deaf > 0:
            self.deaf -= 1
            raise AWAY
        return done


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=lambda: at(0))
    yield opened
    opened.close()


def worker(store: Store, far: Slow) -> Actions:
    return Actions(store, lambda _: Steering(lambda: far), lambda *_: ACCEPTED, clock=lambda: far.now)


def stepped(actions: Actions, far: Slow, minute: float) -> bool:
    far.now = at(minute)
    return actions.step(far.now)


def kinds(store: Store) -> list[str]:
    return [row.fact.kind for row in store.plans.facts("fraud-p1")]


def test_the_time_to_show_it_begins_when_a_slow_switch_is_done(store: Store) -> None:
    begin(store, limits=Limits(verify_within=2 * MINUTE, forward=True))
    far = Slow(takes=5 * MINUTE)
    actions = worker(store, far)
    stepped(actions, far, 0)
    stepped(actions, far, 0)
    plan = store.plans.plan("fraud-p1")
    assert (plan.step, plan.switched_at, plan.deadline) == (Step.VERIFYING, at(5), at(7))
    evaluate(store, 5)
    stepped(actions, far, 5.5)
    assert (store.plans.plan("fraud-p1").step, far.names) == (Step.VERIFYING, "1")


def test_a_target_that_is_away_is_called_again_and_is_switched_once(store: Store) -> None:
    begin(store)
    far = Slow(breaks=AWAY)
    actions = worker(store, far)
    far.breaks = None
    stepped(actions, far, 0)
    far.breaks = AWAY
    stepped(actions, far, 0)
    plan = store.plans.plan("fraud-p1")
    assert (plan.step, plan.deadline) == (Step.SWITCHING, at(5))
    looks = far.looks
    assert not stepped(actions, far, 0.05)
    assert far.looks == looks, "it is left alone for five seconds"
    stepped(actions, far, 1)
    assert far.looks == looks + 1
    far.breaks = None
    stepped(worker(store, far), far, 2)
    assert (store.plans.plan("fraud-p1").step, far.switches) == (Step.VERIFYING, 1)
    assert kinds(store) == ["fired", "judged", "unreached", "prepared", "switched"]


def test_a_switch_whose_answer_was_lost_is_found_done(store: Store) -> None:
    begin(store)
    far = Slow(deaf=2)
    actions = worker(store, far)
    for minute in (0, 0, 1, 2):
        stepped(actions, far, minute)
    assert (store.plans.plan("fraud-p1").step, far.switches, len(set(far.keys))) == (Step.VERIFYING, 1, 1)
    assert kinds(store) == ["fired", "judged", "prepared", "unreached", "switched"]


def test_it_is_called_again_within_its_limit_over_restarts_and_then_a_person_must_look(store: Store) -> None:
    begin(store)
    far = Slow()
    stepped(worker(store, far), far, 0)
    far.breaks = AWAY
    for minute in (0, 2, 4.9):
        stepped(worker(store, far), far, minute)
        assert store.plans.plan("fraud-p1").step is Step.SWITCHING
    stepped(worker(store, far), far, 5)
    plan = store.plans.plan("fraud-p1")
    assert (plan.step, far.switches) == (Step.FAILED, 0)
    assert "a person must look: the target cannot be read: the API server gave no answer (called again until 2026-11-20 10:05" in plan.reason
    assert kinds(store).count("unreached") == 1


@pytest.mark.parametrize(("breaks", "within"), [(RollbackError("no permission"), timedelta(minutes=5)), (AWAY, timedelta(0))], ids=["refused", "limit 0"])
def test_a_refusal_is_final_and_so_is_everything_where_no_time_is_given(store: Store, breaks: RollbackError, within: timedelta) -> None:
    begin(store, limits=Limits(reach_within=within))
    far = Slow()
    actions = worker(store, far)
    stepped(actions, far, 0)
    far.breaks = breaks
    stepped(actions, far, 0)
    assert store.plans.plan("fraud-p1").step is Step.FAILED
    assert kinds(store) == ["fired", "judged", "switch_failed"]


def test_traffic_that_shows_it_while_the_target_is_waited_for_loses_nothing_that_the_target_said(store: Store) -> None:
    begin(store)
    far = Slow(takes=5 * MINUTE, meanwhile=lambda: evaluate(store, 3, live="1"))
    actions = worker(store, far)
    stepped(actions, far, 0)
    stepped(actions, far, 0)
    rows = store.plans.facts("fraud-p1")
    assert [row.fact.kind for row in rows] == ["fired", "judged", "prepared", "serving", "switched"]
    assert isinstance(rows[-1].fact, Switched)
    assert (rows[-1].fact.changed, len(far.keys), store.plans.plan("fraud-p1").step) == (True, 1, Step.VERIFYING)


@pytest.mark.parametrize("when", ["at the verdict", "at the call"])
def test_a_target_that_is_broken_fails_its_plan_and_not_the_daemon(store: Store, when: str) -> None:
    begin(store)
    far = Slow(breaks=KeyError("secret-1"))
    actions = worker(store, far)
    if when == "at the call":
        far.breaks = None
        stepped(actions, far, 0)
        far.breaks = KeyError("secret-1")
    stepped(actions, far, 0)
    plan = store.plans.plan("fraud-p1")
    assert plan.step is (Step.FAILED if when == "at the call" else Step.HELD)
    assert "the target is broken: KeyError in current, _far.py line" in plan.reason
    assert "secret-1" not in plan.reason


@pytest.mark.parametrize(("deaf", "step", "last"), [(0, Step.HELD, "frozen"), (1, Step.VERIFYING, "switched")])
def test_a_freeze_between_two_calls_holds_what_was_not_done_and_records_what_was(store: Store, deaf: int, step: Step, last: str) -> None:
    begin(store)
    far = Slow(deaf=deaf)
    actions = worker(store, far)
    stepped(actions, far, 0)
    far.breaks = None if deaf else AWAY
    stepped(actions, far, 0)
    assert kinds(store)[-1] == "unreached"
    far.breaks = None
    store.freezes.freeze(Freeze("fraud", "ana@host", at(0.5)))
    stepped(actions, far, 1)
    assert (store.plans.plan("fraud-p1").step, kinds(store)[-1], far.switches) == (step, last, deaf)


def test_nothing_goes_forward_on_windows_that_nobody_evaluated(store: Store) -> None:
    begin(store, limits=Limits(verify_within=2 * MINUTE, resolve_within=2 * MINUTE, forward=True))
    far = Slow()
    actions = worker(store, far)
    stepped(actions, far, 0)
    stepped(actions, far, 0)
    evaluate(store, 1, live="1")
    stepped(actions, far, 24 * 60)
    plan = store.plans.plan("fraud-p1")
    assert (plan.step, far.names, far.switches) == (Step.FAILED, "1", 1)
    assert "whether the rollback helped is not known, a person must look: no window up to its deadline was evaluated" in plan.reason


def test_where_it_went_forward_again_neither_version_is_a_candidate_before_it_is_cleared(store: Store) -> None:
    begin(store, limits=Limits(verify_within=2 * MINUTE, resolve_within=2 * MINUTE, forward=True))
    far = Slow()
    actions = worker(store, far)
    stepped(actions, far, 0)
    stepped(actions, far, 0)
    evaluate(store, 1, live="1")
    evaluate(store, 4, live="1")
    stepped(actions, far, 4)
    assert store.freezes.clear("fraud", "2", by="ana", origin="cli", now=at(4))
    stepped(actions, far, 4)
    assert (store.plans.plan("fraud-p1").step, far.names, far.switches) == (Step.FAILED, "2", 2)
    assert store.evaluations.memory("fraud").served.rolled_back_from == ("1",), "and what was cleared stays cleared"
    evaluate(store, 5)
    assert store.evaluations.memory("fraud").served.rolled_back_from == ("1",)


def test_a_target_that_is_waited_for_holds_up_no_other_plan(store: Store) -> None:
    begin(store)
    begin(store, "churn")
    go, over = threading.Event(), threading.Event()
    fars = {"fraud": Slow(meanwhile=lambda: go.wait(20)), "churn": Slow()}

    def heard(plan: Plan, fact: Fact, _move: Move) -> None:
        if isinstance(fact, Switched):
            (over if plan.model == "churn" else ended).set()

    ended = threading.Event()
    actions = Actions(store, lambda model: Steering(lambda: fars[model]), lambda *_: ACCEPTED, heard=heard, aside=Aside())
    actions.step(at(0))
    for _ in range(3):
        assert not actions.step(at(0))
    assert over.wait(20)
    assert [store.plans.plan(f"{model}-p1").step for model in ("churn", "fraud")] == [Step.VERIFYING, Step.SWITCHING]
    go.set()
    assert ended.wait(20)
    assert [far.keys for far in fars.values()] == [["fraud-p1"], ["churn-p1"]], "however often it was stepped, each was called once"


def test_what_nobody_expected_beside_a_worker_is_raised_in_it() -> None:
    aside, over = Aside(), threading.Event()

    def broken() -> None:
        over.set()
        raise KeyError

    aside.begin("a", broken)
    assert over.wait(20)

    def raised() -> bool:
        try:
            return aside.begin("b", bool)
        except KeyError:
            return True

    until(raised, 20, "it was raised")
