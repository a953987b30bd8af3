"""Rows beside their summaries (`keep: raw`): checkpoints write them, retention takes them, whoever needs rows reads them where the source has them no more."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import sqlalchemy as sa

from watchtower.core.retaining import common
from watchtower.core.slicing import joined, sliced
from watchtower.core.trialling import ALL
from watchtower.nouns.batch import PredictionBatch
from watchtower.nouns.kept import KeptRows
from watchtower.nouns.window import Key, Window, micros, moment
from watchtower.store.database import Database
from watchtower.store.row_packing import pack_rows, unpack_rows
from watchtower.store.row_tables import kept_rows

_AT_ONCE = 20_000
Row = dict[str, object]


class KeptRowsRoom:
    """Reads kept rows; :func:`put_rows` and :func:`expire` write inside others' transactions."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def read(self, model: str, start: datetime, end: datetime) -> PredictionBatch | None:
        """The kept rows of *model* with event time in [start, end), in position order; None where there are none.

        Of each version and window they are an even sample: all rows whose position hash is under one threshold.
        """
        with self._database.reading() as tx:
            if not sa.inspect(tx).has_table(kept_rows.name):  # a store of an earlier release, opened to look only
                return None
            wanted = sa.select(kept_rows).where(kept_rows.c.model == model, kept_rows.c.window_end > micros(start), kept_rows.c.window_start < micros(end))
            found = [_piece(row) for row in tx.execute(wanted.order_by(kept_rows.c.id))]
        parts = common(found)
        if not parts:
            return None
        batch = joined(parts)
        inside = np.flatnonzero((batch.times >= micros(start)) & (batch.times < micros(end)))
        order = np.lexsort((batch.ordinals[inside], batch.positions[inside], batch.partition[inside]))
        return sliced(batch, inside[order]) if len(inside) else None


def _piece(row: sa.Row[tuple[object, ...]]) -> KeptRows:
    key = Key(row.model, row.version, "", Window(moment(row.window_start), moment(row.window_end)))
    return KeptRows(key, ALL >> row.halvings, unpack_rows(row.body, row.model))


# ------------------------------------------------------------------------------------------------------ inside others' transactions


def rows_of(kept: Sequence[KeptRows]) -> list[Row]:
    """*kept* as the table wants it; made before the transaction begins."""
    return [
        {
            "model": each.key.model,
            "version": each.key.version,
            "window_start": micros(each.key.window.start),
            "window_end": micros(each.key.window.end),
            "rows": len(each.batch),
            "halvings": 64 - each.threshold.bit_length(),
            "body": pack_rows(each.batch),
        }
        for each in kept
    ]


def put_rows(tx: sa.Connection, rows: Sequence[Row]) -> None:
    """What a checkpoint adds."""
    if rows:
        tx.execute(sa.insert(kept_rows), list(rows))


def expire(tx: sa.Connection, before: int) -> None:
    """Rows of windows that ended before *before* (microseconds), at most 20,000 pieces a call (one a second and version are 600 in ten minutes)."""
    old = sa.select(kept_rows.c.id).where(kept_rows.c.window_end < before).order_by(kept_rows.c.window_end).limit(_AT_ONCE)
    tx.execute(sa.delete(kept_rows).where(kept_rows.c.id.in_(old)))
