"""Reading meters regularly, in the daemon's scheduler."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Thread

from apscheduler.schedulers.background import BackgroundScheduler

from watchtower.assembly.metering import Regularly
from watchtower.workers.metering import Metering

log = logging.getLogger(__name__)


def read_regularly(jobs: BackgroundScheduler, meters: Sequence[Regularly], now: Callable[[], datetime]) -> None:
    """A job a meter, the first reading at once."""
    for each in meters:
        reader = Reader(each.metering, now)
        jobs.add_job(reader.begin, "interval", seconds=each.seconds, id=f"meter {each.metering.name}", max_instances=1, coalesce=True, next_run_time=now())


@dataclass(slots=True)
class Reader:
    """Reads in a thread of its own, which the process does not wait for: a driver or a name server that hangs must keep neither heartbeat nor end."""

    metering: Metering
    now: Callable[[], datetime]
    thread: Thread | None = None

    def begin(self) -> None:
        """Begins a reading, unless the last one is still under way."""
        if self.thread is not None and self.thread.is_alive():
            log.warning("meter_skipped meter=%s reason=the last reading is still under way", self.metering.name)
            return
        self.thread = Thread(target=self._read, name=f"meter {self.metering.name}", daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            self.metering.step(self.now())
        except Exception:
            log.exception("meter_crashed meter=%s (it is read again the next time)", self.metering.name)
