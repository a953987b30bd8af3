"""What `status --json` prints: exact counts from one consistent look that waits for no writer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.decision import Decision
from watchtower.nouns.labels import Waiting
from watchtower.nouns.window import micros
from watchtower.store.codec import Json, decision_json, decode, decode_json, encode, stamp_micros
from watchtower.store.database import Database
from watchtower.store.drills import drills_json
from watchtower.store.freezes import freeze_json, freezes_in
from watchtower.store.labels import standings
from watchtower.store.lease import Lease
from watchtower.store.readings import meters_json
from watchtower.store.references import proposals_in
from watchtower.store.servings import servings_json
from watchtower.store.tables import alerts, counts, decisions, ends, models, positions, rejected, state, totals

HEARTBEAT = "heartbeat"
_DECISIONS = 20
Listed: TypeAlias = list[dict[str, object]]


class StatusRows:
    """Reads what everybody asks for; writes the daemon's heartbeat."""

    def __init__(self, database: Database, lease: Lease) -> None:
        """Over *database*; *lease* knows whether a daemon runs."""
        self._database = database
        self._lease = lease

    def heartbeat(self, now: datetime, jobs: Sequence[Mapping[str, object]] = ()) -> None:
        """The daemon lives; *jobs* are listed as they are given (plain values)."""
        new = insert(state).values(name=HEARTBEAT, number=micros(now), body=encode(list(jobs)))
        with self._database.writing() as tx:
            tx.execute(new.on_conflict_do_update(index_elements=["name"], set_={"number": new.excluded.number, "body": new.excluded.body}))

    def versions_in_role(self, model: str, role: str) -> frozenset[str]:
        """The versions of *model* of which predictions in *role* (not `served`) were ever read."""
        wanted = sa.select(counts.c.version).where(counts.c.model == model, counts.c.what == "role", counts.c.name == role)
        with self._database.reading() as tx:
            return frozenset(tx.execute(wanted).scalars())

    def status(self) -> dict[str, object]:
        """The whole of it, as plain values."""
        running = self._lease.is_held_somewhere()
        with self._database.reading() as tx:
            known = {row.model: row for row in tx.execute(sa.select(models.c.model, models.c.live, models.c.evaluated_through))}
            beat = tx.execute(sa.select(state).where(state.c.name == HEARTBEAT)).first()
            last = tx.execute(sa.select(decisions.c.body).order_by(decisions.c.id.desc()).limit(_DECISIONS)).scalars().all()
            ended = {model: row.evaluated_through for model, row in sorted(known.items()) if row.evaluated_through is not None}
            return {
                "models": _models(tx, {model: row.live for model, row in known.items()}),
                "rejected": {row.reason: row.n for row in tx.execute(sa.select(rejected).order_by(rejected.c.reason))},
                "alerts": _alerts(tx),
                "lag": _lag(tx),
                "windows": [{"model": model, "window_end": stamp_micros(end)} for model, end in ended.items()],
                "jobs": [] if beat is None or beat.body is None else decode_json(beat.body),
                "decisions": _decided(last),
                "labels": [_labels(each) for each in standings(tx)],
                "meters": meters_json(tx),
                "frozen": [freeze_json(each) for each in freezes_in(tx, self._lease.moment())],
                "proposals": [{"model": model, **proposed} for model, proposed in sorted(proposals_in(tx).items())],
                "servings": servings_json(tx),
                "drills": drills_json(tx),
                "daemon": {"running": running, "heartbeat": None if beat is None else stamp_micros(beat.number)},
            }


def _models(tx: sa.Connection, live: Mapping[str, str | None]) -> Listed:
    """Every model with every version that ever had a row, with its exact totals."""
    named: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for row in tx.execute(sa.select(counts).where(counts.c.what.in_(("role", "error"))).order_by(counts.c.name)):
        named.setdefault((row.model, row.version), {"role": {}, "error": {}})[row.what][row.name] = row.n
    found: dict[str, Listed] = {}
    for row in tx.execute(sa.select(totals).order_by(totals.c.model, totals.c.version)):
        more = named.get((row.model, row.version), {"role": {}, "error": {}})
        version: dict[str, object] = {"version": row.version, "predictions": row.predictions, "late": row.late}
        found.setdefault(row.model, []).append(version | {"other_roles": more["role"], "errors": more["error"]})
    return [{"model": model, "live": live.get(model), "versions": versions} for model, versions in found.items()]


def _labels(it: Waiting) -> dict[str, object]:
    """How a model's labels stand, in rows: what waits, what met, what waited in vain, and the share of ids that are kept."""
    settled = it.joined + it.expired
    return {
        "model": it.model,
        "waiting": it.predictions,
        "labels": it.labels,
        "joined": it.joined,
        "expired": it.expired,
        "coverage": it.joined / settled if it.expired else None,
        "kept_share": 0.5**it.halvings,
    }


def _alerts(tx: sa.Connection) -> Listed:
    wanted = sa.select(alerts).order_by(alerts.c.model, alerts.c.rule, alerts.c.segment, alerts.c.subject, alerts.c.version)
    keys = ("rule", "model", "version", "segment", "subject", "state", "severity")
    return [{key: getattr(row, key) for key in keys} | {"since": stamp_micros(row.since), "value": row.value} for row in tx.execute(wanted)]


def _lag(tx: sa.Connection) -> Listed:
    """End as last seen less the stored position (the client's own where nothing was stored yet), for every assigned partition."""
    same = sa.and_(*(positions.c[name] == ends.c[name] for name in ("topic", "number", "identity")))
    at = sa.func.coalesce(positions.c.position, ends.c.position)
    end = sa.case((positions.c.end > ends.c.end, positions.c.end), else_=ends.c.end)
    wanted = sa.select(ends.c.topic, ends.c.number, (end - at).label("lag")).select_from(ends.outerjoin(positions, same)).order_by(ends.c.topic, ends.c.number)
    return [{"topic": row.topic, "partition": row.number, "lag": max(0, row.lag)} for row in tx.execute(wanted)]


def _decided(bodies: Sequence[bytes]) -> list[Json]:
    return [decision_json(decode(body, Decision)) for body in bodies]
