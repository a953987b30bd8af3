"""Rollbacks under way: a plan is the fold of its facts."""

from dataclasses import dataclass
from datetime import datetime

from watchtower.nouns.decision import Decision
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.limits import AS_USUAL, Limits
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
    returned_at: datetime | None = None
    """When the former live version was named again, since going back had not helped."""
    prepared: str | None = None
    """The token of the target's state right before it is called; None: not yet read."""
    canary: bool = False
    """*live* is a canary that the alerts are on, and the one candidate is the stable version: it is aborted, not rolled back."""
    aborts_canaries: bool = False
    """Whether the target can take a canary's traffic away."""
    limits: Limits = AS_USUAL
    by: str = ""
    """Who asked for it by hand, "" where a rule did."""
    decided_at: datetime | None = None
    """When the switch was decided: the judgement's time, or when a person approved or asked."""
    asked_at: datetime | None = None
    """When approval was asked for."""
    approved_by: str = ""
    """Who said yes last, whether or not a guard held it."""
    guards: tuple[str, ...] = ()
    """The guards that held it, as sentences; empty once they have cleared."""
    again: tuple[str, ...] = ()
    """Names of the guards that had held the plan before this one."""
    cleared: bool = False
    """The guards that held it hold no longer: a fresh trial may begin."""

    @property
    def stable(self) -> str:
        """The version that is live by the traffic: *live*, or what stands beside the canary."""
        return self.candidates[0] if self.canary and self.candidates else self.live


@dataclass(frozen=True, slots=True)
class Move:
    """A plan after a fact, and what follows from it."""

    plan: Plan
    decisions: tuple[Decision, ...] = ()
    note: str = ""
    """What the incident's timeline says, "" if nothing."""
