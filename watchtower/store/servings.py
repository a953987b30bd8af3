"""Which version served when, who made it so, and what was announced; kept for good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from watchtower.core.incidents import noted
from watchtower.nouns.facts import Fact, Serving, Switched
from watchtower.nouns.incident import Incident, IncidentState
from watchtower.nouns.memory import Memory
from watchtower.nouns.provenance import Act
from watchtower.nouns.step import Step
from watchtower.nouns.window import micros
from watchtower.store.chains import append_act
from watchtower.store.codec import Json, fact_in, stamp, stamp_micros
from watchtower.store.database import Database
from watchtower.store.memories import put_incident
from watchtower.store.tables import Moment, facts, metadata, plans, totals

FIRST, WATCHTOWER, ANNOUNCED, PERSON = "first", "watchtower", "announced", "person"
OURSELVES = "watchtower"
"""The model whose incidents are Watchtower's own tellings."""
ANNOUNCED_FOR = timedelta(days=1)
"""How long after its time an announced change may come and still be the announced one."""
BESIDE = 0.1
"""A version that still has this share of the served predictions was not replaced: two versions share the traffic, and which one leads says little."""
_PLANS = 5
_LISTED = 100

servings = sa.Table(
    "servings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.Column("until", Moment),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
"""A row a stretch in which one version was live, by the traffic, in event time; the present one has no *until*."""

deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("serving", sa.Integer),
    sqlite_autoincrement=True,
)
"""Announced changes; *serving* is the stretch that one turned out to be."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A change that somebody said is coming: *at* is when, *origin* from where it was said."""

    model: str
    version: str
    by: str
    at: datetime
    note: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class _Maker:
    """Who made a version live."""

    how: str
    who: str = ""
    note: str = ""
    plan: str = ""
    deployment: int | None = None


class ServingRows:
    """Reads which version served when, and keeps announcements."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def listed(self, model: str | None = None, limit: int = _LISTED) -> list[Json]:
        """The newest stretches, newest first, of one *model* or of all."""
        with self._database.reading() as tx:
            return servings_json(tx, model, limit)

    def predictions(self, model: str) -> dict[str, int]:
        """How many predictions each version of *model* ever served."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(totals.c.version, totals.c.predictions).where(totals.c.model == model)).all()
        return {row.version: row.predictions for row in found}

    def announce(self, change: Announced, now: datetime) -> None:
        """Keeps an announced change, and who announced it. One that comes a little after the change itself explains it afterwards."""
        told = (("version", change.version), ("time", stamp(change.at)), ("note", change.note))
        with self._database.writing() as tx:
            append_act(tx, Act("deployment_announced", change.model, change.by, change.origin, told), now)
            row = _newest(tx, change.model)
            late = row is not None and row.version == change.version and row.how == PERSON and micros(now) - row.recorded_at <= _length(ANNOUNCED_FOR)
            if row is not None and late:
                tx.execute(sa.update(servings).where(servings.c.id == row.id).values(how=ANNOUNCED, who=change.by, note=change.note))
            fields = {"model": change.model, "version": change.version, "who": change.by, "note": change.note, "at": micros(change.at)}
            tx.execute(sa.insert(deployments).values(**fields, serving=row.id if row is not None and late else None))


def servings_json(tx: sa.Connection, model: str | None = None, limit: int = _LISTED) -> list[Json]:
    """See :meth:`ServingRows.listed`; [] in a store of an earlier release, which has no such table."""
    if not sa.inspect(tx).has_table(servings.name):
        return []
    wanted = sa.select(servings).order_by(servings.c.id.desc()).limit(limit)
    found = tx.execute(wanted if model is None else wanted.where(servings.c.model == model)).all()
    return [
        {
            "model": row.model,
            "version": row.version,
            "from": stamp_micros(row.since),
            "until": stamp_micros(row.until),
            "how": row.how,
            "by": row.who or None,
            "note": row.note or None,
            "plan": row.plan or None,
        }
        for row in found
    ]


