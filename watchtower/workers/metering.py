"""Reads one meter now and then, and puts what it showed beside the windows of its time."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from watchtower.meters import MeterSession
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.readings import NO_METERS, NOTHING, Metered, MeterReading, Readings, Summary
from watchtower.nouns.score import matches
from watchtower.nouns.window import Window, micros, window_of
from watchtower.store import Store

log = logging.getLogger(__name__)
Key = tuple[Window, str, str]
PATIENCE = 0.5
"""Seconds that closing waits for a reading that is under way."""
MOST_WAITING = 50_000
"""Summaries that wait while the store cannot be written; the oldest windows' go first."""


@dataclass(slots=True)
class Metering:
    """One open meter; called by one thread at a time.

    Attributes:
        name: what status and logs call it.
        kind: its kind.
        session: the open meter.
        store: where what it shows is kept.
        size: of the base windows; a reading belongs to the window in which it was read, by the clock.
        counted: told of every reading: the meter's name, and its outcome, read or failed.
    """

    name: str
    kind: str
    session: MeterSession
    store: Store
    size: timedelta
    counted: Callable[[str, str], None] = field(default=lambda _name, _outcome: None)
    last: datetime | None = None
    error: str | None = None
    _waiting: dict[Key, Summary] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)
    _closed: bool = False

    def step(self, now: datetime) -> bool:
        """Reads once and stores it; a meter that cannot be read is told by its reason, logged when that changes, and tried again the next time."""
        with self._turn:
            return not self._closed and self._read(now)

    def close(self) -> None:
        """Lets go of the meter, unless it is being read just now and does not get done: then the end of the process does."""
        self._closed = True
        if self._turn.acquire(timeout=PATIENCE):
            self.session.close()
            self._turn.release()

    def _read(self, now: datetime) -> bool:
        window = window_of(micros(now) // _micros(self.size) * _micros(self.size), self.size)
        try:
            readings = self.session.read(now)
        except Unavailable as away:
            self._failed(str(away))
            readings = [MeterReading("", "", str(away))]
        else:
            self._worked(now)
        for each in readings:
            key = (window, each.measure, each.subject)
            self._waiting[key] = self._waiting.get(key, Summary()).then(Summary.of(each.value))
        self._bound()
        return not self._closed and self._stored(now)

    def _stored(self, now: datetime) -> bool:
        """Whether all that waited is in the store; what is not is added to what comes next."""
        rows = [Metered(window, self.name, measure, subject, summary) for (window, measure, subject), summary in self._waiting.items()]
        told = {"kind": self.kind, "last": self.last, "error": self.error}
        try:
            self.store.readings.add(rows, self.name, now, told)
        except Unavailable as away:
            log.warning("readings_kept_back meter=%s rows=%d reason=%s", self.name, len(rows), away)
            return False
        self._waiting.clear()
        return True

    def _bound(self) -> None:
        while len(self._waiting) > MOST_WAITING:
            oldest = min(window for window, _, _ in self._waiting)
            gone = [key for key in self._waiting if key[0] == oldest]
            log.warning("readings_dropped meter=%s window=%s rows=%d", self.name, oldest.end, len(gone))
            for key in gone:
                del self._waiting[key]

    def _failed(self, reason: str) -> None:
        if reason != self.error:
            log.warning("meter_failed meter=%s reason=%s", self.name, reason)
        self.error = reason
        self.counted(self.name, "failed")

    def _worked(self, now: datetime) -> None:
        if self.error is not None:
            log.info("meter_recovered meter=%s", self.name)
        self.last, self.error = now, None
        self.counted(self.name, "read")


@dataclass(frozen=True, slots=True)
class ReadingsOf:
    """What the evaluator asks: the readings of the machines that serve a model.

    *meters* maps a meter's name to the globs of the models that its machines serve.
    """

    store: Store
    meters: Mapping[str, Collection[str]]

    def within(self, model: str, start: datetime, end: datetime) -> Readings:
        """The readings of windows in [*start*, *end*), or why there are none."""
        mine = [name for name, globs in self.meters.items() if any(matches(glob, model) for glob in globs)]
        if not mine:
            return Readings(reason=NO_METERS if not self.meters else f"no meter is of model {model!r}")
        return Readings(self.store.readings.within(start, end, mine), NOTHING)


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
