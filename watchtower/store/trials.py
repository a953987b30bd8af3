"""What a plan's trial has gathered so far, so that a restart goes on where it was."""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.window import micros
from watchtower.store.database import Database
from watchtower.store.tables import trials


class TrialRows:
    """One blob a key (a plan's id, or its incident and what else tells trials apart), in the trial's own format."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """Over *database*; *now* dates what is saved, for retention."""
        self._database = database
        self._now = now

    def load(self, plan_id: str) -> bytes | None:
        """What was saved last, None where nothing was or it has expired."""
        with self._database.reading() as tx:
            body: bytes | None = tx.execute(sa.select(trials.c.body).where(trials.c.plan == plan_id)).scalar()
        return body

    def save(self, plan_id: str, blob: bytes) -> None:
        """Takes the place of what was saved before."""
        new = insert(trials).values(plan=plan_id, saved_at=micros(self._now()), body=blob)
        changes = {"saved_at": new.excluded.saved_at, "body": new.excluded.body}
        with self._database.writing() as tx:
            tx.execute(new.on_conflict_do_update(index_elements=["plan"], set_=changes))
