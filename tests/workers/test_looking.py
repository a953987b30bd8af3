"""Trials beside everything else: one at a time, in the order of asking."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from watchtower.nouns.errors import Unavailable
from watchtower.nouns.evidence import Diagnosis, Judgement, Verdict
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.workers.looking import Looking

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def plan(name: str) -> Plan:
    return Plan(name, "fraud", "i1", Step.ON_TRIAL, "2", ("1",), TEN)


class Slow:
    """Looks that last until they are let go; the thread of each."""

    def __init__(self) -> None:
        self.let_go = threading.Semaphore(0)
        self.begun: list[tuple[str, datetime]] = []
        self.threads: set[int] = set()
        self.final = False

    def look(self, its: Plan, through: datetime, ended: str) -> Judgement:
        self.begun.append((its.id, through))
        self.threads.add(threading.get_ident())
        assert self.let_go.acquire(timeout=20)
        if ended == "away":
            msg = "the store is away"
            raise Unavailable(msg)
        return Judgement(Verdict.INCONCLUSIVE, Diagnosis.UNKNOWN, f"{its.id} {through:%M}", "1", final=self.final)


def until(what: Callable[[], object]) -> object:
    deadline = time.monotonic() + 20
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline


def answered(looking: Looking, *asked: tuple[str, datetime]) -> str:
    """Asks for all again and again until one is answered."""

    def once() -> str:
        return next((found.reason for name, through in asked if (found := looking(plan(name), through, "")) is not None), "")

    return str(until(once))


def test_a_look_that_lasts_holds_up_nobody_and_is_answered_once_it_is_over() -> None:
    slow = Slow()
    looking = Looking(slow.look, lambda: None)
    assert [looking(plan("a"), TEN, "") for _ in range(3)] == [None] * 3, "who asks goes on at once"
    slow.let_go.release()
    assert answered(looking, ("a", TEN)) == "a 00"
    assert slow.begun == [("a", TEN)], "it was asked once"


def test_plans_take_turns_in_the_order_of_asking_and_one_that_asks_no_more_is_passed_over() -> None:
    slow = Slow()
    looking = Looking(slow.look, lambda: None)
    for name in "abc":
        assert looking(plan(name), TEN, "") is None
    slow.let_go.release(3)
    assert answered(looking, ("a", TEN)) == "a 00"
    later = TEN + MINUTE
    assert answered(looking, ("a", later), ("c", TEN)) == "c 00", "b, whose plan is over, asks no more; a asks for more, behind c"
    assert answered(looking, ("a", later)) == "a 01"
    assert slow.begun == [("a", TEN), ("c", TEN), ("a", later)]
    assert len(slow.threads) == 1, "a child process ends with the thread that started it"


def test_what_was_asked_before_the_last_window_closed_is_asked_again_unless_it_is_final() -> None:
    for final, reason in ((False, "a 01"), (True, "a 00")):
        slow = Slow()
        slow.final = final
        looking = Looking(slow.look, lambda: None)
        assert looking(plan("a"), TEN, "") is None
        slow.let_go.release(2)
        assert answered(looking, ("a", TEN + MINUTE)) == reason


def test_what_a_look_raises_is_raised_where_it_was_asked_for() -> None:
    slow = Slow()
    looking = Looking(slow.look, lambda: None)
    slow.let_go.release()
    with pytest.raises(Unavailable, match="the store is away"):
        until(lambda: looking(plan("a"), TEN, "away"))


def test_at_the_end_no_look_begins() -> None:
    slow = Slow()
    looking = Looking(slow.look, slow.let_go.release)
    assert looking(plan("a"), TEN, "") is None
    until(lambda: slow.begun)
    looking.end(20)
    assert looking(plan("b"), TEN, "") is None
    assert slow.begun == [("a", TEN)]
