"""The systems that can switch versions."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from watchtower.kinds import Kind


@dataclass(frozen=True, slots=True)
class State:
    """What a target says of itself, read and kept before every switch: the undo of the undo.

    Attributes:
        version: the version that it names; None where it names none.
        token: changes whenever anybody writes the target (a resourceVersion, an ETag, a link's inode and time), even back to the same version;
            "" where the far end has no such thing. A switch that is given one acts on exactly this state or not at all.
        detail: what a person needs to restore it by hand, as plain JSON values; never a secret.
    """

    version: str | None
    token: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Switch:
    """What a switch did: *before* is kept for the undo of the undo; *changed* False where it already named the candidate.

    *detail*: what was asked of the far end and what it answered, as plain JSON values for the audit; never a secret.
    """

    before: str | None
    after: str
    changed: bool
    dry_run: bool = False
    detail: Mapping[str, object] = field(default_factory=dict, compare=False)


class TargetSession(Protocol):
    """An open target. Every method may be called again after a failure, and by one thread at a time."""

    def current(self) -> str | None:
        """The version that the target names; changes nothing. RollbackError where it cannot be read."""

    def state(self) -> State:
        """Its whole state; changes nothing. RollbackError where it cannot be read."""

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:
        """A compare-and-set: from *expected* to *candidate*, and waits until the far end has taken it over.

        Already there is fine (idempotent). A third version, or, with *token* (of :meth:`state`), any write since that state, raises Moved and nothing is
        switched. *key* tells far ends that know idempotency keys that two calls are the same one. A dry run asks the far end to validate where it
        can, and touches nothing. RollbackError else.
        """

    def ready(self, candidate: str) -> Sequence[str]:
        """What stands in the way of going back to *candidate*, a sentence each; empty: nothing. Touches nothing; for the daily drill.

        The artefact or revision is still there, permissions suffice, nothing else owns the object.
        """

    def close(self) -> None:
        """Lets go of everything."""


class CanarySession(TargetSession, Protocol):
    """A target whose kind says `aborts_canaries`."""

    def abort(self, canary: str, *, stable: str, key: str = "", dry_run: bool = False) -> Switch:
        """Takes all traffic from *canary*, which *stable* then has; idempotent. RollbackError where it cannot."""


class RollbackTarget(Kind):
    """Frozen settings of one target."""

    compare_and_set: ClassVar[bool] = True
    """Whether the far end refuses a switch whose *expected* is wrong; where it cannot, `check` says so."""
    aborts_canaries: ClassVar[bool] = False
    """Whether its session is a CanarySession."""

    @abstractmethod
    def open(self) -> TargetSession:
        """Prepares; touches nothing."""
