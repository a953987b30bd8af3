"""Decisions: data that says what should happen."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchtower.nouns.evidence import Diagnosis, Verdict


class DecisionKind(StrEnum):
    """What replay prints, the audit keeps and tests compare."""

    NOTIFY = "notify"
    BEGIN_TRIAL = "begin_trial"
    ROLL_BACK = "roll_back"
    ABORT = "abort"
    FORWARD = "forward"
    """Going back did not help: the former live version is switched to again (`forward: true`)."""
    HOLD = "hold"
    RETRAIN = "retrain"


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that should happen; workers act on committed ones only."""

    kind: DecisionKind
    model: str
    at: datetime
    reason: str = ""
    notifier: str | None = None
    live: str | None = None
    candidate: str | None = None
    verdict: Verdict | None = None
    diagnosis: Diagnosis | None = None
    plan: str | None = None
