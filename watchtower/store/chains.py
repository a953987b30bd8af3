"""The audit's chains: one a plan, one of what people did beside plans, and a journal over their heads. Appended to and never changed.

A chain's hash is SHA-256 of the hash before it followed by the body, so an edited, inserted, moved or missing fact breaks it. What a chain
cannot show by itself, that its end or the whole of it was cut off, the journal shows: each append writes there how long the chain is now and
what its head is, and the journal is a chain itself, whose own head and length stand apart. SQLite refuses updates and deletions besides.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.facts import Fact
from watchtower.nouns.provenance import Act
from watchtower.nouns.window import micros
from watchtower.store._reference_tables import reference_changes
from watchtower.store.codec import audit_body, chained, encode, stamp, stamp_micros
from watchtower.store.tables import Moment, facts, metadata, state

ACTS = "acts"
PLAN, REFERENCE = "plan/", "reference/"
HEAD = "audit_head"
"""Where the journal's length and head stand apart from it."""

journal = sa.Table(
    "audit_journal",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("chain", sa.Text, nullable=False, index=True),
    sa.Column("links", sa.Integer, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""One row an append: the chain, how many links it has now, and the hash of the last one."""

acts = sa.Table(
    "audit_acts",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""What people did beside plans."""

_GUARDED = (facts, acts, journal, reference_changes)
for _table in _GUARDED:
    for _verb in ("UPDATE", "DELETE"):
        _trigger = f"CREATE TRIGGER IF NOT EXISTS {_table.name}_no_{_verb.lower()} BEFORE {_verb} ON {_table.name} "
        _refusal = "BEGIN SELECT RAISE(ABORT, 'the audit is only appended to'); END"
        sa.event.listen(metadata, "after_create", sa.DDL(_trigger + _refusal).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def append_facts(tx: sa.Connection, plan_id: str, new: Sequence[Fact], now: datetime) -> None:
    """Adds to the plan's hash chain."""
    last = tx.execute(sa.select(facts.c.seq, facts.c.hash).where(facts.c.plan == plan_id).order_by(facts.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq, last.hash) if last else (0, "")
    for fact in new:
        seq += 1
        body = audit_body(plan_id, seq, now, fact)
        previous = chained(previous, body)
        tx.execute(sa.insert(facts).values(plan=plan_id, seq=seq, at=micros(now), body=body, hash=previous))
    if new:
        note(tx, f"{PLAN}{plan_id}", seq, previous, now)


def append_act(tx: sa.Connection, act: Act, now: datetime) -> None:
    """Adds to the chain of what people did beside plans."""
    last = tx.execute(sa.select(acts.c.seq, acts.c.hash).order_by(acts.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, "")
    told = {"kind": act.kind, "model": act.model, "by": act.by, "origin": act.origin, "detail": dict(act.detail)}
    body = encode({"seq": seq, "at": stamp(now), "act": told})
    head = chained(previous, body)
    tx.execute(sa.insert(acts).values(seq=seq, at=micros(now), model=act.model, body=body, hash=head))
    note(tx, ACTS, seq, head, now)


def note(tx: sa.Connection, chain: str, count: int, head: str, now: datetime) -> None:
    """Writes into the journal that *chain* has *count* links now and ends in *head*; the first time, every chain that an earlier release left."""
    last = tx.execute(sa.select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq, last.hash) if last else (0, "")
    for name, links, end in ((chain, count, head),) if last else _all_heads(tx):
        seq += 1
        previous = chained(previous, journal_body(seq, micros(now), name, links, end))
        tx.execute(sa.insert(journal).values(seq=seq, at=micros(now), chain=name, links=links, head=end, hash=previous))
    put = insert(state).values(name=HEAD, number=seq, body=previous.encode())
    tx.execute(put.on_conflict_do_update(index_elements=["name"], set_={"number": put.excluded.number, "body": put.excluded.body}))


def journal_body(seq: int, at: int, chain: str, count: int, head: str) -> bytes:
    """What the journal hashes of one row; *at* in microseconds since 1970."""
    return encode({"seq": seq, "at": stamp_micros(at), "chain": chain, "count": count, "head": head})


def _all_heads(tx: sa.Connection) -> Iterator[tuple[str, int, str]]:
    """(chain, count, head) of everything that is there."""
    for table, owner, prefix in ((facts, facts.c.plan, PLAN), (reference_changes, reference_changes.c.model, REFERENCE)):
        longest = sa.select(owner.label("owner"), sa.func.max(table.c.seq).label("seq")).group_by(owner).subquery()
        joined = table.join(longest, sa.and_(owner == longest.c.owner, table.c.seq == longest.c.seq))
        for row in tx.execute(sa.select(owner.label("owner"), table.c.seq, table.c.hash).select_from(joined).order_by(owner)).all():
            yield f"{prefix}{row.owner}", row.seq, row.hash
    done = tx.execute(sa.select(acts.c.seq, acts.c.hash).order_by(acts.c.seq.desc()).limit(1)).first()
    if done is not None:
        yield ACTS, done.seq, done.hash
