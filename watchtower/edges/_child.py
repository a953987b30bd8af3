"""A child process: answers calls that come over its standard input until that ends, and dies with its parent.

A message is a pickle and the arrays that it refers to, which are written and read where they lie, uncopied: eight bytes (big-endian) that say how many
parts there are, as many for the length of each, then the parts. Both ends are ours. A request is (target, argument); an answer is ("returned", value),
("problems", problems) or ("failed", words). A target that is a class is made once and kept.
"""

import contextlib
import ctypes
import importlib
import io
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from watchtower.nouns.errors import ConfigError, WatchtowerError

LENGTH = 8
_SET_PARENT_DEATH_SIGNAL = 1


def parts_of(value: object) -> list[memoryview]:
    """*value* as the parts of one message, behind their head."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
    parts = [memoryview(body), *(each.raw() for each in buffers)]
    sizes = (len(parts), *(each.nbytes for each in parts))
    return [memoryview(b"".join(each.to_bytes(LENGTH, "big") for each in sizes)), *parts]


def value_of(parts: Sequence[bytearray]) -> object:
    """What :func:`parts_of` took apart, without the head."""
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301  the other end is ours


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


def read_messages(stream: BinaryIO, into: "queue.SimpleQueue[list[bytearray]]") -> None:
    """Hands on every message; the end of the stream means that the parent is gone or done, so this process ends at once, whatever it was doing."""
    try:
        while True:
            count = int.from_bytes(_read(stream, LENGTH), "big")
            sizes = _read(stream, count * LENGTH)
            into.put([_read(stream, int.from_bytes(sizes[at : at + LENGTH], "big")) for at in range(0, len(sizes), LENGTH)])
    except EOFError:
        os._exit(0)


def _read(stream: BinaryIO, size: int) -> bytearray:
    found = bytearray(size)
    view, at = memoryview(found), 0
    while at < size:
        more = cast("io.BufferedReader", stream).readinto(view[at:])
        if not more:
            raise EOFError
        at += more
    return found


def perform(request: Sequence[bytearray], kept: dict[str, Callable[[object], object]]) -> tuple[str, object]:
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
    requests = cast("BinaryIO", os.fdopen(os.dup(0), "rb"))
    answers = cast("BinaryIO", os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    waiting: queue.SimpleQueue[list[bytearray]] = queue.SimpleQueue()
    threading.Thread(target=read_messages, args=(requests, waiting), daemon=True).start()
    kept: dict[str, Callable[[object], object]] = {}
    while True:
        answer = perform(waiting.get(), kept)
        for part in parts_of(answer):
            answers.write(part)
        answers.flush()


if __name__ == "__main__":
    main()
