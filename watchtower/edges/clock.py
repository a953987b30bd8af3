"""The only caller of the wall clock; one is handed to all, and tests and replay hand out their own."""

from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        """This moment, aware, in UTC."""
        return datetime.now(UTC)


class ManualClock(Clock):
    """A clock that stands until it is moved: tests, and replay, where only event time passes."""

    def __init__(self, start: datetime) -> None:
        """Stands at *start*, an aware moment."""
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The moment that it was set to last."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Stands at *moment* from now on."""
        self._now = moment.astimezone(UTC)

    def advance(self, by: timedelta) -> datetime:
        """Moves by *by* and gives the new moment."""
        self._now += by
        return self._now
