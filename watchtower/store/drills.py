"""The last drill of each model, so that a restart forgets none."""

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.drill import Drilled
from watchtower.nouns.window import micros, moment
from watchtower.store.codec import Json, decode_json, encode, stamp
from watchtower.store.database import Database
from watchtower.store.tables import Moment, metadata

drills = sa.Table(
    "drills",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("live", sa.Text, nullable=False),
    sa.Column("candidate", sa.Text),
    sa.Column("reasons", sa.LargeBinary, nullable=False),
)


class DrillRows:
    """One row a model: its newest drill."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def save(self, drilled: Drilled) -> None:
        """Takes the place of the model's drill before."""
        row = {"at": micros(drilled.at), "live": drilled.live, "candidate": drilled.candidate, "reasons": encode(list(drilled.reasons))}
        new = insert(drills).values(model=drilled.model, **row)
        with self._database.writing() as tx:
            tx.execute(new.on_conflict_do_update(index_elements=["model"], set_={name: new.excluded[name] for name in row}))

    def load(self, model: str) -> Drilled | None:
        """The model's newest drill, None where there was none."""
        with self._database.reading() as tx:
            row = tx.execute(sa.select(drills).where(drills.c.model == model)).first()
        return None if row is None else _drilled(row)

    def all(self) -> list[Drilled]:
        """Every model's newest drill, by name."""
        with self._database.reading() as tx:
            return _all(tx)


def drills_json(tx: sa.Connection) -> list[Json]:
    """The newest drills as `status --json` tells them; [] in a store of an earlier release, which has no such table."""
    if not sa.inspect(tx).has_table(drills.name):
        return []
    return [
        {"model": each.model, "ready": each.ready, "at": stamp(each.at), "live": each.live, "candidate": each.candidate, "reasons": list(each.reasons)}
        for each in _all(tx)
    ]


def _all(tx: sa.Connection) -> list[Drilled]:
    return [_drilled(row) for row in tx.execute(sa.select(drills).order_by(drills.c.model))]


def _drilled(row: sa.Row[tuple[object, ...]]) -> Drilled:
    reasons = decode_json(row.reasons)
    return Drilled(row.model, moment(row.at), row.live, row.candidate, tuple(map(str, reasons)) if isinstance(reasons, list) else ())
