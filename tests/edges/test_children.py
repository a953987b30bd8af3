"""Child processes: answers, errors, crashes, time-outs, and that none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from watchtower.edges import children
from watchtower.edges.children import Child, call
from watchtower.nouns.errors import ShadowError, Unavailable

LIMIT = timedelta(seconds=20)

TARGETS = """
import os, sys, time
from watchtower.nouns.errors import ShadowError

def doubled(x):
    print("noise on standard output")
    return x * 2

def same(x):
    return x

def filled(x):
    x += 1
    return float(x.sum())

def expendable(x):
    return open("/proc/self/oom_score_adj").read().strip()

def wrong(x):
    raise ShadowError("input X does not fit")

def odd(x):
    raise KeyError(x)

def crash(x):
    print("the last words", file=sys.stderr, flush=True)
    os.abort()

def silent(x):
    for each in range(3, 64):
        try:
            if not os.isatty(each) and os.path.realpath(f"/proc/self/fd/{each}").count("pipe:") and os.get_blocking(each) and os.write(each, b"") == 0:
                os.close(each)
        except OSError:
            pass
    forever(x)

def forever(x):
    while True:
        time.sleep(0.01)

class Counter:
    def __init__(self):
        self.n = 0

    def __call__(self, by):
        self.n += by
        return self.n, os.getpid()
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    (tmp_path / "targets.py").write_text(TARGETS)
    child = Child({"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])})
    yield child
    child.close()


def test_an_answer_larger_than_a_pipe_comes_back_whole(child: Child) -> None:
    assert child.call("targets:doubled", b"ab" * 500_000, time_limit=LIMIT) == b"ab" * 1_000_000


def test_a_class_is_made_once_and_kept_warm(child: Child) -> None:
    first = child.call("targets:Counter", 2, time_limit=LIMIT)
    second = child.call("targets:Counter", 3, time_limit=LIMIT)
    assert isinstance(first, tuple)
    assert second == (5, first[1])


@pytest.mark.parametrize(
    ("target", "says"),
    [("targets:wrong", "input X does not fit"), ("targets:odd", "KeyError"), ("targets:absent", "AttributeError"), ("nothing:x", "ModuleNotFoundError")],
)
def test_what_goes_wrong_in_it_is_a_shadow_error_that_says_what(child: Child, target: str, says: str) -> None:
    with pytest.raises(ShadowError, match=says):
        child.call(target, 1, time_limit=LIMIT)
    assert child.call("targets:doubled", 2, time_limit=LIMIT) == 4


def test_a_crash_gives_its_signal_and_last_words_and_the_next_call_a_fresh_child(child: Child) -> None:
    with pytest.raises(ShadowError, match=r"signal 6.*the last words"):
        child.call("targets:crash", 1, time_limit=LIMIT)
    assert child.call("targets:doubled", 2, time_limit=LIMIT) == 4


def test_a_call_past_its_limit_is_ended(child: Child) -> None:
    with pytest.raises(ShadowError, match=r"took over 0\.5 s"):
        child.call("targets:forever", 1, time_limit=timedelta(seconds=0.5))


@pytest.mark.skipif(not Path("/proc").exists(), reason="the child looks for its pipes in /proc")
def test_one_that_closed_its_pipes_and_does_not_go_is_told_and_ended(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_GONE", 0.5)
    with pytest.raises(ShadowError, match="it answers no more, and is not gone"):
        child.call("targets:silent", 1, time_limit=LIMIT)
    assert child.call("targets:doubled", 2, time_limit=LIMIT) == 4


def test_a_process_that_cannot_be_had_is_no_fault_of_what_was_to_run(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(Unavailable, match="no child process can be had: No such file"):
            child.call("targets:doubled", 2, time_limit=LIMIT)
    assert child.call("targets:doubled", 2, time_limit=LIMIT) == 4


def test_a_single_call_leaves_no_process() -> None:
    pid = call("os:getpgid", 0, time_limit=LIMIT)
    assert pid == os.getpgid(0)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")
def test_a_child_that_is_busy_dies_with_its_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "targets.py").write_text(TARGETS)
    script = "import sys; from datetime import timedelta; from watchtower.edges.children import Child; c = Child(); "
    script += "print(c.call('targets:Counter', 1, time_limit=timedelta(seconds=20))[1], flush=True); "
    script += "c.call('targets:forever', 1, time_limit=timedelta(seconds=60))"
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_arrays_travel_as_they_are_in_both_directions_whatever_their_size_and_order(child: Child) -> None:
    random = np.random.default_rng(1)
    for rows in (0, 3, 100_000):  # nothing, through the pipe, in shared memory
        big = random.normal(size=(rows, 4))
        sent = {"plain": big, "columns": np.asfortranarray(big), "every second": big[::2], "whole": np.arange(rows), "words": ["a", "b"]}
        back = child.call("targets:same", sent, time_limit=LIMIT)
        assert isinstance(back, dict)
        assert back.pop("words") == ["a", "b"]
        for name, array in back.items():
            assert np.array_equal(array, np.asarray(sent[name])), (name, rows)
            assert array.flags.writeable


def test_what_a_child_writes_into_an_array_is_seen_by_nobody_else(child: Child) -> None:
    zeros = np.zeros(200_000)
    assert child.call("targets:filled", zeros, time_limit=LIMIT) == 200_000.0
    assert zeros.sum() == 0
    assert child.call("targets:filled", zeros, time_limit=LIMIT) == 200_000.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process say that it goes first")
def test_a_child_is_the_first_to_go_where_memory_runs_out(child: Child) -> None:
    assert child.call("targets:expendable", None, time_limit=LIMIT) == "1000"
