"""Peers' own drift detection over the same windows, each in an interpreter of its own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from tests.benchmarks.detection_cases import Table


@dataclass(frozen=True)
class Found:
    """What a peer says of one feature: a score that grows with drift, and whether its defaults make that an alarm."""

    score: float
    alarm: bool


class Peer(ABC):
    """One peer with its defaults."""

    packages: tuple[str, ...] = ()
    """Whose versions are noted."""

    @abstractmethod
    def fit(self, reference: Table, rows: int) -> None:
        """Takes the reference; windows will have *rows* rows."""

    @abstractmethod
    def score(self, window: Table) -> Mapping[str, Found]:
        """Every feature of one window."""

    def check(self, reference: Table, window: Table) -> float | None:  # noqa: ARG002  a peer that is called by its public entry has nothing to check
        """The largest difference between these scores and those of the peer's own report; None where the report itself is read."""
        return None
