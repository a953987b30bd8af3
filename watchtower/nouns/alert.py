"""A rule's life for one subject."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from watchtower.nouns.attribution import Attribution


class Finding(StrEnum):
    """What a condition says of one (segment, subject)."""

    FOUND = "found"
    CLEAR = "clear"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A condition's answer for one (version, segment, subject); UNKNOWN has a reason."""

    version: str
    segment: str
    subject: str
    finding: Finding
    value: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    reason: str = ""
    measures: tuple[str, ...] = ()
    """Of several conditions: the measures of those that found; () where there is one condition."""


class AlertState(StrEnum):
    """pending: true now, but not for long enough. firing: true for at least *hold*. resolved: was firing. inactive: was pending."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, order=True)
class AlertId:
    """Whose life: *version* is "" unless the rule names versions."""

    rule: str
    model: str
    segment: str
    subject: str
    version: str = ""

    def __str__(self) -> str:
        inside = "|".join(part for part in (self.version and f"version={self.version}", self.segment, self.subject) if part)
        return f"{self.rule}[{inside}]"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as it stands after an evaluation; *hits* and *misses* count consecutive evaluations with and without a finding.

    *since* is the end of the window in which the present state began; *fired_at* that of the firing transition, None before it.
    *rule_digest* tells a changed rule (`when`, `over`, `model`) from the one that this alert grew under.
    """

    id: AlertId
    version: str
    state: AlertState
    since: datetime
    hits: int = 0
    misses: int = 0
    gone: int = 0
    """Consecutive windows without traffic of the version (rules that name versions)."""
    value: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    reason: str = ""
    severity: str = "warn"
    fired_at: datetime | None = None
    rule_digest: str = ""
    attribution: Attribution | None = None
    """What moved most when it began firing; None for measures that are not about values."""
    measures: tuple[str, ...] = ()
    """Which of its rule's measures found it last, where the rule has several conditions; () means all of them."""


@dataclass(frozen=True, slots=True)
class AlertChange:
    """A transition, as it is told: the alert in its new state at the end of the window that brought it."""

    alert: Alert
    at: datetime
    reason: str = ""


__all__ = ["Alert", "AlertChange", "AlertId", "AlertState", "Finding", "Outcome", "replace"]
