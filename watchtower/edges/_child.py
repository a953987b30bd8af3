"""A child process: answers calls that come over its standard input until that ends, and dies with its parent.

See :mod:`watchtower.edges._message` for what travels. A request is (target, argument); an answer is ("returned", value), ("problems", problems) or
("failed", words). A target that is a class is made once and kept.
"""

import contextlib
import ctypes
import importlib
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from watchtower.edges._message import Parts, read, value_of, written
from watchtower.nouns.errors import ConfigError, WatchtowerError

_SET_PARENT_DEATH_SIGNAL = 1


def die_with(parent: int) -> None:
    """Asks the kernel for SIGKILL when the parent ends; Linux only, elsewhere the end of standard input does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def expendable() -> None:
    """Where memory runs out, the kernel ends this process and not the daemon (Linux; anybody may say so of himself)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def read_messages(stream: BufferedReader, beside: socket.socket, into: "queue.SimpleQueue[Parts]") -> None:
    """Hands on every message; the end of the stream means that the parent is gone or done, so this process ends at once, whatever it was doing."""
    try:
        while True:
            into.put(read(stream, beside))
    except (EOFError, OSError):
        os._exit(0)


def perform(request: Parts, kept: dict[str, Callable[[object], object]]) -> tuple[str, object]:
    """Answers one request; what goes wrong is an answer too."""
    try:
        target, argument = cast("tuple[str, object]", value_of(request))
        if target not in kept:
            module, _, name = target.partition(":")
            found = getattr(importlib.import_module(module), name)
            kept[target] = found() if isinstance(found, type) else found
        return "returned", kept[target](argument)
    except ConfigError as error:
        return "problems", error.problems
    except WatchtowerError as error:
        return "failed", str(error)
    except Exception as error:  # noqa: BLE001  the parent must hear of it, whatever it is
        traceback.print_exc()
        return "failed", f"{type(error).__name__}: {error}"


def main() -> None:
    """Serves until standard input ends; nothing but messages is ever written to the parent."""
    die_with(int(sys.argv[1]))
    expendable()
    requests = os.fdopen(os.dup(0), "rb")
    answers = cast("BinaryIO", os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    beside = socket.socket(fileno=int(sys.argv[2]))
    waiting: queue.SimpleQueue[Parts] = queue.SimpleQueue()
    threading.Thread(target=read_messages, args=(requests, beside, waiting), daemon=True).start()
    kept: dict[str, Callable[[object], object]] = {}
    while True:
        answer = perform(waiting.get(), kept)
        for part in written(answer):
            answers.write(part)
        answers.flush()


if __name__ == "__main__":
    main()
