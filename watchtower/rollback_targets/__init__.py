"""The systems that can switch versions."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

from watchtower.kinds import Kind


@dataclass(frozen=True, slots=True)
class Switch:
    """What a switch did: *before* is kept for the undo of the undo; *changed* False where it already named the candidate."""

    before: str | None
    after: str
    changed: bool
    dry_run: bool = False


class TargetSession(Protocol):
    """An open target. Used by the actions thread alone."""

    def current(self) -> str | None:
        """The version that the target names; changes nothing. RollbackError where it cannot be read."""

    def switch_to(self, candidate: str, *, expected: str | None, dry_run: bool = False) -> Switch:
        """A compare-and-set: from *expected* to *candidate*. Already there is fine (idempotent); a third version raises Moved; RollbackError else."""

    def close(self) -> None:
        """Lets go of everything."""


class RollbackTarget(Kind):
    """Frozen settings of one target."""

    compare_and_set: ClassVar[bool] = True
    """Whether the far end refuses a switch whose *expected* is wrong; where it cannot, `check` says so."""

    @abstractmethod
    def open(self) -> TargetSession:
        """Prepares; touches nothing."""
