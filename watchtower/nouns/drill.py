"""Dry runs of going back."""

from dataclasses import dataclass
from datetime import datetime

NO_DRILL = "no drill yet"


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a dry run of going back from *live* to *candidate* came to; *reasons* say why a rollback could not be done now, empty: it could."""

    model: str
    at: datetime
    live: str
    candidate: str | None
    reasons: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether a rollback could be done now."""
        return not self.reasons
