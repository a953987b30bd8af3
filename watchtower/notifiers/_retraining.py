"""What a notifier says of a retraining that is asked for: words for people, and the same as JSON."""

from collections.abc import Iterator
from datetime import datetime

from watchtower.nouns.attribution import Moved
from watchtower.nouns.retraining import Retraining

MOST = 20
"""Features that are told."""


def title(asked: Retraining) -> str:
    """``Retrain fraud: FeatureDrift[amount] fires and 2 more``."""
    more = len(asked.reasons) - 1
    return f"Retrain {asked.model}: {asked.reasons[0]}" + (f" and {more} more" if more > 0 else "")


def path(asked: Retraining) -> str:
    """Where the daemon's API has the incident, with everything that came later."""
    return f"/api/v1/incidents/{asked.incident}"


def lines(asked: Retraining) -> list[str]:
    """The same for people, the title left out."""
    features = [f"{each.subject} ({each.value:.3g})" for each in drifted(asked)]
    return [
        *asked.reasons[:MOST],
        f"live: version {asked.live or 'unknown'}",
        *(f"trial {plan.id}: {plan.verdict or 'not judged yet'}" + (f", {plan.diagnosis}: {plan.reason}" if plan.diagnosis else "") for plan in asked.trials),
        *([f"moved most: {', '.join(features)}"] if features else []),
        f"incident {asked.incident}",
    ]


def body(asked: Retraining) -> dict[str, object]:
    """The JSON that a webhook gets; docs/retraining.md says each key."""
    return {
        "version": 1,
        "action": "retrain",
        "incident": asked.incident,
        "model": asked.model,
        "live": asked.live,
        "at": _stamp(asked.at),
        "title": title(asked),
        "reasons": list(asked.reasons),
        "alerts": list(_alerts(asked)),
        "trials": list(_trials(asked)),
        "features": [{"feature": each.subject, "distance": each.value, "p_value": each.p_value, "share": each.share} for each in drifted(asked)],
        "reference": {"id": asked.reference, "since": _stamp(asked.reference_since)} if asked.reference else None,
        "incident_path": path(asked),
        "report_path": f"/incidents/{asked.incident}/report",
    }


def drifted(asked: Retraining) -> list[Moved]:
    """The features that moved, by all alerts together, the furthest first; the prediction itself is none."""
    found: dict[str, Moved] = {}
    for alert in asked.alerts:
        for each in alert.attribution.features if alert.attribution is not None else ():
            if each.subject and (each.subject not in found or found[each.subject].value < each.value):
                found[each.subject] = each
    return sorted(found.values(), key=lambda each: (-each.value, each.subject))[:MOST]


def _alerts(asked: Retraining) -> Iterator[dict[str, object]]:
    for alert in asked.alerts:
        yield {
            "rule": alert.id.rule,
            "version": alert.version,
            "segment": alert.id.segment,
            "subject": alert.id.subject,
            "severity": alert.severity,
            "fired": _stamp(alert.fired_at),
            "value": alert.value,
            "p_value": alert.p_adjusted if alert.p_adjusted is not None else alert.p_value,
        }


def _trials(asked: Retraining) -> Iterator[dict[str, object]]:
    for plan in asked.trials:
        yield {
            "plan": plan.id,
            "step": str(plan.step),
            "live": plan.live,
            "candidate": plan.candidate,
            "verdict": None if plan.verdict is None else str(plan.verdict),
            "diagnosis": None if plan.diagnosis is None else str(plan.diagnosis),
            "reason": plan.reason,
        }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
