"""Where labels and predictions wait for each other, and what was posted. Halves are written by checkpoints, joins by evaluations."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.core.answers import spelled
from watchtower.core.joining import hashes_of
from watchtower.core.meeting import Room, remembering
from watchtower.core.meeting import come_in as arrived
from watchtower.nouns.errors import Fenced
from watchtower.nouns.labels import Halves, Joined, LabelHalf, PredictionHalf, Waiting
from watchtower.nouns.profile import Delta
from watchtower.nouns.window import Partition, micros
from watchtower.store.database import Database
from watchtower.store.label_packing import pack_hashes, pack_labels, pack_predictions, unpack_hashes, unpack_labels, unpack_predictions
from watchtower.store.label_tables import label_joins, label_rooms, label_spool, waiting_labels, waiting_predictions
from watchtower.store.tables import models

SPOOL = Partition("POST /api/v1/labels")
"""Posted labels are read like a partition of this name; positions are their numbers."""
_COUNTS = ("halvings", "predictions", "labels", "joined", "expired")
Row = dict[str, object]


class LabelRows:
    """Reads rooms, keeps posts; :func:`put_halves` and :func:`put_join` write inside others' transactions."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def halvings(self) -> dict[str, int]:
        """Models that wait for labels, and how often the share of their ids that are kept was halved."""
        with self._database.reading() as tx:
            return {row.model: row.halvings for row in tx.execute(sa.select(label_rooms.c.model, label_rooms.c.halvings))}

    def room(self, model: str, known: Room | None) -> Room | None:
        """The model's room as it is now: *known* with what has come since, or read anew where somebody else joined meanwhile; None where there is none."""
        with self._database.reading() as tx:
            row = tx.execute(sa.select(label_rooms).where(label_rooms.c.model == model)).first()
            if row is None:
                return None
            room = known
            if room is None or room.revision != row.revision:
                now = Waiting(model, row.predictions, row.labels, row.joined, row.expired, row.halvings)
                through = -(2**62) if row.through is None else row.through
                room = remembering(Room(now, began=row.began, through=through, revision=row.revision), _joins(tx, model))
            predictions = [(each.id, unpack_predictions(each.body)) for each in tx.execute(_newer(waiting_predictions, model, room.last[0]))]
            labels = [(each.id, unpack_labels(each.body)) for each in tx.execute(_newer(waiting_labels, model, room.last[1]))]
        return arrived(room, predictions, labels)

    def labels_of(self, model: str, ids: Sequence[str], until: datetime) -> list[str | None]:
        """The label of each id as it was known at *until*, spelled; None where there is none (or it is no longer kept)."""
        hashes = hashes_of(ids)
        with self._database.reading() as tx:
            bodies = tx.execute(sa.select(waiting_labels.c.body).where(waiting_labels.c.model == model).order_by(waiting_labels.c.id)).scalars().all()
        found: dict[int, tuple[int, str | None]] = {}
        for half in map(unpack_labels, bodies):
            rows = np.flatnonzero(np.isin(half.hashes, hashes) & (half.times < micros(until)))
            for i in rows.tolist():
                key, time = int(half.hashes[i]), int(half.times[i])
                if key not in found or found[key][0] <= time:
                    found[key] = (time, _spelling(half, i))
        return [found[key][1] if key in found else None for key in hashes.tolist()]

    def waiting(self) -> list[Waiting]:
        """How every model stood after its last join."""
        with self._database.reading() as tx:
            return standings(tx)

    def spool(self, messages: Sequence[bytes], now: datetime) -> None:
        """Keeps posted labels until intake has read them; they are safe once this returns."""
        with self._database.writing() as tx:
            tx.execute(sa.insert(label_spool), [{"at": micros(now), "body": each} for each in messages])

    def spooled(self, after: int, limit: int) -> list[tuple[int, int, bytes]]:
        """(number, moment, message) of the oldest *limit* posts behind number *after*."""
        wanted = sa.select(label_spool).where(label_spool.c.id > after).order_by(label_spool.c.id).limit(limit)
        with self._database.reading() as tx:
            return [(row.id, row.at, row.body) for row in tx.execute(wanted)]


def standings(tx: sa.Connection) -> list[Waiting]:
    """How every model stood after its last join, by name; none in a store of an earlier release."""
    if not sa.inspect(tx).has_table(label_rooms.name):
        return []
    return [Waiting(row.model, *(getattr(row, name) for name in ("predictions", "labels", "joined", "expired", "halvings"))) for row in tx.execute(_rooms())]


