"""Reading meters regularly, in the daemon's scheduler."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from watchtower.assembly.metering import Regularly
from watchtower.workers.metering import Metering

_THREADS = "meters"


def read_regularly(jobs: BackgroundScheduler, meters: Sequence[Regularly], now: Callable[[], datetime]) -> None:
    """A job a meter, the first reading at once. They have threads of their own: one that hangs must not keep the heartbeat from its turn."""
    if not meters:
        return
    jobs.add_executor(ThreadPoolExecutor(len(meters)), _THREADS)
    for each in meters:
        read, name = partial(_read, each.metering, now), f"meter {each.metering.name}"
        jobs.add_job(read, "interval", seconds=each.seconds, id=name, executor=_THREADS, max_instances=1, coalesce=True, next_run_time=now())


def _read(metering: Metering, now: Callable[[], datetime]) -> None:
    metering.step(now())
