"""The kill switch: who froze actions, of which model, until when. Every freeze and thaw is an act of the audit."""

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.core.guards import Freeze
from watchtower.core.versions import gone
from watchtower.nouns.memory import Memory
from watchtower.nouns.provenance import Act
from watchtower.nouns.window import micros, moment
from watchtower.store.artefacts import forget
from watchtower.store.chains import append_act
from watchtower.store.codec import stamp, stamp_micros
from watchtower.store.database import Database
from watchtower.store.memories import load_memory, put_memory
from watchtower.store.tables import Moment, metadata

EVERY = ""
"""The model of a freeze that holds for all."""

freezes = sa.Table(
    "freezes",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("until", Moment),
)
"""What is frozen now (or was until it ran out); model "" is every model."""


class FreezeRows:
    """Any process may freeze and thaw, whether or not a daemon runs."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def freeze(self, it: Freeze) -> None:
        """Freezes from now on; a freeze of the same model takes the place of the one before."""
        until = None if it.until is None else micros(it.until)
        new = insert(freezes).values(model=it.model, by=it.by, origin=it.origin, reason=it.reason, at=micros(it.at), until=until)
        changes = {name: new.excluded[name] for name in ("by", "origin", "reason", "at", "until")}
        told = (("reason", it.reason), ("until", "" if it.until is None else stamp(it.until)))
        with self._database.writing() as tx:
            tx.execute(new.on_conflict_do_update(index_elements=["model"], set_=changes))
            append_act(tx, Act("freeze", it.model, it.by, it.origin, tuple(each for each in told if each[1])), it.at)

    def thaw(self, model: str, *, by: str, origin: str, now: datetime) -> bool:
        """Ends the freeze of *model* ("": the one of all models, not those of single ones); whether there was one that had not run out."""
        with self._database.writing() as tx:
            row = tx.execute(sa.select(freezes).where(freezes.c.model == model)).first()
            tx.execute(sa.delete(freezes).where(freezes.c.model == model))
            if row is None or (row.until is not None and row.until <= micros(now)):
                return False
            append_act(tx, Act("thaw", model, by, origin), now)
            return True

    def frozen(self, model: str, now: datetime) -> Freeze | None:
        """Why nothing may act on *model* now: the freeze of all models, else its own; None where there is none."""
        return next((each for each in self.all(now) if each.model in {EVERY, model}), None)

    def all(self, now: datetime) -> list[Freeze]:
        """Every freeze that holds now, that of all models first."""
        with self._database.reading() as tx:
            return freezes_in(tx, now)

    def clear(self, model: str, version: str, *, by: str, origin: str, now: datetime) -> bool:
        """Makes *version* a candidate again after a rollback from it, and forgets the digest that its artefact had when it was first seen.

        Whether there was anything of either. Fenced where an evaluation came between.
        """
        with self._database.writing() as tx:
            memory = load_memory(tx, model)
            left = version in memory.served.rolled_back_from
            if not forget(tx, model, version) and not left:
                return False
            if left:
                put_memory(tx, _without(memory, version))
            append_act(tx, Act("clear", model, by, origin, (("version", version),)), now)
            return True


def freezes_in(tx: sa.Connection, now: datetime | None = None) -> list[Freeze]:
    """As :meth:`FreezeRows.all`; *now* None: those that have run out too. [] in a store of an earlier release, which has no such table."""
    if not sa.inspect(tx).has_table(freezes.name):
        return []
    rows = tx.execute(sa.select(freezes).order_by(freezes.c.model)).all()
    held = [row for row in rows if now is None or row.until is None or row.until > micros(now)]
    return [Freeze(row.model, row.by, moment(row.at), row.origin, row.reason, None if row.until is None else moment(row.until)) for row in held]


def freeze_json(it: Freeze) -> dict[str, object]:
    """As `status --json` lists it; *model* null is every model."""
    until = None if it.until is None else stamp_micros(micros(it.until))
    return {"model": it.model or None, "by": it.by, "at": stamp(it.at), "origin": it.origin, "reason": it.reason, "until": until}


def _without(memory: Memory, version: str) -> Memory:
    served = memory.served
    return replace(memory, served=replace(served, rolled_back_from=tuple(each for each in served.rolled_back_from if each != version)))


def without_cleared(memory: Memory, stored: Memory) -> Memory:
    """*memory*, which an evaluation began with, less what somebody cleared in *stored* meanwhile."""
    before = stored.plan if stored.plan is not None and memory.plan is not None and stored.plan.id == memory.plan.id else None
    left_now = set(gone(memory.plan)) - set(gone(before))
    known = {*stored.served.rolled_back_from, *left_now}
    kept = tuple(each for each in memory.served.rolled_back_from if each in known)
    return memory if kept == memory.served.rolled_back_from else replace(memory, served=replace(memory.served, rolled_back_from=kept))
