"""A meter that is read now and then: what it shows stands beside the windows of its time."""

import logging
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.meters.exports import dcgm
from tests.servers.exporter import Exporter
from watchtower.edges.clock import ManualClock
from watchtower.meters.prometheus import Prometheus
from watchtower.nouns.readings import Readings
from watchtower.store import Store
from watchtower.workers.metering import Metering, ReadingsOf

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/w.db", now=ManualClock(TEN).now)
    yield opened
    opened.close()


def metering(exporter: Exporter, store: Store, outcomes: list[str] | None = None) -> Metering:
    meter = Prometheus.model_validate({"url": exporter.url, "preset": "dcgm"})
    counted = [] if outcomes is None else outcomes
    return Metering("gpus", "prometheus", meter.open(), store, MINUTE, lambda _name, outcome: counted.append(outcome))


def loads(readings: Readings) -> dict[datetime, tuple[int, float]]:
    series = readings.of("gpu.utilization")["0"]
    return {window.start: (each.n, each.total) for window, each in zip(series.windows, series.summaries, strict=True)}


def within(store: Store, model: str = "fraud", globs: tuple[str, ...] = ("*",)) -> Readings:
    return ReadingsOf(store, {"gpus": globs}).within(model, TEN, TEN + 9 * MINUTE)


def test_readings_are_added_up_by_the_windows_of_the_clock(store: Store) -> None:
    with Exporter({"/metrics": dcgm()}) as exporter:
        one = metering(exporter, store)
        for seconds in (0, 10, 59.999, 60, 125):
            assert one.step(TEN + timedelta(seconds=seconds))
    found = loads(within(store))
    assert found == {TEN: (3, pytest.approx(3 * 0.87)), TEN + MINUTE: (1, 0.87), TEN + 2 * MINUTE: (1, 0.87)}


def test_a_restart_adds_to_what_was_read_before(store: Store) -> None:
    with Exporter({"/metrics": dcgm()}) as exporter:
        for seconds in (0, 10):
            metering(exporter, store).step(TEN + timedelta(seconds=seconds))
    assert loads(within(store)) == {TEN: (2, 1.74)}


def test_a_meter_that_fails_is_told_once_with_its_reason_and_tried_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="watchtower.workers.metering")
    outcomes: list[str] = []
    with Exporter({"/metrics": dcgm()}, status=503) as exporter:
        one = metering(exporter, store, outcomes)
        one.step(TEN)
        one.step(TEN + timedelta(seconds=10))
        reason = within(store).absence("gpu.power")
        failed = store.status()["meters"]
        exporter.status = 200
        one.step(TEN + timedelta(seconds=20))
    where = exporter.url.removesuffix("/metrics")
    assert reason == f"{where} answered 503"
    assert failed == [{"name": "gpus", "kind": "prometheus", "last": None, "error": reason, "tried": "2026-11-20T10:00:10Z"}]
    assert store.status()["meters"] == [{"name": "gpus", "kind": "prometheus", "last": "2026-11-20T10:00:20Z", "error": None, "tried": "2026-11-20T10:00:20Z"}]
    assert outcomes == ["failed", "failed", "read"]
    assert [record.message.split()[0] for record in caplog.records] == ["meter_failed", "meter_recovered"]


def test_what_the_store_could_not_take_is_added_to_what_comes_next(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "w.db") as other:
        other.execute("ALTER TABLE readings RENAME TO away")
        with Exporter({"/metrics": dcgm()}) as exporter:
            one = metering(exporter, store)
            assert not one.step(TEN)
            other.execute("ALTER TABLE away RENAME TO readings")
            assert one.step(TEN + timedelta(seconds=10))
    other.close()
    assert loads(within(store)) == {TEN: (2, 1.74)}


def test_a_meter_is_of_the_models_that_its_machines_serve(store: Store) -> None:
    with Exporter({"/metrics": dcgm()}) as exporter:
        metering(exporter, store).step(TEN)
    assert "0" in within(store, "fraud-eu", ("fraud-*",)).of("gpu.power")
    assert within(store, "credit", ("fraud-*",)).absence("gpu.power") == "no meter is of model 'credit'"
    assert ReadingsOf(store, {}).within("credit", TEN, TEN + MINUTE).absence("gpu.power") == "no meters configured"
    assert ReadingsOf(store, {"gpus": ("*",)}).within("credit", TEN + MINUTE, TEN + 2 * MINUTE).absence("gpu.power") == "no readings in this window"


def test_a_closed_meter_reads_no_more(store: Store) -> None:
    with Exporter({"/metrics": dcgm()}) as exporter:
        one = metering(exporter, store)
        one.close()
        assert not one.step(TEN)
        assert exporter.asked == []
