"""A retraining that is asked for: what a trainer is told, once an incident."""

from dataclasses import dataclass
from datetime import datetime

from watchtower.nouns.alert import Alert
from watchtower.nouns.plan import Plan


@dataclass(frozen=True, slots=True)
class Retraining:
    """What was known when a rule with `respond: [retrain]` fired; it stays as it was, so that each try of a delivery says the same.

    Attributes:
        incident: its id, which is the idempotency key.
        model: what should be trained anew.
        at: the end of the window whose evaluation asked.
        live: the version that served then; None where none was known.
        reasons: a sentence for each alert that asks.
        alerts: all that fired then.
        trials: the incident's plans so far, newest first; one that is still on trial has no verdict.
        reference: the id of the reference that was compared with, "" where there was none.
        reference_since: the start of the first window that was compared with it.

    """

    incident: str
    model: str
    at: datetime
    live: str | None
    reasons: tuple[str, ...]
    alerts: tuple[Alert, ...] = ()
    trials: tuple[Plan, ...] = ()
    reference: str = ""
    reference_since: datetime | None = None
