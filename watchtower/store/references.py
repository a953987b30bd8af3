"""What live traffic is compared with: each model's frozen binning and its reference profiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.window import micros, moment
from watchtower.store.database import Database
from watchtower.store.packing import pack_binning, pack_profile, unpack_binning, unpack_profile
from watchtower.store.tables import reference_profiles, references


@dataclass(frozen=True, slots=True, eq=False)
class StoredReference:
    """A model's reference: windows from *valid_from* on are folded under *binning*; *profiles* by (version, segment), "" the model's own."""

    binning: Binning
    valid_from: datetime
    profiles: Mapping[tuple[str, str], Profile]


class ReferenceRows_:  # noqa: N801  nouns/evidence.py has the rows of a reference file
    """References by model."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def load(self, model: str) -> StoredReference | None:
        """The model's reference, None while there is none."""
        with self._database.reading() as tx:
            row = tx.execute(sa.select(references).where(references.c.model == model)).first()
            found = tx.execute(sa.select(reference_profiles).where(reference_profiles.c.model == model)).all()
        if row is None:
            return None
        profiles = {(each.version, each.segment): unpack_profile(each.profile) for each in found}
        return StoredReference(unpack_binning(row.binning), moment(row.valid_from), profiles)

    def save(self, model: str, stored: StoredReference) -> None:
        """Takes the place of whatever the model had."""
        binning = {"binning_id": stored.binning.id, "valid_from": micros(stored.valid_from), "binning": pack_binning(stored.binning)}
        rows = [
            {"model": model, "version": version, "segment": segment, "profile": pack_profile(profile)}
            for (version, segment), profile in stored.profiles.items()
        ]
        with self._database.writing() as tx:
            tx.execute(sa.delete(references).where(references.c.model == model))
            tx.execute(sa.insert(references).values(model=model, **binning))
            if rows:
                tx.execute(sa.insert(reference_profiles), rows)

    def ids(self) -> dict[str, tuple[str, datetime]]:
        """Model -> (binning id, valid from); one small look."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(references.c.model, references.c.binning_id, references.c.valid_from)).all()
        return {row.model: (row.binning_id, moment(row.valid_from)) for row in found}
