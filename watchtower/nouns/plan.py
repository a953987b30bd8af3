"""Rollbacks under way: a plan is the fold of its facts."""

from dataclasses import dataclass
from datetime import datetime

from watchtower.nouns.decision import Decision
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.step import Step


@dataclass(frozen=True, slots=True)
class Plan:
    """One rollback under way, or ended. The fold of its facts; *revision* counts them."""

    id: str
    model: str
    incident: str
    step: Step
    live: str
    candidates: tuple[str, ...]
    opened_at: datetime
    revision: int = 1
    candidate: str | None = None
    verdict: Verdict | None = None
    diagnosis: Diagnosis | None = None
    reason: str = ""
    rollback: bool = True
    dry_run: bool = False
    approval_required: bool = False
    target: str = ""
    deadline: datetime | None = None
    fired: tuple[tuple[str, str], ...] = ()
    """(rule, measure) of the alerts that opened it."""
    judged_at: datetime | None = None
    switched_at: datetime | None = None
    serving_at: datetime | None = None
    prepared: str | None = None
    """The token of the target's state right before it is called; None: not yet read."""


@dataclass(frozen=True, slots=True)
class Move:
    """A plan after a fact, and what follows from it."""

    plan: Plan
    decisions: tuple[Decision, ...] = ()
    note: str = ""
    """What the incident's timeline says, "" if nothing."""
