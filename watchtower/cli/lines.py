"""The JSON lines of `replay --json`, exactly as in the contracts."""

import json
import math
from collections.abc import Iterator
from datetime import datetime

from watchtower.nouns.alert import AlertChange
from watchtower.nouns.plan import Decision
from watchtower.nouns.score import Board, Over


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with a Z."""
    return moment.isoformat().replace("+00:00", "Z")


def number(value: float | None) -> float | None:
    """*value*, None where it is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def score_lines(board: Board) -> Iterator[str]:
    """A line for each score of the base window, whatever the version and segment."""
    for slot, scores in board.scores.items():
        if slot.need.over != Over() or slot.need.min_rows is not None:
            continue
        head: dict[str, object] = {"type": "score", "time": stamp(board.window.end), "model": board.model, "version": slot.version or board.live or "", "segment": slot.segment}
        against: dict[str, object] = {"relative_to": slot.need.against} if slot.need.against != "reference" else {}
        for i, subject in enumerate(scores.subjects):
            named = head | {"measure": str(slot.need.measure), "subject": subject, **against}
            reason = scores.reasons[i]
            if reason is not None:
                yield json.dumps(named | {"value": None, "reason": reason, "n": int(scores.n[i])})
                continue
            tested = {} if math.isnan(scores.p_values[i]) else {"p_value": float(scores.p_values[i])}
            yield json.dumps(named | {"value": number(scores.values[i]), **tested, "n": int(scores.n[i])})


def alert_line(change: AlertChange) -> str:
    """A transition."""
    alert = change.alert
    line: dict[str, object] = {
        "type": "alert",
        "time": stamp(change.at),
        "rule": alert.id.rule,
        "model": alert.id.model,
        "version": alert.version,
        "segment": alert.id.segment,
        "subject": alert.id.subject,
        "state": str(alert.state),
        "value": number(alert.value),
        "p_value": number(alert.p_value),
        "p_adjusted": number(alert.p_adjusted),
    }
    reason = change.reason or alert.reason
    return json.dumps(line | ({"reason": reason} if reason else {}))


def decision_line(decision: Decision) -> str:
    """A decision; of a trial, with what it rests on."""
    line: dict[str, object] = {"type": "decision", "time": stamp(decision.at), "decision": str(decision.kind), "model": decision.model}
    more = {"notifier": decision.notifier, "live": decision.live, "candidate": decision.candidate}
    more |= {"verdict": decision.verdict and str(decision.verdict), "diagnosis": decision.diagnosis and str(decision.diagnosis)}
    return json.dumps(line | {key: value for key, value in more.items() if value is not None} | {"reason": decision.reason})
