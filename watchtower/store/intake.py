"""What intake writes: a checkpoint is one transaction, so what was read and how far it was read are one truth."""

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.edges.points import reached
from watchtower.nouns.batch import Rejection
from watchtower.nouns.errors import Fenced
from watchtower.nouns.profile import Delta, Profile, Totals
from watchtower.nouns.window import Key, Partition, Progress, micros, moment
from watchtower.store.codec import encode, stamp_micros
from watchtower.store.database import Database
from watchtower.store.kept_rows import put_rows, rows_of
from watchtower.store.labels import put_halves
from watchtower.store.packing import pack_profile
from watchtower.store.tables import counts, dead_letters, deltas, ends, models, positions, rejected, state, totals

CLOSED_THROUGH = "closed_through"
Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class IntakeState:
    """Where reading goes on: the progress of every partition ever read, and closed-through (microseconds since 1970, None before the first)."""

    progress: Mapping[Partition, Progress]
    closed_through: int | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected message that waits to be sent on. *key* is ``topic/partition/offset``, *value* JSON, *topic* where it came from."""

    id: int
    key: str
    value: bytes
    topic: str


class DeadLetterRows:
    """Rejected messages, at least once: they wait here from the checkpoint that counted them until they are sent."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def waiting(self, limit: int, topics: Collection[str] | None = None) -> list[DeadLetter]:
        """The oldest *limit* that wait, of all topics or of those named."""
        wanted = sa.select(dead_letters).order_by(dead_letters.c.id).limit(limit)
        with self._database.reading() as tx:
            found = tx.execute(wanted if topics is None else wanted.where(dead_letters.c.topic.in_(topics)))
            return [DeadLetter(row.id, row.key, row.value, row.topic) for row in found]

    def sent(self, ids: Sequence[int]) -> None:
        """Those that arrived wait no longer."""
        if ids:
            with self._database.writing() as tx:
                tx.execute(sa.delete(dead_letters).where(dead_letters.c.id == sa.bindparam("letter")), [{"letter": each} for each in ids])


class IntakeRows:
    """Positions, deltas and totals."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database
        self.dead_letters = DeadLetterRows(database)

    def load(self) -> IntakeState:
        """How far was read, in one consistent look."""
        with self._database.reading() as tx:
            progress = {Partition(row.topic, row.number, row.identity): _progress(row) for row in tx.execute(sa.select(positions))}
            return IntakeState(progress, tx.execute(sa.select(state.c.number).where(state.c.name == CLOSED_THROUGH)).scalar())

    def checkpoint(self, delta: Delta, *, keep_original: bool | Collection[str]) -> None:
        """Adds *delta* in one transaction. Fenced where the store says another position for any partition; then nothing is written.

        *keep_original* keeps the bytes of rejected messages (of all topics, or of those named) in their dead letters, not only their digest.
        """
        late, ordinary = _delta_rows(delta.late, late=True), _delta_rows(delta.profiles, late=False)
        kept = rows_of(delta.rows)
        originals = {each.partition.topic for each in delta.rejected} if keep_original is True else keep_original or ()
        letters = [_letter(rejection, keep_original=rejection.partition.topic in originals) for rejection in delta.rejected]
        with self._database.writing() as tx:
            _move(tx, delta.progress)
            if ordinary or late:
                tx.execute(sa.insert(deltas), ordinary + late)
            _note_first_windows(tx, delta.profiles)
            _add_totals(tx, delta.totals)
            _reject(tx, delta.rejected, letters)
            put_halves(tx, delta)
            put_rows(tx, kept)
            _close_through(tx, delta.closed_through)
            reached("checkpoint.before_commit")
        reached("checkpoint.after_commit")

    def set_ends(self, seen: Mapping[Partition, tuple[int, int]]) -> None:
        """Every assigned partition of some topics with its position and its end as last seen; writes only what changed."""
        topics = {partition.topic for partition in seen}
        wanted = {_place(partition): reach for partition, reach in seen.items()}
        with self._database.reading() as tx:
            found = tx.execute(sa.select(ends).where(ends.c.topic.in_(topics)))
            stored = {(row.topic, row.number, row.identity): (row.position, row.end) for row in found}
        if stored == wanted:
            return
        with self._database.writing() as tx:
            tx.execute(sa.delete(ends).where(ends.c.topic.in_(topics)))
            if wanted:
                tx.execute(sa.insert(ends), [_keyed(place) | {"position": at, "end": end} for place, (at, end) in wanted.items()])


def _place(partition: Partition) -> tuple[str, int, str]:
    return partition.topic, partition.number, partition.identity


def _keyed(place: tuple[str, int, str]) -> Row:
    return {"topic": place[0], "number": place[1], "identity": place[2]}


def _progress(row: sa.Row[tuple[object, ...]]) -> Progress:
    caught_up, appended = row.caught_up_at, row.appended_at
    return Progress(
        position=row.position,
        newest=row.newest,
        caught_up_at=None if caught_up is None else moment(caught_up),
        appended_at=None if appended is None else moment(appended),
        end=row.end,
    )


def _move(tx: sa.Connection, progress: Mapping[Partition, tuple[Progress | None, Progress]]) -> None:
    """Compares and sets every position: each statement must touch as many rows as it was given partitions."""
    first = [_position(partition, new) for partition, (old, new) in progress.items() if old is None]
    moved = [_position(partition, new) | _where(partition, old) for partition, (old, new) in progress.items() if old is not None]
    if first:
        _all_or_fenced(tx.execute(insert(positions).on_conflict_do_nothing(), first).rowcount, len(first))
    if moved:
        same = sa.and_(*(positions.c[name] == sa.bindparam(f"at_{name}") for name in ("topic", "number", "identity", "position")))
        changes: dict[str, sa.BindParameter[object]] = {
            name: sa.bindparam(f"new_{name}") for name in ("position", "newest", "caught_up_at", "appended_at", "end")
        }
        rows = [{key if key.startswith("at_") else f"new_{key}": value for key, value in row.items()} for row in moved]
        _all_or_fenced(tx.execute(sa.update(positions).where(same).values(changes), rows).rowcount, len(moved))


def _position(partition: Partition, new: Progress) -> Row:
    return _keyed(_place(partition)) | {
        "position": new.position,
        "newest": new.newest,
        "caught_up_at": None if new.caught_up_at is None else micros(new.caught_up_at),
        "appended_at": None if new.appended_at is None else micros(new.appended_at),
        "end": new.end,
    }


def _where(partition: Partition, old: Progress) -> Row:
    return {f"at_{name}": value for name, value in (_keyed(_place(partition)) | {"position": old.position}).items()}


def _all_or_fenced(touched: int, wanted: int) -> None:
    if touched != wanted:
        msg = f"{wanted - touched} of {wanted} partitions were moved by somebody else"
        raise Fenced(msg)


def _delta_rows(profiles: Mapping[Key, Profile], *, late: bool) -> list[Row]:
    return [
        {
            "late": late,
            "model": key.model,
            "version": key.version,
            "segment": key.segment,
            "window_start": micros(key.window.start),
            "window_end": micros(key.window.end),
            "profile": pack_profile(profile),
        }
        for key, profile in profiles.items()
    ]


def _note_first_windows(tx: sa.Connection, profiles: Mapping[Key, Profile]) -> None:
    """A model's windows run from that of its first served row that was not late."""
    first: dict[str, int] = {}
    for key, profile in profiles.items():
        if profile.rows:
            start = micros(key.window.start)
            first[key.model] = min(first.get(key.model, start), start)
    if first:
        new = insert(models)
        earliest = sa.case((models.c.first_start < new.excluded.first_start, models.c.first_start), else_=new.excluded.first_start)
        statement = new.on_conflict_do_update(index_elements=["model"], set_={"first_start": earliest})
        tx.execute(statement, [{"model": model, "first_start": start} for model, start in first.items()])


