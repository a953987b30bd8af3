"""What meters read, by base window, and how each meter does."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.readings import Metered, Summary
from watchtower.nouns.window import Window, micros, moment
from watchtower.store.codec import Json, decode_json, encode, stamp_micros
from watchtower.store.database import Database
from watchtower.store.tables import readings, state

log = logging.getLogger(__name__)
METER = "meter:"
"""How the names of meters begin in the table of single values."""
_MOST = 100_000
"""The most rows that one look takes."""


class ReadingRows:
    """Adds what was read, and looks it up again."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def add(self, rows: Sequence[Metered], meter: str, now: datetime, state_of: Mapping[str, object]) -> None:
        """Adds *rows* to what was read in the same windows before, and says how *meter* does at *now*, in one transaction."""
        values = [_values(row) for row in rows]
        told = insert(state).values(name=f"{METER}{meter}", number=micros(now), body=encode(dict(state_of)))
        with self._database.writing() as tx:
            if values:
                tx.execute(_upsert(), values)
            tx.execute(told.on_conflict_do_update(index_elements=["name"], set_={"number": told.excluded.number, "body": told.excluded.body}))

    def within(self, start: datetime, end: datetime, meters: Collection[str]) -> list[Metered]:
        """What *meters* read in the windows that begin at *start* or later and end at *end* or earlier, oldest first.

        Where that is more than :data:`_MOST` rows the oldest windows are left out, whole ones.
        """
        inside = (readings.c.window_start >= micros(start), readings.c.window_end <= micros(end), readings.c.window_end > micros(start))
        order = (readings.c.window_end.desc(), readings.c.meter.desc(), readings.c.measure.desc(), readings.c.subject.desc())
        wanted = sa.select(readings).where(*inside, readings.c.meter.in_(sorted(meters))).order_by(*order).limit(_MOST + 1)
        with self._database.reading() as tx:
            found = tx.execute(wanted).all()[::-1]
        if len(found) > _MOST:
            log.warning("readings_cut meters=%s from=%s to=%s rows=%d", ",".join(sorted(meters)), start, end, _MOST)
            found = [row for row in found if row.window_end > found[0].window_end]
        return [Metered(Window(moment(row.window_start), moment(row.window_end)), row.meter, row.measure, row.subject, _summary(row)) for row in found]

    def keep_only(self, meters: Iterable[str]) -> None:
        """Forgets how meters do that are configured no more; what they read expires with the windows."""
        kept = [f"{METER}{meter}" for meter in meters]
        with self._database.writing() as tx:
            tx.execute(sa.delete(state).where(state.c.name.startswith(METER), state.c.name.not_in(kept)))


def meters_json(tx: sa.Connection) -> list[Json]:
    """How each meter does: `{name, kind, last, error}`, by name."""
    found = tx.execute(sa.select(state).where(state.c.name.startswith(METER)).order_by(state.c.name)).all()
    return [{"name": row.name.removeprefix(METER), **cast("Json", decode_json(row.body)), "tried": stamp_micros(row.number)} for row in found]


def expire(tx: sa.Connection, before: int, at_once: int) -> int:
    """Deletes what was read in windows that ended before *before*, whole windows, about *at_once* rows a call; how many went."""
    edge = sa.select(readings.c.window_end).where(readings.c.window_end < before).order_by(readings.c.window_end).offset(at_once).limit(1).scalar_subquery()
    return tx.execute(sa.delete(readings).where(readings.c.window_end <= sa.func.coalesce(edge, before - 1))).rowcount


def _values(row: Metered) -> dict[str, object]:
    it = row.summary
    numbers = {"n": it.n, "total": it.total, "smallest": it.smallest, "largest": it.largest, "first": it.first, "last": it.last, "reason": it.reason}
    key = {"window_end": micros(row.window.end), "window_start": micros(row.window.start), "meter": row.meter, "measure": row.measure, "subject": row.subject}
    return key | numbers


def _upsert() -> sa.Insert:
    """As :meth:`Summary.then` has it: a side without numbers changes only the reason."""
    new = insert(readings)
    had, got = readings.c, new.excluded

    def either(both: sa.ColumnElement[float], *, first: sa.ColumnElement[float], second: sa.ColumnElement[float]) -> sa.Case[float]:
        return sa.case((got.n == 0, first), (had.n == 0, second), else_=both)

    changes = {
        "n": had.n + got.n,
        "total": had.total + got.total,
        "smallest": either(sa.func.min(had.smallest, got.smallest), first=had.smallest, second=got.smallest),
        "largest": either(sa.func.max(had.largest, got.largest), first=had.largest, second=got.largest),
        "first": either(had.first, first=had.first, second=got.first),
        "last": either(got.last, first=had.last, second=got.last),
        "reason": sa.case((sa.and_(got.n == 0, got.reason == ""), had.reason), else_=got.reason),
    }
    return new.on_conflict_do_update(index_elements=["window_end", "meter", "measure", "subject"], set_=changes)


def _summary(row: sa.Row[tuple[object, ...]]) -> Summary:
    return Summary(row.n, row.total, row.smallest, row.largest, row.first, row.last, row.reason)
