"""Alerts of one model that belong together, and what was told of them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from watchtower.nouns.alert import AlertId


class IncidentState(StrEnum):
    """An incident is open until *quiet* windows after its last alert resolved."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of an incident's timeline."""

    at: datetime
    what: str
    """alert | trial | verdict | switched | serving | closed | note"""
    text: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts of one model that belong together, with their evidence and actions. *revision* grows with every telling change."""

    id: str
    model: str
    opened_at: datetime
    state: IncidentState = IncidentState.OPEN
    revision: int = 1
    closed_at: datetime | None = None
    quiet: int = 0
    """Evaluations since the last alert resolved."""
    severity: str = "warn"
    alerts: tuple[AlertId, ...] = ()
    notify: tuple[str, ...] = ()
    timeline: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the far end gave back, kept until the next delivery (Slack: channel and ts of the thread)."""

    fields: dict[str, str] = field(default_factory=dict)
