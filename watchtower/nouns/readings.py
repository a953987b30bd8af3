"""What meters read of machines: readings, their summaries by window, and why there are none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from watchtower.nouns.window import Window

NO_METERS = "no meters configured"
IN_A_REPLAY = "no meters in a replay"
NOTHING = "no readings in this window"


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One number that a meter read just now.

    Attributes:
        measure: the measure that it goes into, such as ``gpu.utilization``, in that measure's unit.
        subject: a device, an instance or a node; "" where there is only one.
        value: the number; a text is the reason why there is none.
    """

    measure: str
    subject: str
    value: float | str


@dataclass(frozen=True, slots=True)
class Summary:
    """Readings of one (measure, subject) within a window: how many, their sum, extremes, first and last; *reason* why the last one gave no number."""

    n: int = 0
    total: float = 0.0
    smallest: float = 0.0
    largest: float = 0.0
    first: float = 0.0
    last: float = 0.0
    reason: str = ""

    @classmethod
    def of(cls, value: float | str) -> "Summary":
        """Of a single reading, or of the reason why there is none."""
        return cls(reason=value) if isinstance(value, str) else cls(1, value, value, value, value, value)

    @property
    def mean(self) -> float:
        """The mean; ZeroDivisionError where nothing was read."""
        return self.total / self.n

    def then(self, later: "Summary") -> "Summary":
        """This one and a *later* one together."""
        reason = later.reason if later.n or later.reason else self.reason
        if not (self.n and later.n):
            return replace(self if self.n else later, reason=reason)
        smallest, largest = min(self.smallest, later.smallest), max(self.largest, later.largest)
        return Summary(self.n + later.n, self.total + later.total, smallest, largest, self.first, later.last, reason)


@dataclass(frozen=True, slots=True)
class Metered:
    """What one meter read of one (measure, subject) in one window; measure "" stands for the meter itself, with the reason why it read nothing."""

    window: Window
    meter: str
    measure: str
    subject: str
    summary: Summary


@dataclass(frozen=True, slots=True)
class Readings:
    """What meters read over some windows, oldest first; *reason* says why there are none at all."""

    rows: Sequence[Metered] = ()
    reason: str = NO_METERS

    def since(self, start: datetime) -> "Readings":
        """Those of windows that begin at *start* or later."""
        return Readings([row for row in self.rows if row.window.start >= start], self.reason)

    def of(self, measure: str) -> Mapping[str, "Series"]:
        """The readings of *measure*, by subject; those of several meters of one subject are taken together."""
        found: dict[str, Series] = {}
        for row in self.rows:
            if row.measure == measure:
                found.setdefault(row.subject, Series()).add(row)
        return found

    def absence(self, measure: str) -> str:
        """Why *measure* has no reading at all."""
        told = [row.summary.reason for row in self.rows if not row.measure and row.summary.reason]
        if told:
            return told[-1]
        return f"no meter reads {measure}" if self.rows else self.reason


@dataclass(slots=True)
class Series:
    """One subject's summaries, window by window; filled by :meth:`Readings.of` and not changed after that."""

    windows: list[Window] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)

    def add(self, row: Metered) -> None:
        """Appends the next window's, or adds to the last one's."""
        if self.windows and self.windows[-1] == row.window:
            self.summaries[-1] = self.summaries[-1].then(row.summary)
        else:
            self.windows.append(row.window)
            self.summaries.append(row.summary)

    @property
    def whole(self) -> Summary:
        """All windows together."""
        return together(self.summaries)


def together(summaries: Iterable[Summary]) -> Summary:
    """The summary of all of them, in order of time."""
    whole = Summary()
    for each in summaries:
        whole = whole.then(each)
    return whole
