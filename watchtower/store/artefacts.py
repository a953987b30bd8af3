"""The digest that a version's artefact had when it was first seen: a file that is another one later is not trusted."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.window import micros, moment
from watchtower.store.database import Database
from watchtower.store.tables import Moment, metadata

artefacts = sa.Table(
    "artefacts",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A digest, and when it was recorded."""

    sha256: str
    at: datetime


class ArtefactRows:
    """One digest a model and version, written once."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """Over *database*; *now* dates what is seen first."""
        self._database = database
        self._now = now

    def first_seen(self, model: str, version: str, sha256: str) -> Seen:
        """What is recorded of that version; *sha256*, recorded now (unless the store is only read), where nothing was."""
        found = self.recorded(model, version)
        if found is not None:
            return found
        if self._database.read_only:
            return Seen(sha256, self._now())
        with self._database.writing() as tx:
            row = {"model": model, "version": version, "sha256": sha256, "seen_at": micros(self._now())}
            tx.execute(insert(artefacts).values(row).on_conflict_do_nothing())
        return self.recorded(model, version) or Seen(sha256, self._now())

    def recorded(self, model: str, version: str) -> Seen | None:
        """What is recorded of that version, None where it was never seen."""
        with self._database.reading() as tx:
            row = tx.execute(sa.select(artefacts).where(artefacts.c.model == model, artefacts.c.version == version)).first()
        return None if row is None else Seen(row.sha256, moment(row.seen_at))


def forget(tx: sa.Connection, model: str, version: str) -> bool:
    """The next look records anew; True where something was recorded."""
    return tx.execute(sa.delete(artefacts).where(artefacts.c.model == model, artefacts.c.version == version)).rowcount > 0
