"""Child processes: a bad model may crash, hang or hold memory, the daemon may not."""

import contextlib
import fcntl
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, cast

import watchtower
from watchtower.edges._message import Incoming, value_of, written
from watchtower.nouns.errors import ConfigError, Problem, ShadowError, Unavailable

_PIECE = 1 << 20
_LAST_WORDS = 3
_GONE = 10
"""Seconds within which a process that was killed is gone."""
SILENT = {"ORT_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
"""onnxruntime reports its use to its makers unless told not to before it is imported; we phone nobody."""


class Child:
    """A process that stays warm between calls; made at the first call, and again after it died. Used by one thread.

    Args:
        env: variables on top of this process's own.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._beside: socket.socket | None = None

    def call(self, target: str, argument: object, *, time_limit: timedelta) -> object:
        """What ``module:name`` makes of *argument* in the child; a class is made once and called again and again.

        ShadowError where it raises, crashes (with its last words) or takes longer than *time_limit* (it is killed);
        ConfigError where it found a file wrong; Unavailable where the machine gives us no process.
        """
        deadline = time.monotonic() + time_limit.total_seconds()
        try:
            return _opened(self._exchange((target, argument), deadline))
        except TimeoutError as late:
            self.close()
            msg = f"{target} took over {time_limit.total_seconds():g} s and was ended"
            raise ShadowError(msg) from late
        except (EOFError, BrokenPipeError) as gone:
            words = self._last_words()
            msg = f"{target} ended by itself ({self._how_it_ended()})" + (f": {words}" if words else "")
            self.close()
            raise ShadowError(msg) from gone
        except OSError as refused:  # no memory or no descriptors for another process: that says nothing of what was to run
            self.close()
            msg = f"no child process can be had: {refused.strerror or type(refused).__name__}"
            raise Unavailable(msg) from refused

    def close(self) -> None:
        """Ends the child; the next call starts a fresh one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that hangs in a driver cannot even be killed: it is left behind
                process.wait(_GONE)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _let_go(pipe)
        if self._stderr is not None:
            _let_go(self._stderr)
            self._stderr = None
        if self._beside is not None:
            self._beside.close()

    def kill(self) -> None:
        """Ends the process alone, from any thread: a call that is under way hears of it and tidies up itself."""
        process = self._process
        if process is not None:
            process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the child
        self._beside, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "watchtower.edges._child", str(os.getpid()), str(theirs.fileno())]
        environment = _environment(self._env)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own command
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, env=environment, bufsize=0, pass_fds=[theirs.fileno()]
            )
        _widened((self._process.stdin, self._process.stdout))
        return self._process

    def _exchange(self, request: object, deadline: float) -> list[bytearray]:
        process = self._started()
        parts = written(request, self._beside)
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            selector.register(process.stdout, selectors.EVENT_READ)
            return _trade(selector, parts, deadline)

    def _last_words(self) -> str:
        if self._stderr is None:
            return ""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - 4000))
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return " / ".join(line.strip()[:300] for line in lines[-_LAST_WORDS:])

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(_GONE) if self._process is not None else 0
        except subprocess.TimeoutExpired:  # its pipes are closed, but a driver holds it
            return f"it answers no more, and is not gone after {_GONE} s"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def call(target: str, argument: object, *, time_limit: timedelta, env: Mapping[str, str] | None = None) -> object:
    """As :meth:`Child.call` in a process of its own, which ends afterwards."""
    child = Child(env)
    try:
        return child.call(target, argument, time_limit=time_limit)
    finally:
        child.close()


def _trade(selector: selectors.BaseSelector, request: list[memoryview], deadline: float) -> list[bytearray]:
    """Sends the request and reads one answer; TimeoutError, EOFError."""
    unsent, answer = [part for part in reversed(request) if part.nbytes], Incoming()
    while not answer.whole:
        ready = selector.select(max(0.0, deadline - time.monotonic()))
        if time.monotonic() >= deadline:
            raise TimeoutError
        for key, events in ready:
            if not events & selectors.EVENT_WRITE:
                answer.read(key.fd)
            elif unsent:
                part = unsent.pop()
                rest = part[os.write(key.fd, part[:_PIECE]) :]
                if rest:
                    unsent.append(rest)
            else:
                selector.unregister(key.fileobj)
    return answer.parts


def _opened(answer: list[bytearray]) -> object:
    how, value = cast("tuple[str, object]", value_of(answer))
    if how == "problems":
        raise ConfigError([each for each in cast("list[object]", value) if isinstance(each, Problem)])
    if how == "failed":
        raise ShadowError(str(value))
    return value


def _widened(pipes: Sequence[IO[bytes] | None]) -> None:
    """A mebibyte in flight in place of 64 KiB, where the kernel lets us: fewer turns of both sides."""
    for pipe in pipes:
        if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIECE)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Our own variables, no telemetry, one thread for numpy, and the place that we were imported from where that is no site-packages."""
    root = Path(watchtower.__file__).resolve().parent.parent
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if root.name not in {"site-packages", "dist-packages"}:
        paths.append(str(root))
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **SILENT, "PYTHONPATH": os.pathsep.join(paths), **extra}


def _let_go(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:  # what was still unsent no longer matters
        return
