"""Named points at which a test may have the process killed, as `kill -9` would, or stopped, as a machine that hangs is."""

import os
import signal

VARIABLE = "WATCHTOWER_KILL_AT"
STOP = "WATCHTOWER_STOP_AT"
"""Of :data:`VARIABLE`'s form; the process stops there until it gets SIGCONT, and then goes on as if no time had passed."""
_RECORDED = ("judged", "approved", "prepared", "switched", "switch_failed", "unreached", "frozen", "stopped", "deadline_passed", "cleared", "asked")
PLAN_POINTS = (
    *(f"plan.{when}_commit.{kind}" for kind in _RECORDED for when in ("before", "after")),
    *("evaluation.before_commit", "evaluation.after_commit", "plan.verified"),
    *("switch.before_state", "switch.after_state", "switch.before_call", "switch.confirmed", "switch.after_call"),
)
"""Every point that a plan passes: before and after each fact is committed, before and after its target is asked and called, after it is verified."""
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
