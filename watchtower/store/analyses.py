"""What was found once by re-running a version on the reference rows, so that no restart runs it again."""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.window import micros
from watchtower.store.database import Database
from watchtower.store.tables import Moment, metadata

analyses = sa.Table(
    "analyses",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("binning_id", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("saved_at", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""What re-running a version on the reference rows said: *what* is calibration or importance."""


class AnalysisRows:
    """One blob a (model, version, binning, what), in the analyst's own format."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """Over *database*; *now* dates what is saved."""
        self._database = database
        self._now = now

    def load(self, model: str, version: str, binning: str, what: str) -> bytes | None:
        """What was saved last, None where nothing was."""
        same = (analyses.c.model == model, analyses.c.version == version, analyses.c.binning_id == binning, analyses.c.what == what)
        with self._database.reading() as tx:
            body: bytes | None = tx.execute(sa.select(analyses.c.body).where(*same)).scalar()
        return body

    def save(self, key: tuple[str, str, str, str], blob: bytes) -> None:
        """Takes the place of what was saved for (model, version, binning, what) before; what the model had under another binning goes."""
        model, version, binning, what = key
        new = insert(analyses).values(model=model, version=version, binning_id=binning, what=what, saved_at=micros(self._now()), body=blob)
        changes = {"saved_at": new.excluded.saved_at, "body": new.excluded.body}
        with self._database.writing() as tx:
            tx.execute(sa.delete(analyses).where(analyses.c.model == model, analyses.c.binning_id != binning))
            tx.execute(new.on_conflict_do_update(index_elements=["model", "version", "binning_id", "what"], set_=changes))
