"""The demo's own processes: started together, ended together, however it ends."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

import watchtower

QUIET = MappingProxyType({"ORT_DISABLE_TELEMETRY": "1"})
"""Else onnxruntime would send what it does to its maker, and leave an identifier in HOME and TMPDIR; read when it is imported."""
_GENTLY = 12.0
_LAST_WORDS = 5


class Children:
    """Processes in sessions of their own, so that Ctrl-C reaches only us; the kernel ends them should we die without a word. A context manager."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, name: str, command: Sequence[str], log: Path) -> None:
        """Starts ``python COMMAND…``, which writes to *log*; call it from the main thread (the kernel watches the thread that started a child)."""
        launch = [sys.executable, "-P", "-m", "watchtower.programs.demo._launch", str(os.getpid())]
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603  our own commands
                [*launch, sys.executable, "-P", *command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_environment(), start_new_session=True
            )
        self._running[name] = process, log

    def ended(self) -> str | None:
        """What to say of a child that ended by itself; None while all run."""
        for name, (process, log) in self._running.items():
            if process.poll() is not None:
                words = log.read_text(errors="replace").strip().splitlines()[-_LAST_WORDS:]
                return f"the {name} ended by itself with {process.returncode}; {log} says:\n" + "\n".join(f"    {line}" for line in words)
        return None

    def end(self) -> None:
        """Asks every child to end, newest first, and ends what does not."""
        for process, _ in reversed(self._running.values()):
            with contextlib.suppress(OSError):
                process.terminate()
        until = time.monotonic() + _GENTLY
        for process, _ in reversed(self._running.values()):
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def get(port: int, path: str) -> bytes | None:
    """The body of a 200; None where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status == http.HTTPStatus.OK else None


def _environment() -> dict[str, str]:
    """Ours, with numpy on one thread, onnxruntime's telemetry off, and the place that we were imported from where that is no site-packages."""
    root = Path(watchtower.__file__).resolve().parent.parent
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if root.name not in {"site-packages", "dist-packages"}:
        paths.append(str(root))
    return {**os.environ, **QUIET, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
