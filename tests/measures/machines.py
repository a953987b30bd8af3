"""Readings made by hand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from watchtower.nouns.readings import NOTHING, Metered, Readings, Summary, together
from watchtower.nouns.score import View
from watchtower.nouns.window import Window

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Told = Mapping[tuple[str, str], tuple[float | str, ...]]
"""(measure, subject) -> what was read in one window."""


def minute(n: int) -> Window:
    return Window(TEN + n * MINUTE, TEN + (n + 1) * MINUTE)


def read(*windows: Told, meter: str = "nvml") -> Readings:
    """One mapping a minute from ten o'clock on."""
    rows = [
        Metered(minute(n), meter, measure, subject, together(Summary.of(value) for value in values))
        for n, window in enumerate(windows)
        for (measure, subject), values in window.items()
    ]
    return Readings(rows, NOTHING)


def seen(of: View, *windows: Told) -> View:
    """The view with these readings."""
    return replace(of, readings=read(*windows), end=minute(len(windows) - 1).end)
