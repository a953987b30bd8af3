"""The systems that can switch versions."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

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
        can, and touches nothing. RollbackError else; *retryable* where it could not be reached or was too busy: the same call is then made again.
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


@dataclass(frozen=True, slots=True)
class Caution:
    """What `check` says of a target's settings, at *key* of them ("": the target itself); a warning, since it may be otherwise where the daemon runs."""

    key: str
    what: str
    advice: str


class RollbackTarget(Kind):
    """Frozen settings of one target."""

    @property
    def compare_and_set(self) -> bool:
        """Whether the far end refuses a switch whose *expected* is wrong; where it cannot, `check` says so."""
        return True

    @property
    def aborts_canaries(self) -> bool:
        """Whether its session is a CanarySession."""
        return False

    @abstractmethod
    def open(self) -> TargetSession:
        """Prepares; touches nothing."""

    def open_for(self, model: str) -> TargetSession:  # noqa: ARG002  most targets name in their own keys what they switch
        """As :meth:`open`, for the model of that name; a kind that tells its far end which model is meant overrides it."""
        return self.open()

    def cautions(self) -> Iterator[Caution]:
        """What its settings alone show that is likely not meant, or that an operator has to know; touches nothing."""
        yield from ()
