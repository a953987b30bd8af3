"""`watchtower` as its users meet it: a command, a daemon that is a process, answers over HTTP and from the store."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-P", "-c", "from watchtower.cli.main import main; main()")
LOOK = 0.05
"""Seconds between two looks of :func:`until`."""
Found = TypeVar("Found")
Json = dict[str, object]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, with this checkout in front and one numerical thread a process."""
    paths = [str(ROOT), *(path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1", **(extra or {})}


def watchtower(*words: str, folder: Path, limit: float = 60.0, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs one command in *folder* to its end; what it printed is text."""
    return subprocess.run(
        [*COMMAND, *words], cwd=folder, env=environment(extra), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False
    )


def status(folder: Path) -> Json:
    """The document of `watchtower status --json`, which must answer."""
    done = watchtower("status", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    found: Json = json.loads(done.stdout)
    return found


def until(condition: Callable[[], Found | None], limit: float, what: str) -> Found:
    """Looks until *condition* gives something true, and returns it; fails with *what* after *limit* seconds."""
    end, pause = time.monotonic() + limit, threading.Event()
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {limit:g} s: {what}"
        pause.wait(LOOK)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str, limit: float = 5.0) -> tuple[int, str] | None:
    """Status and body, None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@dataclass
class Daemon:
    """`watchtower run` in *folder*, whose settings make it listen on *port*; a context manager that leaves nothing running."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    killed: list[int] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "daemon.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def start(self, extra: Mapping[str, str] | None = None) -> "Daemon":
        """A new process; *extra* goes into its environment."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run"], cwd=self.folder, env=environment(extra), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def running(self) -> subprocess.Popen[bytes]:
        """The process, which must be there."""
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended by itself with {self.process.returncode}:\n{self.words()}"
        return self.process

    def words(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def get(self, path: str) -> tuple[int, str] | None:
        """Status and body of its answer."""
        return get(self.port, path)

    def json(self, path: str) -> Json | None:
        """The document at *path*; None where it does not answer with one."""
        answer = self.get(path)
        if answer is None or answer[0] != http.HTTPStatus.OK:
            return None
        found: Json = json.loads(answer[1])
        return found

    def is_ready(self) -> bool:
        """Whether `/readyz` says so."""
        answer = self.get("/readyz")
        return answer is not None and answer[0] == http.HTTPStatus.OK

    def wait_ready(self, limit: float = 60.0) -> "Daemon":
        """Until `/readyz` says so."""
        self.wait_until(self.is_ready, limit, "/readyz answers 200")
        return self

    def wait_until(self, condition: Callable[[], Found | None], limit: float, what: str) -> Found:
        """As :func:`until`, while the daemon lives."""

        def looked() -> Found | None:
            self.running()
            return condition()

        try:
            return until(looked, limit, what)
        except AssertionError as missed:
            msg = f"{missed}\nthe log ends:\n{self.words()}"
            raise AssertionError(msg) from missed

    def died(self, limit: float = 30.0) -> int:
        """Waits for it to end by itself; its exit code, -9 after SIGKILL."""
        assert self.process is not None
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            msg = f"it did not end within {limit:g} s; the log ends:\n{self.words()}"
            raise AssertionError(msg) from None

    def kill(self) -> None:
        """SIGKILL, to it alone."""
        self.running().kill()
        self.died()

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Asks it to end: exit code and seconds."""
        began = time.monotonic()
        self.running().send_signal(sign)
        return self.died(20), time.monotonic() - began


def listed(found: Json | None, name: str) -> list[Json]:
    """A list of objects in a document; [] where it is not there."""
    inside = (found or {}).get(name)
    return inside if isinstance(inside, list) else []


def counts(found: Json | None) -> dict[tuple[str, str], tuple[int, int]]:
    """(model, version) -> (predictions, late) of a status document."""
    versions = [(model, version) for model in listed(found, "models") for version in listed(model, "versions")]
    return {(str(model["model"]), str(version["version"])): (int(str(version["predictions"])), int(str(version["late"]))) for model, version in versions}


def rejected(found: Json | None) -> dict[str, int]:
    """Reason -> messages of a status document, those that there are."""
    inside = (found or {}).get("rejected")
    return {str(reason): int(number) for reason, number in inside.items() if number} if isinstance(inside, dict) else {}


def write_rules(folder: Path, rules: Sequence[str]) -> None:
    """One rules file; each rule is a flow mapping."""
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    (folder / "rules" / "rules.yaml").write_text("rules:\n" + "".join(f"  - {rule}\n" for rule in rules) if rules else "rules: []\n")
