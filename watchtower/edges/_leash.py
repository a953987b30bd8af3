"""Holds one command on a leash: whatever ends the daemon ends the command and all that it started, and so does its time limit.

Run as a program of its own (the standard library alone, so that it starts at once). It reads one frame from standard input: eight bytes of length
(big-endian) and JSON {argv, env, folder}; starts the command in a session of its own; and writes how it ended to the descriptor that its argument
names, as `exit N`, `signal N` or `unstarted WHY`. The end of standard input, which comes when the daemon closes it or dies, kills the command's
process group. What the command leaves running in its group when it ends is killed too: nothing of it goes on unseen.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import BinaryIO

LENGTH = 8
_SET_PARENT_DEATH_SIGNAL = 1


def _die_with_the_leash() -> None:
    """The command itself dies even where the leash is killed; Linux only, elsewhere the end of standard input must do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _end(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _watch(standard_input: BinaryIO, group: int) -> None:
    """Kills *group* when standard input ends."""
    standard_input.read(1)
    _end(group)


def _how(code: int) -> str:
    return f"exit {code}" if code >= 0 else f"signal {-code}"


def _ran(standard_input: BinaryIO) -> str:
    order = json.loads(standard_input.read(int.from_bytes(standard_input.read(LENGTH), "big")))
    try:
        process = subprocess.Popen(  # noqa: S603  an operator's own command, as a list
            order["argv"],
            env=order["env"],
            cwd=order["folder"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_the_leash,  # noqa: PLW1509  this process has one thread until it started
        )
    except (OSError, ValueError) as wrong:
        return f"unstarted {getattr(wrong, 'strerror', None) or wrong}"
    threading.Thread(target=_watch, args=(standard_input, process.pid), daemon=True).start()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # not reaped yet, so that its group's number is still its own
    _end(process.pid)
    return _how(process.wait())


def main() -> None:
    """Runs one command and says how it ended."""
    os.write(int(sys.argv[1]), _ran(sys.stdin.buffer).encode(errors="replace"))
    os._exit(0)


if __name__ == "__main__":
    main()
