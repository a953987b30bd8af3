"""Clocks and kill points."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from watchtower.edges.clock import Clock, ManualClock
from watchtower.edges.points import reached

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_the_clock_is_aware_and_in_utc() -> None:
    first, second = Clock().now(), Clock().now()
    assert first.tzinfo is UTC
    assert first <= second


def test_a_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock(TEN)
    assert clock.now() == clock.now() == TEN
    assert clock.advance(timedelta(minutes=1)) == clock.now() == TEN + timedelta(minutes=1)
    clock.set(TEN)
    assert clock.now() == TEN


def test_points_do_nothing_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    reached("anywhere")
    monkeypatch.setenv("WATCHTOWER_KILL_AT", "elsewhere")
    reached("anywhere")
    assert os.environ["WATCHTOWER_KILL_AT"] == "elsewhere"


@pytest.mark.parametrize(("at", "printed"), [("here", 1), ("here#3", 3)])
def test_a_point_kills_the_process_the_kth_time(at: str, printed: int) -> None:
    code = "from watchtower.edges.points import reached\nfor n in range(9):\n    print(n, flush=True)\n    reached('there')\n    reached('here')"
    ended = subprocess.run([sys.executable, "-c", code], env=os.environ | {"WATCHTOWER_KILL_AT": at}, capture_output=True, check=False)
    assert (ended.returncode, len(ended.stdout.split())) == (-signal.SIGKILL, printed)
