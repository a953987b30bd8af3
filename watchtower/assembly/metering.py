"""Meters: what reads machines, and what the evaluator knows of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from watchtower.config.settings import Settings
from watchtower.edges.metrics import Metrics
from watchtower.meters import Meter
from watchtower.store import Store
from watchtower.workers.metering import Metering, ReadingsOf


@dataclass(frozen=True, slots=True)
class Regularly:
    """A meter that is read every *seconds*."""

    metering: Metering
    seconds: float


def build_meters(settings: Settings, store: Store, metrics: Metrics) -> tuple[Regularly, ...]:
    """Opened, and not yet read. ConfigError where a meter's package is not installed."""
    named = list(_named(settings))
    store.readings.keep_only(name for name, _ in named)
    for name, _ in named:
        for outcome in ("read", "failed"):
            metrics.meter_read(name, outcome, 0)
    return tuple(
        Regularly(Metering(name, meter.kind_name(), meter.open(), store, settings.window.size, metrics.meter_read), meter.every.total_seconds())
        for name, meter in named
    )


def build_readings(settings: Settings, store: Store) -> ReadingsOf:
    """What the evaluator asks."""
    return ReadingsOf(store, {name: meter.models for name, meter in _named(settings)})


def _named(settings: Settings) -> Iterator[tuple[str, Meter]]:
    """Each meter under a name of its own: what they read is kept by it."""
    taken: set[str] = set()
    for meter in settings.meters:
        title, number = meter.title(), 1
        while (name := title if number == 1 else f"{title} {number}") in taken:
            number += 1
        taken.add(name)
        yield name, meter