def _add_totals(tx: sa.Connection, added: Mapping[tuple[str, str], Totals]) -> None:
    if not added:
        return
    new = insert(totals)
    sums = {name: totals.c[name] + new.excluded[name] for name in ("predictions", "late", "latency_sum")}
    rows = [
        {"model": model, "version": version, "predictions": each.predictions, "late": each.late, "latency_sum": float(each.latency_sum)}
        for (model, version), each in added.items()
    ]
    tx.execute(new.on_conflict_do_update(index_elements=["model", "version"], set_=sums), rows)
    numbered = [row for (model, version), each in added.items() for row in _count_rows(model, version, each)]
    if numbered:
        more = insert(counts)
        keys = ["model", "version", "what", "name"]
        tx.execute(more.on_conflict_do_update(index_elements=keys, set_={"n": counts.c.n + more.excluded.n}), numbered)


def _count_rows(model: str, version: str, added: Totals) -> list[Row]:
    buckets = {str(i): int(n) for i, n in enumerate(added.latency if added.latency is not None else ()) if n}
    kinds: dict[str, Mapping[str, int]] = {"role": added.other_roles, "error": added.errors, "latency": buckets}
    return [{"model": model, "version": version, "what": what, "name": name, "n": int(n)} for what, each in kinds.items() for name, n in each.items()]


def _reject(tx: sa.Connection, rejections: Sequence[Rejection], letters: Sequence[Row]) -> None:
    if not rejections:
        return
    tally: dict[str, int] = {}
    for rejection in rejections:
        tally[rejection.reason] = tally.get(rejection.reason, 0) + 1
    new = insert(rejected)
    statement = new.on_conflict_do_update(index_elements=["reason"], set_={"n": rejected.c.n + new.excluded.n})
    tx.execute(statement, [{"reason": str(reason), "n": n} for reason, n in tally.items()])
    tx.execute(sa.insert(dead_letters), letters)


def _letter(rejection: Rejection, *, keep_original: bool) -> Row:
    at, value = rejection.partition, rejection.value
    said: Row = {
        "reason": str(rejection.reason),
        "topic": at.topic,
        "partition": at.number,
        "offset": rejection.position,
        "timestamp": stamp_micros(rejection.appended) if rejection.appended >= 0 else None,
        "sha256": None if value is None else hashlib.sha256(value).hexdigest(),
        "size": 0 if value is None else len(value),
    }
    original = _original(value) if keep_original and value is not None else {}
    return {"topic": at.topic, "key": f"{at.topic}/{at.number}/{rejection.position}", "value": encode(said | original)}


def _original(value: bytes) -> Row:
    """The bytes as text where they are UTF-8, else in base64 (then ``encoding`` says so)."""
    try:
        return {"original": value.decode()}
    except UnicodeDecodeError:
        return {"original": base64.b64encode(value).decode(), "encoding": "base64"}


def _close_through(tx: sa.Connection, closed_through: int | None) -> None:
    """Never goes back."""
    if closed_through is not None:
        new = insert(state).values(name=CLOSED_THROUGH, number=closed_through)
        tx.execute(new.on_conflict_do_update(index_elements=["name"], set_={"number": new.excluded.number}, where=state.c.number < new.excluded.number))
