"""One model's state between evaluations, and what one evaluation says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watchtower.nouns.alert import Alert, AlertChange
from watchtower.nouns.decision import Decision
from watchtower.nouns.facts import Fact
from watchtower.nouns.incident import Incident
from watchtower.nouns.plan import Plan
from watchtower.nouns.retraining import Retraining
from watchtower.nouns.score import Board


@dataclass(frozen=True, slots=True)
class Served:
    """Which version served, per evaluated window: the record behind `live` and `healthy`."""

    live: str | None = None
    leader: str | None = None
    led: int = 0
    previous: str | None = None
    """The live version before this one."""
    live_since: datetime | None = None
    """Start of the first window of the present live version."""
    first_served: Mapping[str, datetime] = field(default_factory=dict)
    quiet_windows: Mapping[str, int] = field(default_factory=dict)
    """version -> consecutive windows live without a page, as it stood when it was last live."""
    rolled_back_from: tuple[str, ...] = ()
    changed: tuple[datetime, ...] = ()
    """Ends of the windows at which another version became live, newest last, the last 50."""
    since_change: int = 0
    """Evaluated windows since the live version changed (0 at the change itself)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """One model's state between evaluations: loaded for each one and returned changed."""

    model: str
    alerts: tuple[Alert, ...] = ()
    """Every alert that is pending or firing, and what hysteresis needs of the others."""
    incident: Incident | None = None
    plan: Plan | None = None
    """The open plan, or the incident's last one."""
    served: Served = Served()
    rollbacks: tuple[datetime, ...] = ()
    """When rollbacks were decided (event time), newest last, the last 50."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """"measure|segment|subject" -> windows since it last had a score (for `absent`), at most 60."""
    evaluated_through: datetime | None = None
    reference_windows: int = 0
    """Windows that closed while the reference was not complete (`first_windows`)."""
    reference_rows: int = 0
    """Served rows in them."""
    others: tuple[Plan, ...] = ()
    """Ended plans of the incident beside *plan*: of the live version, and of each canary, newest first."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation says; committed in one transaction."""

    board: Board
    changes: tuple[AlertChange, ...]
    memory: Memory
    decisions: tuple[Decision, ...]
    facts: tuple[Fact, ...] = ()
    """Facts for the open plan (or the one that is being opened), in order."""
    retraining: Retraining | None = None
    """What the model's trainer is to be told, once an incident."""
