"""Calibrated bounds, each with the date and the inputs that it was made from."""

from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.core.calibration import Calibration
from watchtower.store.database import Database
from watchtower.store.tables import metadata

calibrations = sa.Table(
    "calibrations",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("binning", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""One row a (model, rule); it holds for the rule's digest and the binning beside it alone."""

_DECODER = msgspec.json.Decoder(Calibration)
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class CalibrationKey:
    """What a calibration is of: it is no other rule's, nor an edited rule's, nor another binning's."""

    model: str
    digest: str
    binning: str


class CalibrationRows:
    """Reads and writes calibrations."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def save(self, made: Calibration) -> None:
        """Takes the place of what the (model, rule) had."""
        row = {"digest": made.digest, "binning": made.binning, "body": _ENCODER.encode(made)}
        new = insert(calibrations).values(model=made.model, rule=made.rule, **row)
        with self._database.writing() as tx:
            tx.execute(new.on_conflict_do_update(index_elements=["model", "rule"], set_={name: new.excluded[name] for name in row}))

    def of(self, model: str) -> dict[CalibrationKey, Calibration]:
        """The model's calibrations; one that cannot be read (another release wrote it) is none, so that it is made anew."""
        with self._database.reading() as tx:
            rows = tx.execute(sa.select(calibrations).where(calibrations.c.model == model).order_by(calibrations.c.rule)).all()
        found = {CalibrationKey(row.model, row.digest, row.binning): _read(row.body) for row in rows}
        return {key: made for key, made in found.items() if made is not None}


def _read(body: bytes) -> Calibration | None:
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError:
        return None
