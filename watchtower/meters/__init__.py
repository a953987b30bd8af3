"""Read machines: GPUs, and any number that is served as Prometheus' text or found by PromQL."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import Field

from watchtower.kinds import Kind
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.readings import MeterReading
from watchtower.nouns.written import Duration

__all__ = ["Meter", "MeterSession"]


class MeterSession(Protocol):
    """An open meter. Used by one thread at a time."""

    def read(self, now: datetime) -> Sequence[MeterReading]:
        """What it shows now; a number that it cannot give is a reading with the reason. Unavailable where nothing could be read at all."""

    def close(self) -> None:
        """Lets go of everything."""


class Meter(Kind):
    """Frozen settings of one meter."""

    name: str = ""
    """What status and logs call it; left out: its kind, and what it reads."""
    every: Duration = Field(default=timedelta(seconds=10), ge=timedelta(seconds=1))
    """How long between two readings."""
    models: tuple[str, ...] = ("*",)
    """Globs: the models that the machines behind this meter serve."""

    @abstractmethod
    def open(self) -> MeterSession:
        """Prepares to read; nothing is asked yet. ConfigError with the install command where a package is missing."""

    def title(self) -> str:
        """What status and logs call it."""
        return self.name or self.kind_name()

    def resources(self) -> frozenset[str]:
        """The `resource.*` measures that it reads."""
        return frozenset()

    def look(self, now: datetime) -> str:
        """What `check --connect` tells of it, in a few words; Unavailable where nothing can be read."""
        session = self.open()
        try:
            readings = session.read(now)
        finally:
            session.close()
        found = [each for each in readings if not isinstance(each.value, str)]
        if not found:
            raise Unavailable(next((str(each.value) for each in readings), "it reads nothing"))
        subjects = sorted({each.subject for each in found if each.subject})
        return f"{len(found)} readings" + (f" of {', '.join(subjects[:8])}" if subjects else "")
