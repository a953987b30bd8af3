"""Commands of operators: an argument list, never a shell string; bounded in time and output, and gone when the daemon is."""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from watchtower.edges import _leash
from watchtower.nouns.errors import Unavailable

KEPT = 32_768
"""Bytes of each of the two streams that are kept, the last ones."""
_PIECE = 1 << 16
_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended.

    Attributes:
        code: its exit code; -N where signal N ended it; None where the time limit did, or where it could not be started.
        out: the end of what it wrote to standard output.
        err: likewise of standard error; why it could not be started, where it could not.
        cut: whether more had been written than is kept.
        started: whether there was such a command.
    """

    code: int | None
    out: bytes = b""
    err: bytes = b""
    cut: bool = False
    started: bool = True


class _Tail:
    """The last bytes of a stream."""

    def __init__(self) -> None:
        self.kept = b""
        self.cut = False

    def add(self, piece: bytes) -> None:
        self.kept += piece
        self.cut = self.cut or len(self.kept) > KEPT
        self.kept = self.kept[-KEPT:]


def run(argv: Sequence[str], *, env: Mapping[str, str], folder: Path, seconds: float) -> Ran:
    """Runs *argv* in *folder* with exactly the variables *env*; its whole process group is killed after *seconds*, and with this process.

    A program without a slash is looked for in *env*'s PATH, one with a slash from *folder*. Processes that it puts into a session of their own escape.
    """
    reading, writing = os.pipe()
    try:
        leash = subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-I", "-S", _leash.__file__, str(writing)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(writing,),
            start_new_session=True,
        )
    except OSError as wrong:
        os.close(reading)
        os.close(writing)
        msg = f"{argv[0]} could not be started: {wrong.strerror}"
        raise Unavailable(msg) from None
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as report:
        try:
            return _followed(leash, report, _order(argv, env, folder), monotonic() + seconds)
        finally:
            _let_go(leash)


def _order(argv: Sequence[str], env: Mapping[str, str], folder: Path) -> bytes:
    body = json.dumps({"argv": list(argv), "env": dict(env), "folder": str(folder)}).encode()
    return len(body).to_bytes(_leash.LENGTH, "big") + body


def _followed(leash: "subprocess.Popen[bytes]", report: IO[bytes], order: bytes, until: float) -> Ran:
    """Reads both streams until the leash has said how the command ended, or the time is up."""
    assert leash.stdin is not None
    with suppress(OSError):  # it died; the report is empty then
        leash.stdin.write(order)
        leash.stdin.flush()
    out, err = _Tail(), _Tail()
    with selectors.DefaultSelector() as selector:
        for stream, tail in ((leash.stdout, out), (leash.stderr, err), (report, None)):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, tail)
        said = _listen(selector, until)
        if said is None:
            with suppress(OSError):
                leash.stdin.close()
            _listen(selector, monotonic() + _GRACE)
    return _told(said, out, err)


def _told(said: bytes | None, out: _Tail, err: _Tail) -> Ran:
    if said is None:
        return Ran(None, out.kept, err.kept, out.cut or err.cut)
    word, _, rest = said.decode(errors="replace").partition(" ")
    if word == "unstarted":
        return Ran(None, err=rest.encode(), started=False)
    if word not in {"exit", "signal"}:
        msg = "a command was ended from outside before it could say how it went"
        raise Unavailable(msg)
    return Ran(int(rest) if word == "exit" else -int(rest), out.kept, err.kept, out.cut or err.cut)


def _listen(selector: selectors.BaseSelector, until: float) -> bytes | None:
    """What the report (the stream without a tail) says, once it says it, and what the others hold then; None where the time is up before.

    Streams that a process which escaped still holds are not waited for.
    """
    said: bytes | None = None
    while (left := until - monotonic()) > 0:
        ready = selector.select(0.0 if said is not None else left)
        if not ready and said is not None:
            break
        for key, _ in ready:
            piece = os.read(key.fd, _PIECE)
            tail: _Tail | None = key.data
            if tail is None:
                said = piece
            else:
                tail.add(piece)
            if tail is None or not piece:
                selector.unregister(key.fileobj)
    return said


def _let_go(leash: "subprocess.Popen[bytes]") -> None:
    for stream in (leash.stdin, leash.stdout, leash.stderr):
        with suppress(OSError):  # what was still unsent no longer matters
            if stream is not None:
                stream.close()
    try:
        leash.wait(_GRACE)
    except subprocess.TimeoutExpired:
        leash.kill()
        leash.wait()
