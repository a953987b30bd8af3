"""One model's memory between evaluations, its alerts once more for those who look, and its incidents."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.alert import AlertState
from watchtower.nouns.decision import Decision
from watchtower.nouns.errors import Fenced
from watchtower.nouns.incident import Incident
from watchtower.nouns.memory import Memory
from watchtower.nouns.window import micros
from watchtower.store.codec import decode, encode, number
from watchtower.store.tables import alerts, decisions, incidents, models
from watchtower.store.told import announce


def load_memory(tx: sa.Connection, model: str) -> Memory:
    """The model's memory; a new one where there is none."""
    body = tx.execute(sa.select(models.c.memory).where(models.c.model == model)).scalar()
    return Memory(model) if body is None else decode(body, Memory)


def put_memory(tx: sa.Connection, memory: Memory) -> None:
    """The memory as it is now; `evaluated_through` moves with it."""
    through = None if memory.evaluated_through is None else micros(memory.evaluated_through)
    row = {"evaluated_through": through, "live": memory.served.live, "memory": encode(memory)}
    new = insert(models).values(model=memory.model, **row)
    tx.execute(new.on_conflict_do_update(index_elements=["model"], set_={name: new.excluded[name] for name in row}))
    _put_alerts(tx, memory)


def put_incident(tx: sa.Connection, incident: Incident, now: datetime) -> None:
    """The incident as it is now, and its telling where it has grown. Fenced where the store has a later revision."""
    row = {
        "state": str(incident.state),
        "revision": incident.revision,
        "body": encode(incident),
    }
    new = insert(incidents).values(id=incident.id, model=incident.model, opened_at=micros(incident.opened_at), **row)
    changes: Mapping[str, object] = {name: new.excluded[name] for name in row}
    not_older = incidents.c.revision <= new.excluded.revision
    if tx.execute(new.on_conflict_do_update(index_elements=["id"], set_=changes, where=not_older)).rowcount == 0:
        msg = f"incident {incident.id} was moved by somebody else"
        raise Fenced(msg)
    announce(tx, incident, now)


def load_incident(tx: sa.Connection, incident: str) -> Incident | None:
    """The incident of that id."""
    body = tx.execute(sa.select(incidents.c.body).where(incidents.c.id == incident)).scalar()
    return None if body is None else decode(body, Incident)


def add_decisions(tx: sa.Connection, made: Sequence[Decision]) -> None:
    """Keeps decisions, in their order."""
    if made:
        tx.execute(sa.insert(decisions), [{"model": each.model, "at": micros(each.at), "body": encode(each)} for each in made])


def _put_alerts(tx: sa.Connection, memory: Memory) -> None:
    tx.execute(sa.delete(alerts).where(alerts.c.model == memory.model))
    rows = [
        {
            "model": memory.model,
            "rule": alert.id.rule,
            "version": alert.version,
            "segment": alert.id.segment,
            "subject": alert.id.subject,
            "state": str(alert.state),
            "severity": alert.severity,
            "since": micros(alert.since),
            "value": number(alert.value),
        }
        for alert in memory.alerts
        if alert.state in {AlertState.PENDING, AlertState.FIRING}
    ]
    if rows:
        tx.execute(sa.insert(alerts), rows)