def _rooms() -> sa.Select[tuple[object, ...]]:
    return sa.select(*label_rooms.c).order_by(label_rooms.c.model)


def _newer(table: sa.Table, model: str, after: int) -> sa.Select[tuple[object, ...]]:
    return sa.select(table.c.id, table.c.body).where(table.c.model == model, table.c.id > after).order_by(table.c.id)


def _joins(tx: sa.Connection, model: str) -> list[tuple[int, int, np.ndarray[tuple[int], np.dtype[np.uint64]]]]:
    wanted = sa.select(label_joins).where(label_joins.c.model == model).order_by(label_joins.c.revision)
    return [(row.revision, row.at, unpack_hashes(row.body)) for row in tx.execute(wanted)]


def _spelling(half: LabelHalf, row: int) -> str | None:
    code = int(half.values.codes[row])
    return (half.values.texts[code] or None) if code >= 0 else spelled(float(half.values.numbers[row]))


# ------------------------------------------------------------------------------------------------------ inside others' transactions


def put_halves(tx: sa.Connection, delta: Delta) -> None:
    """What a checkpoint adds; posts that it has read go."""
    if delta.halves:
        _put(tx, delta.halves)
    read = delta.progress.get(SPOOL)
    if read is not None:
        tx.execute(sa.delete(label_spool).where(label_spool.c.id < read[1].position))


def expire(tx: sa.Connection, before: int, most: int = 2_000_000) -> None:
    """Halves older than *before* of models that have no window (a misspelt name): no join will ever look at them. Of younger ones *most* rows a model stay."""
    for table in (waiting_labels, waiting_predictions):
        strange = table.c.model.not_in(sa.select(models.c.model).where(models.c.first_start.is_not(None)))
        tx.execute(sa.delete(table).where(strange, table.c.last < before))
        after = sa.func.sum(table.c.rows).over(partition_by=table.c.model, order_by=table.c.id.desc())
        held = sa.select(table.c.id, after.label("held")).where(strange).subquery()
        tx.execute(sa.delete(table).where(table.c.id.in_(sa.select(held.c.id).where(held.c.held > most))))


def _put(tx: sa.Connection, halves: Halves) -> None:
    for table, rows in ((waiting_predictions, _predictions(halves)), (waiting_labels, _labels(halves))):
        if rows:
            tx.execute(sa.insert(table), rows)
    blank = {"revision": 0, "halvings": 0, "predictions": 0, "labels": 0, "joined": 0, "expired": 0}
    tx.execute(insert(label_rooms).on_conflict_do_nothing(), [{"model": model, **blank} for model in {*halves.predictions, *halves.labels}])


def _predictions(halves: Halves) -> list[Row]:
    return [_row(model, half) | {"body": pack_predictions(half)} for model, half in halves.predictions.items()]


def _labels(halves: Halves) -> list[Row]:
    return [_row(model, half) | {"body": pack_labels(half)} for model, half in halves.labels.items()]


def _row(model: str, half: PredictionHalf | LabelHalf) -> Row:
    return {"model": model, "rows": len(half.times), "last": int(half.times.max())}


def put_join(tx: sa.Connection, joined: Joined) -> None:
    """What a join changed, in the transaction of the evaluation that its pairs are part of. Fenced where another join came between."""
    model, now = joined.now.model, joined.now
    changes: Mapping[str, object] = {name: getattr(now, name) for name in _COUNTS} | {
        "revision": joined.seen + 1,
        "through": joined.keep_after,
        "began": joined.began,
    }
    moved = tx.execute(sa.update(label_rooms).where(label_rooms.c.model == model, label_rooms.c.revision == joined.seen).values(changes)).rowcount
    if moved != 1:
        msg = f"labels of {model} were joined by somebody else"
        raise Fenced(msg)
    if len(joined.hashes):
        tx.execute(sa.insert(label_joins).values(model=model, revision=joined.seen + 1, at=joined.at, body=pack_hashes(joined.hashes)))
    tx.execute(sa.delete(label_joins).where(label_joins.c.model == model, label_joins.c.revision < joined.through))
    for table, gone in ((waiting_predictions, joined.predictions), (waiting_labels, joined.labels)):
        if gone:
            tx.execute(sa.delete(table).where(table.c.id == sa.bindparam("piece")), [{"piece": each} for each in gone])
    for piece, half in joined.rewritten.items():
        tx.execute(sa.update(waiting_predictions).where(waiting_predictions.c.id == piece).values(rows=len(half.times), body=pack_predictions(half)))