def follow(  # noqa: PLR0913  what one evaluation saw
    tx: sa.Connection, memory: Memory, new: Sequence[Fact], shares: Mapping[str, float], now: datetime, *, hearers: Sequence[str] | None
) -> Memory:
    """Records that another version is live than before; the memory, with a note on its open incident where there is something to tell.

    What neither Watchtower nor an announcement explains is told once: on the model's open incident, else to *hearers* (None: nobody is told).
    """
    live, row = memory.served.live, _newest(tx, memory.model)
    if live is None or (row is not None and row.version == live):
        return memory
    since = memory.served.live_since or memory.evaluated_through or now
    made = _Maker(FIRST) if row is None else _under_way(memory, live) or _made(tx, memory.model, live, row.recorded_at, now)
    seen = tx.execute(sa.select(servings.c.id).where(servings.c.model == memory.model, servings.c.version == live).limit(1)).scalar() is not None
    if row is not None:
        tx.execute(sa.update(servings).where(servings.c.id == row.id).values(until=micros(since)))
    fields = {"model": memory.model, "version": live, "since": micros(since), "recorded_at": micros(now), "how": made.how}
    put = tx.execute(sa.insert(servings).values(**fields, who=made.who, note=made.note, plan=made.plan))
    if made.deployment is not None:
        tx.execute(sa.update(deployments).where(deployments.c.id == made.deployment).values(serving=(put.inserted_primary_key or [None])[0]))
    known = any(isinstance(fact, Serving) for fact in new) or (seen and row is not None and shares.get(row.version, 0.0) >= BESIDE)
    if row is None or made.how != PERSON or hearers is None or known:
        return memory
    return _told(tx, memory, _sentence(memory.model, row.version, live, seen=seen), now, hearers)


def _sentence(model: str, before: str, live: str, *, seen: bool) -> str:
    did = f"somebody went back to version {live} by hand" if seen else f"version {live} was deployed"
    return f"{model}: {did}; it serves instead of version {before}, and it was not announced"


def _told(tx: sa.Connection, memory: Memory, what: str, now: datetime, hearers: Sequence[str]) -> Memory:
    incident, at = memory.incident, memory.evaluated_through or now
    if incident is not None and incident.state is IncidentState.OPEN:
        return replace(memory, incident=noted(incident, at, "note", what))
    if hearers:
        fresh = Incident(f"{OURSELVES}-note-{at:%Y%m%dT%H%M%S}-{memory.model}", OURSELVES, at, revision=0, severity="info", notify=tuple(hearers))
        put_incident(tx, replace(noted(fresh, at, "note", what), state=IncidentState.CLOSED, closed_at=at), now)
    return memory


def _under_way(memory: Memory, version: str) -> _Maker | None:
    """A switch that the traffic shows before its answer was recorded."""
    plan = memory.plan
    goes_to = None if plan is None else {Step.SWITCHING: plan.candidate, Step.RETURNING: plan.live}.get(plan.step)
    return _Maker(WATCHTOWER, plan=plan.id, note=f"switched by {plan.target}") if plan is not None and goes_to == version else None


def _made(tx: sa.Connection, model: str, version: str, before: int, now: datetime) -> _Maker:
    """Who made *version* live after *before*, the clock's time (in microseconds) at which the one before it was recorded."""
    recent = sa.select(plans.c.id).where(plans.c.model == model).order_by(plans.c.opened_at.desc()).limit(_PLANS)
    for row in tx.execute(sa.select(facts).where(facts.c.plan.in_(recent), facts.c.at >= before).order_by(facts.c.at.desc())):
        fact = fact_in(row.body)
        if isinstance(fact, Switched) and fact.after == version and not fact.dry_run:
            return _Maker(WATCHTOWER, plan=row.plan, note=f"switched by {fact.target}")
    coming = (deployments.c.model == model, deployments.c.version == version, deployments.c.serving.is_(None))
    due = sa.select(deployments).where(*coming, deployments.c.at >= micros(now - ANNOUNCED_FOR)).order_by(deployments.c.at).limit(1)
    said = tx.execute(due).first()
    return _Maker(PERSON) if said is None else _Maker(ANNOUNCED, said.who, said.note, deployment=said.id)


def _newest(tx: sa.Connection, model: str) -> sa.Row[tuple[object, ...]] | None:
    return tx.execute(sa.select(servings).where(servings.c.model == model).order_by(servings.c.id.desc()).limit(1)).first()


def _length(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
