"""The tables of references: the newest of each model, those before it, and who changed them."""

import sqlalchemy as sa

from watchtower.store.tables import Moment, metadata

references = sa.Table(
    "references_of_models",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("binning_id", sa.Text, nullable=False),
    sa.Column("valid_from", Moment, nullable=False),
    sa.Column("binning", sa.LargeBinary, nullable=False),
)

reference_profiles = sa.Table(
    "reference_profiles",
    metadata,
    sa.Column("model", sa.Text, sa.ForeignKey("references_of_models.model", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("segment", sa.Text, primary_key=True),
    sa.Column("profile", sa.LargeBinary, nullable=False),
)

earlier_references = sa.Table(
    "earlier_references",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("valid_from", Moment, primary_key=True),
    sa.Column("binning_id", sa.Text, nullable=False),
    sa.Column("binning", sa.LargeBinary, nullable=False),
    sa.Column("profiles", sa.LargeBinary, nullable=False),
)
"""References that another one took the place of: windows before its *valid_from* are still folded and scored with them."""

reference_changes = sa.Table(
    "reference_changes",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""Who accepted which reference, when and from what: one hash chain a model, appended to and never changed."""
