"""Workers: each has one step, and a thread that calls it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from watchtower.nouns.errors import Fenced, Unavailable

_log = logging.getLogger(__name__)


class Worker(Protocol):
    """Something that is called again and again; replay and tests call it in turn, the daemon gives it a thread."""

    def step(self, now: datetime) -> bool:
        """Does what is due at *now*; True where it did something (then there may be more). Unavailable, Fenced: see there."""


@dataclass(slots=True)
class Patience:
    """How long something may be away before it is away for good."""

    limit: timedelta
    _since: datetime | None = None

    def after(self, away: Unavailable | None, now: datetime) -> Unavailable | None:
        """What to give up with after one more try at *now* (*away* None: it worked); None: go on."""
        if away is None:
            self._since = None
            return None
        self._since = self._since or now
        if away.for_good:
            return away
        lasted = now - self._since
        return Unavailable(f"{away}, for {lasted.total_seconds():.0f} s now", for_good=True) if lasted >= self.limit else None


class Aside:
    """Jobs that may take minutes, each in a thread of its own, one a name at a time; they end with the process. Asked by one thread."""

    def __init__(self) -> None:
        self._threads: dict[str, threading.Thread] = {}
        self._failed: list[Exception] = []

    def begin(self, name: str, job: Callable[[], object]) -> bool:
        """Begins *job*, unless one of that name is under way; False, since it is not done. Raises what nobody expected of an earlier one."""
        if self._failed:
            raise self._failed.pop(0)
        self._threads = {each: thread for each, thread in self._threads.items() if thread.is_alive()}
        if name not in self._threads:
            self._threads[name] = threading.Thread(target=self._run, args=(name, job), name=f"aside-{name}", daemon=True)
            self._threads[name].start()
        return False

    def _run(self, name: str, job: Callable[[], object]) -> None:
        try:
            job()
        except (Fenced, Unavailable) as waited:  # it is begun again while it is wanted
            _log.info("aside_waited job=%s reason=%s", name, waited)
        except Exception as unexpected:  # noqa: BLE001  raised again where somebody listens
            self._failed.append(unexpected)


class Loop:
    """A named thread that steps one worker until it is stopped.

    Idle steps are *idle* seconds apart, or sooner where :meth:`wake` is called. Unavailable backs off, from *idle* doubling to *longest*
    seconds; Fenced steps again after *idle*. What is for good, and what nobody expected, ends the thread and is handed to *lost* once.
    """

    def __init__(  # noqa: PLR0913  what a thread needs, once, in assembly
        self,
        name: str,
        worker: Worker,
        clock: Callable[[], datetime],
        *,
        lost: Callable[[Exception], None],
        idle: float = 0.1,
        longest: float = 10.0,
    ) -> None:
        self.name = name
        self._worker = worker
        self._clock = clock
        self._lost = lost
        self._idle = idle
        self._longest = longest
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def trouble(self) -> str:
        """Why the last step could not do its work, "" where it could: what `/readyz` says."""
        return self._trouble

    def start(self) -> None:
        """Begins stepping."""
        self._thread.start()

    def wake(self) -> None:
        """Ends the present wait: there is something to do."""
        self._woken.set()

    def stop(self) -> None:
        """Asks the thread to end after its present step."""
        self._stopping.set()
        self._woken.set()

    def join(self, seconds: float) -> bool:
        """Waits at most *seconds* for the thread to end; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = self._idle
        while not self._stopping.is_set():
            try:
                busy = self._worker.step(self._clock())
            except Fenced as fenced:
                _log.info("worker_fenced worker=%s reason=%s", self.name, fenced)
                busy = False
            except Unavailable as away:
                if away.for_good:
                    return self._end(away)
                pause = self._back_off(away, pause)
                continue
            except Exception as unexpected:  # noqa: BLE001  handed to the daemon, which ends: a worker that is gone unseen is worse
                return self._end(unexpected)
            pause, self._trouble = self._idle, ""
            if not busy:
                self._wait(self._idle)
        return None

    def _back_off(self, away: Unavailable, pause: float) -> float:
        if not self._trouble:
            _log.warning("worker_waited worker=%s reason=%s", self.name, away)
        self._trouble = str(away)
        self._stopping.wait(pause)
        return min(pause * 2, self._longest)

    def _end(self, error: Exception) -> None:
        self._trouble = str(error)
        self._lost(error)

    def _wait(self, seconds: float) -> None:
        self._woken.wait(seconds)
        if not self._stopping.is_set():
            self._woken.clear()
