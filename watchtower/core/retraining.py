"""What a retraining that rules ask for is, and that it is asked for once an incident. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from watchtower.core.incidents import noted
from watchtower.nouns.alert import AlertState
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.incident import Incident
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.retraining import Retraining

ASKED = "retraining is asked for"


def told(incident: Incident | None, decisions: Sequence[Decision], at: datetime) -> Incident | None:
    """*incident* says once that a retraining is asked for, and why."""
    reasons = _reasons(decisions)
    if incident is None or not reasons or any(moment.text.startswith(ASKED) for moment in incident.timeline):
        return incident
    return noted(incident, at, "note", f"{ASKED}: {'; '.join(reasons)}")


def asked(evaluation: Evaluation, reference: str, since: datetime | None) -> Retraining | None:
    """What the model's trainer is to be told; None where this evaluation asks for nothing. *reference*, *since*: what was compared with."""
    memory, reasons = evaluation.memory, _reasons(evaluation.decisions)
    if memory.incident is None or not reasons:
        return None
    plans = memory.others if memory.plan is None else (memory.plan, *memory.others)
    return Retraining(
        incident=memory.incident.id,
        model=memory.model,
        at=evaluation.board.window.end,
        live=memory.served.live,
        reasons=reasons,
        alerts=tuple(replace(alert, rule_digest="") for alert in memory.alerts if alert.state is AlertState.FIRING),
        trials=tuple(plan for plan in plans if plan.incident == memory.incident.id),
        reference=reference,
        reference_since=since if reference else None,
    )


def _reasons(decisions: Sequence[Decision]) -> tuple[str, ...]:
    return tuple(decision.reason for decision in decisions if decision.kind is DecisionKind.RETRAIN)
