"""The table of kept rows; see tables.py. Whoever opens a store imports it, so that it is made with the others."""

import sqlalchemy as sa

from watchtower.store.tables import Moment, metadata

kept_rows = sa.Table(
    "kept_rows",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("window_start", Moment, nullable=False),
    sa.Column("window_end", Moment, nullable=False, index=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("halvings", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("kept_rows_of_window", "model", "window_end"),
    sqlite_autoincrement=True,
)
"""Pieces of one (model, version, window) each, from one checkpoint each: rows whose position hash is at most (2⁶⁴ - 1) >> halvings."""
