"""A store on a file, a clock that stands, and small nouns to put into it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from watchtower.edges.clock import ManualClock
from watchtower.nouns.profile import Delta, Profile, Totals
from watchtower.nouns.window import Key, Partition, Progress, Span, Window, micros
from watchtower.store import Store

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(TEN)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/watchtower.db"


@pytest.fixture
def store(url: str, clock: ManualClock) -> Iterator[Store]:
    opened = Store.open(url, now=clock.now)
    yield opened
    opened.close()


@pytest.fixture
def window() -> Callable[[int], Window]:
    """The n-th minute from ten o'clock on."""
    return lambda n: Window(TEN + n * MINUTE, TEN + (n + 1) * MINUTE)


@pytest.fixture
def profile() -> Callable[..., Profile]:
    """A profile of so many rows, all in the first of three cells, from positions *first* on."""

    def make(rows: int, *, binning: str = "b1", first: int = 0) -> Profile:
        size = 3 if binning else 0
        cells = np.zeros(size, dtype=np.int64)
        cells[:1] = rows
        spans = (Span(Partition("predictions"), first, first + rows - 1),)
        return Profile(
            binning, rows, float(rows), cells, np.ones((size and 1, 5)), np.zeros((size and 1, 2), dtype=np.int64), statuses={"ok": float(rows)}, spans=spans
        )

    return make


@pytest.fixture
def delta(window: Callable[[int], Window], profile: Callable[..., Profile]) -> Callable[..., Delta]:
    """What a checkpoint adds: *rows* of fraud 7 in the n-th minute, read from *old* to *new*."""

    def make(rows: int, n: int, old: int | None, new: int, *, late: int = 0, closed: datetime | None = None, binning: str = "b1") -> Delta:
        key = Key("fraud", "7", "", window(n))
        return Delta(
            profiles={key: profile(rows, binning=binning, first=old or 0)} if rows else {},
            late={key: profile(late, binning=binning, first=old or 0)} if late else {},
            totals={("fraud", "7"): Totals(predictions=rows + late, late=late)},
            rejected=(),
            progress={Partition("predictions"): (None if old is None else Progress(old), Progress(new, end=new))},
            closed_through=None if closed is None else micros(closed),
        )

    return make
