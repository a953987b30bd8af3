"""Operators' commands: how they end, what is kept of them, and that nothing of them outlives its time or the daemon."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from watchtower.edges import commands
from watchtower.edges.commands import KEPT, Ran, run

ROOT = Path(__file__).parents[2]
ENV = {"PATH": os.environ["PATH"]}


def shell(script: str, at: Path, seconds: float = 20) -> Ran:
    return run(["sh", "-c", script], env=ENV, folder=at, seconds=seconds)


def gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has reaped yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


@pytest.mark.parametrize(("script", "ran"), [("echo a; echo b >&2", Ran(0, b"a\n", b"b\n")), ("exit 75", Ran(75)), ("kill -TERM $$", Ran(-15))])
def test_it_says_how_a_command_ended(tmp_path: Path, script: str, ran: Ran) -> None:
    assert shell(script, tmp_path) == ran


def test_the_environment_is_what_is_given_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "x")
    ran = run([sys.executable, "-c", "import os; print(sorted(os.environ))"], env={"ONE": "1", "LC_ALL": "C.UTF-8"}, folder=tmp_path, seconds=20)
    assert ran.out == b"['LC_ALL', 'ONE']\n"


def test_a_program_with_a_slash_is_looked_for_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("#!/bin/sh\npwd -P\n")
    (tmp_path / "here").chmod(0o755)
    assert run(["./here"], env=ENV, folder=tmp_path, seconds=20).out.decode().strip() == str(tmp_path.resolve())


@pytest.mark.parametrize(("program", "why"), [("no-such-program", "No such file"), ("./plain", "Permission denied")])
def test_a_command_that_cannot_be_started_says_why(tmp_path: Path, program: str, why: str) -> None:
    (tmp_path / "plain").write_text("text")
    ran = run([program], env=ENV, folder=tmp_path, seconds=20)
    assert (ran.started, ran.code) == (False, None)
    assert why in ran.err.decode()


def test_of_much_output_the_end_is_kept(tmp_path: Path) -> None:
    ran = shell(f"yes ab | head -c {3 * KEPT}; echo the end", tmp_path)
    assert (ran.code, len(ran.out), ran.cut) == (0, KEPT, True)
    assert ran.out.endswith(b"the end\n")


def test_at_the_limit_the_whole_group_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    ran = shell("echo begun; sleep 60 & echo $! > one; sleep 60 & echo $! > two; wait", tmp_path, seconds=0.5)
    assert (ran.code, ran.out) == (None, b"begun\n")
    assert time.monotonic() - began < 10
    assert until(lambda: all(gone(int((tmp_path / name).read_text())) for name in ("one", "two")))


def test_what_a_command_leaves_running_ends_with_it_and_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    assert shell("sleep 60 & echo $! > left", tmp_path).code == 0
    assert time.monotonic() - began < 10
    assert until(lambda: gone(int((tmp_path / "left").read_text())))


def test_a_process_that_escapes_into_its_own_session_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    assert shell("setsid sh -c 'echo $$ > escaped; exec sleep 5' & while [ ! -s escaped ]; do :; done", tmp_path).code == 0
    assert time.monotonic() - began < 4
    os.kill(int((tmp_path / "escaped").read_text()), signal.SIGKILL)


def test_a_command_dies_with_the_daemon_however_it_dies(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from watchtower.edges.commands import run\n"
        "run(['sh', '-c', 'sleep 60 & echo $! > two; echo $$ > one; wait'], env={'PATH': '/usr/bin:/bin'}, folder=Path('.'), seconds=60)"
    )
    daemon = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert until(lambda: (tmp_path / "one").exists() and (tmp_path / "one").read_text() != "")
    daemon.kill()
    daemon.wait()
    assert until(lambda: all(gone(int((tmp_path / name).read_text())) for name in ("one", "two")))


def test_a_command_dies_even_with_its_leash(tmp_path: Path) -> None:
    script = "ps -o ppid= -p $$ > leash; echo $$ > itself; sleep 60"
    daemon = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"from pathlib import Path; from watchtower.edges.commands import run; run(['sh', '-c', {script!r}], env={ENV!r}, folder=Path('.'), seconds=60)",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )
    assert until(lambda: (tmp_path / "itself").exists() and (tmp_path / "itself").read_text() != "")
    os.kill(int((tmp_path / "leash").read_text()), signal.SIGKILL)
    assert until(lambda: gone(int((tmp_path / "itself").read_text())))
    assert b"ended from outside" in daemon.communicate(timeout=20)[1]


def test_what_is_kept_is_bounded_for_both_streams_together() -> None:
    assert 2 * commands.KEPT == 65_536
