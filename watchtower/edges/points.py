"""Named points at which a test may have the process killed, as `kill -9` would, or stopped, as a machine that hangs is."""

import os
import signal

VARIABLE = "WATCHTOWER_KILL_AT"
STOP = "WATCHTOWER_STOP_AT"
"""Of :data:`VARIABLE`'s form; the process stops there until it gets SIGCONT, and then goes on as if no time had passed."""
_SIGNS = ((VARIABLE, signal.SIGKILL), (STOP, signal.SIGSTOP))


def reached(name: str) -> None:
    """Kills this process with SIGKILL where ``WATCHTOWER_KILL_AT`` says *name*, or ``name#k`` and this is the k-th time; stops it for ``WATCHTOWER_STOP_AT``.

    How many times are left is kept in the environment itself, so that there is no other state; unset, it costs two look-ups.
    """
    for variable, sign in _SIGNS:
        wanted = os.environ.get(variable)
        if wanted is not None and _is_now(variable, wanted, name):
            os.kill(os.getpid(), sign)


def _is_now(variable: str, wanted: str, name: str) -> bool:
    point, _, times = wanted.partition("#")
    if point != name:
        return False
    if int(times or 1) > 1:
        os.environ[variable] = f"{name}#{int(times) - 1}"
        return False
    del os.environ[variable]
    return True
