"""Readings that hang or crash keep nothing else from its turn."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from watchtower.assembly.metering import Regularly
from watchtower.edges.clock import Clock, ManualClock
from watchtower.nouns.readings import MeterReading
from watchtower.programs.metering import Reader, read_regularly
from watchtower.store import Store
from watchtower.workers.metering import Metering

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


class Script:
    """A meter of a third party that does what it is told."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.reads = 0

    def read(self, now: datetime) -> Sequence[MeterReading]:
        del now
        self.reads += 1
        self.act()
        return [MeterReading("resource.queue", "", 3.0)]

    def close(self) -> None:
        """Holds nothing."""


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(TEN).now)
    yield opened
    opened.close()


def metering(script: Script, store: Store) -> Metering:
    return Metering("script", "script", script, store, timedelta(minutes=1))


def test_a_reading_that_hangs_is_not_begun_twice_and_not_waited_for(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    go = Event()

    def hang() -> None:
        go.wait(20)

    script = Script(hang)
    reader = Reader(metering(script, store), ManualClock(TEN).now)
    reader.begin()
    reader.begin()
    assert reader.thread is not None
    assert reader.thread.daemon
    began = monotonic()
    reader.metering.close()
    assert monotonic() - began < 5, "closing waits half a second"
    go.set()
    reader.thread.join(10)
    assert script.reads == 1
    assert [record.message for record in caplog.records] == ["meter_skipped meter=script reason=the last reading is still under way"]


def test_a_reading_that_crashes_is_told_and_tried_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    def crash() -> None:
        msg = "a bug of a third party"
        raise ZeroDivisionError(msg)

    script = Script(crash)
    reader = Reader(metering(script, store), ManualClock(TEN).now)
    for _ in range(2):
        reader.begin()
        assert reader.thread is not None
        reader.thread.join(10)
    assert script.reads == 2
    assert [record.message for record in caplog.records] == ["meter_crashed meter=script (it is read again the next time)"] * 2


def test_the_first_reading_is_at_once_and_the_job_has_the_meters_name(store: Store) -> None:
    read = Event()
    jobs = BackgroundScheduler(timezone="UTC")
    read_regularly(jobs, [Regularly(metering(Script(read.set), store), 3600)], Clock().now)
    jobs.start()
    try:
        assert read.wait(10)
        assert [job.id for job in jobs.get_jobs()] == ["meter script"]
    finally:
        jobs.shutdown()
