"""A child process: answers calls that come over its standard input until that ends, and dies with its parent.

A frame is eight bytes of length (big-endian) and a pickle; both ends are ours. A request is (target, argument); an answer is
("returned", value), ("problems", problems) or ("failed", words). A target that is a class is made once and kept.
"""

import ctypes
import importlib
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import BinaryIO, cast

from watchtower.nouns.errors import ConfigError, WatchtowerError

LENGTH = 8
_SET_PARENT_DEATH_SIGNAL = 1


def frame(value: object) -> bytes:
    """*value* as one frame."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(LENGTH, "big") + body


def die_with(parent: int) -> None:
    """Asks the kernel for SIGKILL when the parent ends; Linux only, elsewhere the end of standard input does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def read_frames(stream: BinaryIO, into: "queue.SimpleQueue[bytes]") -> None:
    """Hands on every frame; the end of the stream means that the parent is gone or done, so this process ends at once, whatever it was doing."""
    while len(head := stream.read(LENGTH)) == LENGTH:
        into.put(stream.read(int.from_bytes(head, "big")))
    os._exit(0)


def perform(request: bytes, kept: dict[str, Callable[[object], object]]) -> tuple[str, object]:
    """Answers one request; what goes wrong is an answer too."""
    try:
        target, argument = pickle.loads(request)  # noqa: S301  our own parent wrote it
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
    """Serves until standard input ends; nothing but frames is ever written to the parent."""
    die_with(int(sys.argv[1]))
    requests = cast("BinaryIO", os.fdopen(os.dup(0), "rb"))
    answers = cast("BinaryIO", os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=read_frames, args=(requests, waiting), daemon=True).start()
    kept: dict[str, Callable[[object], object]] = {}
    while True:
        answer = perform(waiting.get(), kept)
        answers.write(frame(answer))
        answers.flush()


if __name__ == "__main__":
    main()
