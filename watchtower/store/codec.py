"""Memory, incidents, plans, facts and decisions as JSON and back; and the JSON that listings print."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar, cast, get_args

import msgspec

from watchtower.nouns.alert import AlertChange
from watchtower.nouns.attribution import Attribution
from watchtower.nouns.decision import Decision
from watchtower.nouns.facts import Fact
from watchtower.nouns.incident import Incident
from watchtower.nouns.memory import Memory
from watchtower.nouns.plan import Plan
from watchtower.nouns.retraining import Retraining
from watchtower.nouns.score import Board
from watchtower.nouns.step import Step
from watchtower.nouns.window import micros, moment

Json = Mapping[str, object]
Noun = TypeVar("Noun", Memory, Incident, Plan, Decision, AlertChange, Retraining)

_FACTS: Mapping[str, type[Fact]] = {kind.kind: kind for kind in get_args(Fact)}
_KINDS = (Memory, Incident, Plan, Decision, AlertChange, Retraining, *get_args(Fact))
_DECODERS: Mapping[type, msgspec.json.Decoder[object]] = {kind: msgspec.json.Decoder(kind) for kind in _KINDS}
"""Made while this is imported, which one thread does: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""
_ENCODER = msgspec.json.Encoder(order="sorted")


def encode(value: object) -> bytes:
    """Canonical JSON of a noun or of plain values: keys sorted, no blanks; moments as RFC 3339 in UTC; NaN as null."""
    return _ENCODER.encode(value)


def decode(body: bytes, kind: type[Noun]) -> Noun:
    """The noun that :func:`encode` wrote."""
    return cast("Noun", _DECODERS[kind].decode(body))


def decode_json(body: bytes) -> object:
    """Plain values."""
    return msgspec.json.decode(body)


def fact_json(fact: Fact) -> Json:
    """A fact as plain values, its ``kind`` beside its fields."""
    return {"kind": fact.kind, **msgspec.to_builtins(fact)}


def fact_from(plain: Json) -> Fact:
    """The fact that :func:`fact_json` wrote."""
    fields = {name: value for name, value in plain.items() if name != "kind"}
    return msgspec.convert(fields, type=_FACTS[str(plain["kind"])])


def audit_body(plan: str, seq: int, at: datetime, fact: Fact) -> bytes:
    """What the audit hashes and keeps of one fact."""
    return encode({"plan": plan, "seq": seq, "at": stamp(at), "fact": fact_json(fact)})


def fact_in(body: bytes) -> Fact:
    """The fact inside an audit body."""
    return fact_from(msgspec.json.decode(body, type=dict[str, dict[str, object] | str | int])["fact"])  # type: ignore[arg-type]


def chained(previous: str, body: bytes) -> str:
    """The next hash of a chain: SHA-256, in hex, of the previous one ("" at the start) followed by *body*."""
    return hashlib.sha256(previous.encode() + body).hexdigest()


def stamp(when: datetime) -> str:
    """``2026-11-20T10:00:00Z``, with as many decimals as there are."""
    text = moment(micros(when)).isoformat()
    return text.removesuffix("+00:00") + "Z"


def stamp_micros(value: int | None) -> str | None:
    """The same of microseconds since 1970."""
    return None if value is None else stamp(moment(value))


def decision_json(decision: Decision) -> Json:
    """A decision as it is listed: its time, what, the model and why; further keys only where they say something."""
    further = ("notifier", "live", "candidate", "verdict", "diagnosis", "plan")
    said = {name: str(value) for name in further if (value := getattr(decision, name)) is not None}
    return {"time": stamp(decision.at), "decision": str(decision.kind), "model": decision.model, "reason": decision.reason, **said}


def attribution_json(moved: Attribution) -> Json:
    """What moved, as plain values; the share of rows beyond the reference beside their count."""
    plain: dict[str, object] = msgspec.to_builtins(moved)
    outside = None if moved.outside is None else {**msgspec.to_builtins(moved.outside), "share": moved.outside.share}
    return {key: value for key, value in (plain | {"outside": outside}).items() if value not in (None, "")}


def plan_json(plan: Plan) -> Json:
    """A plan as `incidents --json` shows it; *approve* is what names exactly this asking, and *until* when it ends."""
    asking = plan.step is Step.AWAITING_APPROVAL
    asked: Json = {"approve": f"{plan.id}@{plan.revision}", "until": None if plan.deadline is None else stamp(plan.deadline)} if asking else {}
    return {
        "id": plan.id,
        "step": str(plan.step),
        "live": plan.live,
        "candidate": plan.candidate,
        "verdict": None if plan.verdict is None else str(plan.verdict),
        "diagnosis": None if plan.diagnosis is None else str(plan.diagnosis),
        "reason": plan.reason,
        **({"canary": True} if plan.canary else {}),
        **asked,
    }


def incident_json(incident: Incident, plan: Plan | None) -> Json:
    """An incident as `incidents --json` shows it."""
    return {
        "id": incident.id,
        "model": incident.model,
        "state": str(incident.state),
        "opened": stamp(incident.opened_at),
        "closed": None if incident.closed_at is None else stamp(incident.closed_at),
        "severity": incident.severity,
        "alerts": [str(alert) for alert in incident.alerts],
        "plan": None if plan is None else plan_json(plan),
    }


def board_json(board: Board) -> Json:
    """A board as plain values, one entry a score."""
    scores = [
        {
            "version": slot.version,
            "segment": slot.segment,
            "measure": str(slot.need.measure),
            "over": {"windows": slot.need.over.windows, "rows": slot.need.over.rows},
            "against": slot.need.against,
            "subject": subject,
            "value": number(each.values[i]),
            "p_value": number(each.p_values[i]),
            "n": int(each.n[i]),
            "reason": each.reasons[i],
            **each.more(i),
        }
        for slot, each in board.scores.items()
        for i, subject in enumerate(each.subjects)
    ]
    window = {"start": stamp(board.window.start), "end": stamp(board.window.end)}
    return {"model": board.model, "window": window, "live": board.live, "versions": dict(board.versions), "scores": scores}


def number(value: float | None) -> float | None:
    """A number that JSON knows: None for NaN and the infinities."""
    return float(value) if value is not None and float("-inf") < value < float("inf") else None
