"""Named points at which a test may have the process killed, as `kill -9` would."""

import os
import signal

VARIABLE = "WATCHTOWER_KILL_AT"


def reached(name: str) -> None:
    """Kills this process with SIGKILL where ``WATCHTOWER_KILL_AT`` says *name*, or ``name#k`` and this is the k-th time.

    How many times are left is kept in the environment itself, so that there is no other state; unset, it costs one look-up.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    point, _, times = wanted.partition("#")
    if point != name:
        return
    if int(times or 1) > 1:
        os.environ[VARIABLE] = f"{name}#{int(times) - 1}"
        return
    os.kill(os.getpid(), signal.SIGKILL)
