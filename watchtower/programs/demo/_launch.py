"""Starts a command that ends with its parent: ``python -m watchtower.programs.demo._launch PARENT COMMAND…``."""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def main() -> None:
    """Asks the kernel for SIGTERM when the parent ends (Linux only), then becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        return
    os.execv(command[0], command)  # noqa: S606  our own command


if __name__ == "__main__":
    main()
