"""Drills, in the daemon's scheduler."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Thread

from apscheduler.schedulers.background import BackgroundScheduler

from watchtower.nouns.errors import Unavailable
from watchtower.workers.base import Worker

log = logging.getLogger(__name__)
LOOK = 15
"""Seconds between two looks at what is due; a look that finds nothing due reads a little of the store."""
SOON = timedelta(seconds=3)


def drill_regularly(jobs: BackgroundScheduler, drills: Worker, now: Callable[[], datetime], name: str = "drills", every: int = LOOK) -> None:
    """One job (of another *name* where it is another slow look), the first look shortly after the start."""
    begin = Driller(drills, now, name).begin
    jobs.add_job(begin, "interval", seconds=every, id=name, max_instances=1, coalesce=True, next_run_time=now() + SOON)


@dataclass(slots=True)
class Driller:
    """Drills in a thread of its own, which nobody waits for: a target that hangs must keep neither heartbeat nor end."""

    drills: Worker
    now: Callable[[], datetime]
    name: str = "drills"
    thread: Thread | None = None

    def begin(self) -> None:
        """Begins a look, unless the last one is still under way."""
        if self.thread is None or not self.thread.is_alive():
            self.thread = Thread(target=self._look, name=self.name, daemon=True)
            self.thread.start()

    def _look(self) -> None:
        try:
            self.drills.step(self.now())
        except Unavailable as away:
            log.warning("%s_missed reason=%s", self.name, away)
        except Exception:
            log.exception("%s_crashed (tried again)", self.name)
