"""The tables of labels; see tables.py. Whoever opens a store imports them, so that they are made with the others."""

import sqlalchemy as sa

from watchtower.store.tables import Moment, metadata

label_rooms = sa.Table(
    "label_rooms",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("halvings", sa.Integer, nullable=False),
    sa.Column("began", Moment),
    sa.Column("through", Moment),
    sa.Column("predictions", sa.BigInteger, nullable=False),
    sa.Column("labels", sa.BigInteger, nullable=False),
    sa.Column("joined", sa.BigInteger, nullable=False),
    sa.Column("expired", sa.BigInteger, nullable=False),
)
"""Models whose predictions wait for labels: how they stood after join *revision*."""

waiting_predictions = sa.Table(
    "waiting_predictions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("last", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

waiting_labels = sa.Table(
    "waiting_labels",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("last", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""One row a model and checkpoint, of columns; labels stay for `labels.wait` after they met, for trials."""

label_joins = sa.Table(
    "label_joins",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""The ids that met in one window: they count once."""

label_spool = sa.Table(
    "label_spool",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
"""Labels that were posted, until intake has read them."""
