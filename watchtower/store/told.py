"""The outbox is a ledger: which revision of an incident each notifier was told. What lags is delivered; nothing is deleted unseen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.incident import Incident, Receipt
from watchtower.nouns.window import micros, moment
from watchtower.store.codec import decode, decode_json, encode
from watchtower.store.database import Database
from watchtower.store.tables import incidents, told


@dataclass(frozen=True, slots=True)
class Lag:
    """What one notifier has not been told of a topic: revisions above *told_revision*, up to *revision*, since *since*."""

    topic: str
    notifier: str
    revision: int
    told_revision: int
    receipt: Receipt | None
    attempts: int
    incident: Incident
    since: datetime
    error: str = ""


class ToldRows:
    """What lags, and what became of it."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def lagging(self, now: datetime) -> list[Lag]:
        """What is to be told by *now*, oldest first; without what is dead or waits for its next attempt."""
        due = (told.c.told_revision < told.c.revision, told.c.is_dead == sa.false(), told.c.next_at <= micros(now))
        return self._lags(due)

    def dead_letters(self) -> list[Lag]:
        """What was given up: it stays, visible and counted, until its incident is told anew."""
        return self._lags((told.c.is_dead == sa.true(),))

    def depth(self) -> int:
        """How many topics lag, waiting ones included, dead ones not."""
        with self._database.reading() as tx:
            behind = sa.select(sa.func.count()).select_from(told).where(told.c.told_revision < told.c.revision, told.c.is_dead == sa.false())
            return int(tx.execute(behind).scalar_one())

    def delivered(self, lag: Lag, receipt: Receipt, now: datetime) -> None:
        """The notifier knows *lag.revision*; a later one lags on."""
        known = sa.case((told.c.told_revision > lag.revision, told.c.told_revision), else_=lag.revision)
        self._set(lag, told_revision=known, receipt=encode(receipt.fields), attempts=0, next_at=micros(now), since=micros(now), is_dead=False, error="")

    def failed(self, lag: Lag, error: str, next_at: datetime, now: datetime) -> None:
        """It did not arrive; the next attempt is at *next_at* (or *now*, whichever is later)."""
        self._set(lag, attempts=told.c.attempts + 1, next_at=micros(max(next_at, now)), error=error)

    def dead(self, lag: Lag, error: str, now: datetime) -> None:
        """Given up: it is not tried again until the incident has something new."""
        self._set(lag, attempts=told.c.attempts + 1, next_at=micros(now), is_dead=True, error=error)

    def _set(self, lag: Lag, **values: object) -> None:
        with self._database.writing() as tx:
            tx.execute(sa.update(told).where(told.c.topic == lag.topic, told.c.notifier == lag.notifier).values(**values))

    def _lags(self, where: Sequence[sa.ColumnElement[bool]]) -> list[Lag]:
        joined = told.join(incidents, incidents.c.id == told.c.incident)
        wanted = sa.select(*told.c, incidents.c.body).select_from(joined).where(*where).order_by(told.c.since, told.c.topic, told.c.notifier)
        with self._database.reading() as tx:
            found = tx.execute(wanted).all()
        return [
            Lag(
                topic=row.topic,
                notifier=row.notifier,
                revision=row.revision,
                told_revision=row.told_revision,
                receipt=None if row.receipt is None else _receipt(row.receipt),
                attempts=row.attempts,
                incident=decode(row.body, Incident),
                since=moment(row.since),
                error=row.error,
            )
            for row in found
        ]


def announce(tx: sa.Connection, incident: Incident, now: datetime) -> None:
    """Has every notifier of *incident* lag behind its present revision; what was dead is tried again."""
    if not incident.notify:
        return
    new = insert(told)
    grown = told.c.revision < new.excluded.revision
    up_to_date = told.c.told_revision >= told.c.revision
    changes = {
        "revision": new.excluded.revision,
        "since": sa.case((up_to_date, new.excluded.since), else_=told.c.since),
        "attempts": sa.case((told.c.is_dead, 0), else_=told.c.attempts),
        "next_at": sa.case((sa.or_(told.c.is_dead, up_to_date), new.excluded.next_at), else_=told.c.next_at),
        "is_dead": False,
    }
    fixed = {"topic": f"incident/{incident.id}", "incident": incident.id, "revision": incident.revision, "told_revision": 0}
    at = {"since": micros(now), "attempts": 0, "next_at": micros(now), "is_dead": False, "error": ""}
    tx.execute(
        new.on_conflict_do_update(index_elements=["topic", "notifier"], set_=changes, where=grown),
        [fixed | at | {"notifier": name} for name in dict.fromkeys(incident.notify)],
    )


def _receipt(body: bytes) -> Receipt:
    fields = decode_json(body)
    return Receipt({str(name): str(value) for name, value in fields.items()} if isinstance(fields, dict) else {})
