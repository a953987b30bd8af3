"""The tables. Every moment is an integer of microseconds since 1970; blobs are written by packing.py, JSON by codec.py."""

import sqlalchemy as sa

SCHEMA = 1
"""Version of what is below; a store with a larger one is refused."""

metadata = sa.MetaData()
Moment = sa.BigInteger

schema = sa.Table("schema", metadata, sa.Column("version", sa.Integer, primary_key=True))

state = sa.Table(
    "state",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger),
    sa.Column("body", sa.LargeBinary),
)
"""Single values: closed_through, heartbeat (with the jobs as JSON)."""

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("identity", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("newest", Moment),
    sa.Column("caught_up_at", Moment),
    sa.Column("appended_at", Moment),
    sa.Column("end", sa.BigInteger),
)

ends = sa.Table(
    "ends",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("identity", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("end", sa.BigInteger, nullable=False),
)
"""Assigned partitions: the client's position and the end, as last seen (lag counts from the stored position where there is one)."""

deltas = sa.Table(
    "deltas",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("window_start", Moment, nullable=False),
    sa.Column("window_end", Moment, nullable=False),
    sa.Column("profile", sa.LargeBinary, nullable=False),
    sa.Index("deltas_by_window", "late", "model", "window_end"),
    sqlite_autoincrement=True,
)

totals = sa.Table(
    "totals",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("predictions", sa.BigInteger, nullable=False),
    sa.Column("late", sa.BigInteger, nullable=False),
    sa.Column("latency_sum", sa.Float, nullable=False),
)

counts = sa.Table(
    "counts",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("n", sa.BigInteger, nullable=False),
)
"""*what* is role (rows by another role), error (served rows by status) or latency (served rows by bucket number)."""

rejected = sa.Table("rejected", metadata, sa.Column("reason", sa.Text, primary_key=True), sa.Column("n", sa.BigInteger, nullable=False))

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("first_start", Moment),
    sa.Column("evaluated_through", Moment),
    sa.Column("live", sa.Text),
    sa.Column("memory", sa.LargeBinary),
)
"""*first_start* is the start of the window of the model's first served row that was not late; *memory* is JSON."""

windows = sa.Table(
    "windows",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("window_end", Moment, primary_key=True),
    sa.Column("window_start", Moment, nullable=False),
    sa.Column("live", sa.Text),
)

profiles = sa.Table(
    "profiles",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("window_end", Moment, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("profile", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("model", "window_end", "version", "segment"),
    sa.ForeignKeyConstraint(["model", "window_end"], ["windows.model", "windows.window_end"], ondelete="CASCADE"),
    sqlite_autoincrement=True,
)
"""History: one row a version and segment of an evaluated window; (id, revision) never names two contents."""

boards = sa.Table(
    "boards",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("window_end", Moment, primary_key=True),
    sa.Column("board", sa.LargeBinary, nullable=False),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.Column("value", sa.Float),
)
"""The pending and firing alerts of each model's memory again, for those who only look."""

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("incident", sa.Text, nullable=False, index=True),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
sa.Index("one_open_plan_a_model", plans.c.model, unique=True, sqlite_where=plans.c.is_open, postgresql_where=plans.c.is_open)

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("plan", sa.Text, sa.ForeignKey("plans.id"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""The audit: one hash chain a plan, appended to and never changed."""

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

told = sa.Table(
    "told",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("notifier", sa.Text, primary_key=True),
    sa.Column("incident", sa.Text, sa.ForeignKey("incidents.id"), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("told_revision", sa.Integer, nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Moment, nullable=False),
    sa.Column("is_dead", sa.Boolean, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("receipt", sa.LargeBinary),
)
"""The outbox ledger: what lags is where told_revision < revision, since *since*."""

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("plan", sa.Text, primary_key=True),
    sa.Column("saved_at", Moment, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

readings = sa.Table(
    "readings",
    metadata,
    sa.Column("window_end", Moment, primary_key=True),
    sa.Column("meter", sa.Text, primary_key=True),
    sa.Column("measure", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("window_start", Moment, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("total", sa.Float, nullable=False),
    sa.Column("smallest", sa.Float, nullable=False),
    sa.Column("largest", sa.Float, nullable=False),
    sa.Column("first", sa.Float, nullable=False),
    sa.Column("last", sa.Float, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
"""What meters read, summed up by base window; measure "" is the meter itself, with the reason why it read nothing."""

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
