"""Retrainings that were asked for: written with the evaluation that asks, delivered by the outbox under a topic of their own."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.retraining import Retraining
from watchtower.nouns.window import micros
from watchtower.store.codec import decode, encode
from watchtower.store.database import Database
from watchtower.store.tables import Moment, metadata, told

TOPIC = "retrain/"
"""A topic of the ledger: this, and the incident's id."""

retrainings = sa.Table(
    "retrainings",
    metadata,
    sa.Column("incident", sa.Text, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


class RetrainingRows:
    """One row an incident: what its trainer is told."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def of(self, incident: str) -> Retraining | None:
        """What was asked for in *incident*; None where nothing was."""
        with self._database.reading() as tx:
            body = tx.execute(sa.select(retrainings.c.body).where(retrainings.c.incident == incident)).scalar()
        return None if body is None else decode(body, Retraining)


def trainer(model: str) -> str:
    """What the trainer of *model* is called in the ledger, in logs and in metrics."""
    return f"{TOPIC}{model}"


def ask(tx: sa.Connection, asked: Retraining, now: datetime) -> None:
    """Has the model's trainer lag behind, once an incident: what is asked for again changes nothing, but what was dead is tried again."""
    kept = {"incident": asked.incident, "at": micros(asked.at), "body": encode(asked)}
    tx.execute(insert(retrainings).values(kept).on_conflict_do_nothing(index_elements=["incident"]))
    at = {"since": micros(now), "attempts": 0, "next_at": micros(now), "is_dead": False, "error": ""}
    new = insert(told).values(topic=f"{TOPIC}{asked.incident}", notifier=trainer(asked.model), incident=asked.incident, revision=1, told_revision=0, **at)
    tx.execute(new.on_conflict_do_update(index_elements=["topic", "notifier"], set_=at, where=told.c.is_dead))
