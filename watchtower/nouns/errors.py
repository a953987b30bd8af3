"""The six errors; each class is a reaction."""

from watchtower.nouns.place import Place


class WatchtowerError(Exception):
    """What every error of ours is; a sentence that says what, where, and what to do instead."""


class ConfigError(WatchtowerError):
    """Somebody must edit a file. Carries every problem found, not only the first."""

    def __init__(self, problems: "list[Problem]") -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class DeliveryError(WatchtowerError):
    """A notifier could not deliver; *retryable* says whether trying again may help.

    Args:
        message: what went wrong, without secrets.
        retryable: whether the same delivery may succeed later.
        after: seconds that the far end asked us to wait, if it did.
    """

    def __init__(self, message: str, *, retryable: bool, after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.after = after


class ShadowError(WatchtowerError):
    """A version could not be re-run: BROKEN evidence, never a rollback."""


class RollbackError(WatchtowerError):
    """A target did not do as asked: page a human. *retryable*: it could not be reached or was busy, so the same call may do later."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class Unavailable(WatchtowerError):  # noqa: N818  the reaction is "back off", not "stop"
    """Something outside is away: back off, and say not ready. *for_good* ends the daemon with 3; *expired*: what was asked for is gone for good."""

    def __init__(self, message: str, *, for_good: bool = False, expired: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good
        self.expired = expired


class Fenced(WatchtowerError):  # noqa: N818  a signal between replicas, not a fault
    """Somebody else moved our positions or holds the lease: drop all that is in memory, read the store, seek."""


class Problem:
    """One thing wrong in a file: where, what, and what instead."""

    __slots__ = ("advice", "place", "what")

    def __init__(self, place: Place, what: str, advice: str = "") -> None:
        self.place = place
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f"; {self.advice}" if self.advice else "")

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"
