"""The thread of a worker."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from watchtower.nouns.errors import Fenced, Unavailable
from watchtower.workers.base import Loop, Patience

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
PATIENCE = 5.0
STEPPED = True
"""What a step says that had something to do."""


class Scripted:
    """Steps through *script*: an exception is raised, a flag is returned; then idles, having set *done*."""

    def __init__(self, *script: bool | Exception) -> None:
        self.script = list(script)
        self.steps = 0
        self.done = threading.Event()

    def step(self, now: datetime) -> bool:
        assert now == NOW
        self.steps += 1
        if not self.script:
            self.done.set()
            return False
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def started(worker: Scripted, lost: Callable[[Exception], None] = lambda _: None, *, idle: float = 0.001) -> Loop:
    loop = Loop("scripted", worker, lambda: NOW, lost=lost, idle=idle, longest=0.01)
    loop.start()
    return loop


def test_it_steps_until_it_is_stopped_and_ends_at_once_although_it_would_wait_long() -> None:
    worker = Scripted(STEPPED, STEPPED)
    loop = started(worker, idle=600)
    assert worker.done.wait(PATIENCE)
    loop.stop()
    assert loop.join(1)
    assert worker.steps == 3


def test_waking_ends_the_wait() -> None:
    worker = Scripted(STEPPED)
    loop = started(worker, idle=600)
    assert worker.done.wait(PATIENCE)
    worker.done.clear()
    loop.wake()
    assert worker.done.wait(PATIENCE)
    loop.stop()
    assert loop.join(1)


@pytest.mark.parametrize("error", [Unavailable("the broker is away"), Fenced("somebody else")])
def test_what_passes_is_tried_again_and_forgotten(error: Exception) -> None:
    worker = Scripted(error, error, STEPPED)
    loop = started(worker)
    assert worker.done.wait(PATIENCE)
    assert loop.trouble == ""
    loop.stop()
    assert loop.join(1)


def test_while_something_is_away_it_says_what() -> None:
    class Away:
        def __init__(self) -> None:
            self.twice = threading.Event()
            self.steps = 0

        def step(self, now: datetime) -> bool:
            assert now == NOW
            self.steps += 1
            if self.steps > 1:
                self.twice.set()
            msg = "the broker is away"
            raise Unavailable(msg)

    worker = Away()
    loop = Loop("away", worker, lambda: NOW, lost=lambda _: None, idle=0.001, longest=0.01)
    loop.start()
    assert worker.twice.wait(PATIENCE)
    assert loop.trouble == "the broker is away"
    loop.stop()
    assert loop.join(1)


@pytest.mark.parametrize("error", [Unavailable("the topic is gone", for_good=True), ZeroDivisionError("a bug")])
def test_what_is_for_good_ends_the_thread_and_is_handed_over(error: Exception) -> None:
    found: list[Exception] = []
    loop = started(Scripted(error), found.append)
    assert loop.join(PATIENCE)
    assert found == [error]
    assert loop.trouble == str(error)


def test_what_is_away_for_so_long_is_away_for_good_and_one_success_begins_anew() -> None:
    start, patience, away = datetime(2026, 11, 20, 10, tzinfo=UTC), Patience(timedelta(minutes=5)), Unavailable("the disk is full")
    assert [patience.after(away, start + timedelta(minutes=m)) for m in (0, 2, 4)] == [None, None, None]
    assert patience.after(None, start + timedelta(minutes=4.5)) is None
    assert patience.after(away, start + timedelta(minutes=6)) is None
    lost = patience.after(away, start + timedelta(minutes=11))
    assert lost is not None
    assert (str(lost), lost.for_good) == ("the disk is full, for 300 s now", True)
