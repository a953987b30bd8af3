"""What live traffic is compared with: each model's frozen binning and its reference profiles, and who changed them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import sqlalchemy as sa

from watchtower.core.merging import merge
from watchtower.core.proposing import Outgrown
from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.window import micros, moment
from watchtower.store._reference_tables import earlier_references, reference_changes, reference_profiles, references
from watchtower.store.chains import REFERENCE, note
from watchtower.store.codec import Json, chained, encode, stamp
from watchtower.store.database import Database
from watchtower.store.intake import CLOSED_THROUGH
from watchtower.store.packing import pack_binning, pack_profile, unpack_binning, unpack_profile
from watchtower.store.tables import models, positions, profiles, state, windows

_KEPT = 5
"""References of a model that stay after another one took their place."""
Key = tuple[str, str]
_PROFILES = msgspec.msgpack.Decoder(list[tuple[str, str, bytes]])
_BODY = msgspec.json.Decoder(dict[str, object])
_PROPOSED = msgspec.json.Decoder(dict[str, dict[str, object]])
PROPOSALS = "proposals"


@dataclass(frozen=True, slots=True, eq=False)
class StoredReference:
    """A model's reference: windows from *valid_from* on are folded under *binning*; *profiles* by (version, segment), "" the model's own.

    *accepted*: a person put it in the place of another one, so files of versions before it do not outrank it.
    """

    binning: Binning
    valid_from: datetime
    profiles: Mapping[Key, Profile]
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """Who put a reference in place, when, and what it was made from."""

    who: str
    at: datetime
    made_from: str
    rows: int


class ReferenceRows_:  # noqa: N801  nouns/evidence.py has the rows of a reference file
    """References by model."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def load(self, model: str, at: datetime | None = None) -> StoredReference | None:
        """The model's newest reference, or the one that windows which begin *at* then are scored with; None where there is none."""
        return next(self._found(model, at), None)

    def all(self, model: str) -> list[StoredReference]:
        """The model's references, newest first."""
        return list(self._found(model))

    def _found(self, model: str, at: datetime | None = None) -> Iterator[StoredReference]:
        """Those that are valid *at* (None: all), newest first; each is unpacked only when it is asked for."""
        with self._database.reading() as tx:
            row = tx.execute(sa.select(references).where(references.c.model == model)).first()
            if row is None:
                return
            mine = tx.execute(sa.select(reference_profiles).where(reference_profiles.c.model == model)).all()
            before = tx.execute(_earlier(model)).all()
            changed = tx.execute(sa.select(reference_changes.c.body).where(reference_changes.c.model == model)).scalars().all()
        accepted = {(str(body["after"]), str(body["valid_from"])) for body in map(_BODY.decode, changed)}
        for each in (row, *before):
            valid_from = moment(each.valid_from)
            if at is None or valid_from <= at:
                its = {(one.version, one.segment): unpack_profile(one.profile) for one in mine} if each is row else _unpacked(each.profiles)
                yield StoredReference(unpack_binning(each.binning), valid_from, its, (each.binning_id, stamp(valid_from)) in accepted)

    def begin(self, model: str, stored: StoredReference) -> StoredReference:
        """The model's first reference; the one that is there already where somebody was faster."""
        with self._database.writing() as tx:
            there = tx.execute(sa.select(references.c.model).where(references.c.model == model)).first()
            if there is None:
                _insert(tx, model, stored)
        return stored if there is None else self.load(model) or stored

    def add(self, model: str, stored: StoredReference, more: Mapping[Key, Profile]) -> StoredReference:
        """*stored* with *more* profiles beside its own; nothing is written where it is no longer the newest."""
        with self._database.writing() as tx:
            same = (references.c.model == model, references.c.binning_id == stored.binning.id, references.c.valid_from == micros(stored.valid_from))
            if tx.execute(sa.select(references.c.model).where(*same)).first() is not None:
                for version, segment in more:
                    key = (reference_profiles.c.version == version, reference_profiles.c.segment == segment)
                    tx.execute(sa.delete(reference_profiles).where(reference_profiles.c.model == model, *key))
                _insert_profiles(tx, model, more)
        return StoredReference(stored.binning, stored.valid_from, {**stored.profiles, **more}, stored.accepted)

    def accept(self, model: str, stored: StoredReference, by: Accepted) -> None:
        """*stored* is the model's reference from its *valid_from* on; what was there stays for the windows before, and the change is audited."""
        with self._database.writing() as tx:
            row = tx.execute(sa.select(references).where(references.c.model == model)).first()
            if row is not None and row.valid_from < micros(stored.valid_from):
                mine = tx.execute(sa.select(reference_profiles).where(reference_profiles.c.model == model)).all()
                packed = msgspec.msgpack.encode([(each.version, each.segment, each.profile) for each in mine])
                kept = {"binning_id": row.binning_id, "valid_from": row.valid_from, "binning": row.binning, "profiles": packed}
                tx.execute(sa.insert(earlier_references).values(model=model, **kept))
            tx.execute(sa.delete(references).where(references.c.model == model))
            _insert(tx, model, stored)
            old = [each.valid_from for each in tx.execute(_earlier(model)).all()][_KEPT:]
            tx.execute(sa.delete(earlier_references).where(earlier_references.c.model == model, earlier_references.c.valid_from.in_(old)))
            _audit(tx, model, stored, by, None if row is None else row.binning_id)

    def ids(self) -> dict[str, tuple[str, datetime]]:
        """Model -> (binning id, valid from) of its newest reference; one small look."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(references.c.model, references.c.binning_id, references.c.valid_from)).all()
        return {row.model: (row.binning_id, moment(row.valid_from)) for row in found}

    def changes(self, model: str) -> list[Json]:
        """What was accepted, oldest first: at, who, from, rows, valid_from, before and after (binning ids), and whether the chain of hashes holds so far."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(reference_changes).where(reference_changes.c.model == model).order_by(reference_changes.c.seq)).all()
        told: list[Json] = []
        previous, holds = "", True
        for number, row in enumerate(found, start=1):
            previous = chained(previous, row.body)
            holds = holds and row.hash == previous and row.seq == number
            told.append({**_BODY.decode(row.body), "intact": holds})
        return told

    def newest_time(self) -> datetime | None:
        """The largest event time that was read of any partition."""
        with self._database.reading() as tx:
            newest: int | None = tx.execute(sa.select(sa.func.max(positions.c.newest))).scalar()
        return None if newest is None else moment(newest)

    def closed_through(self) -> datetime | None:
        """Up to where every window is closed."""
        with self._database.reading() as tx:
            through: int | None = tx.execute(sa.select(state.c.number).where(state.c.name == CLOSED_THROUGH)).scalar()
        return None if through is None else moment(through)

    def models(self) -> set[str]:
        """Every model that was ever read."""
        with self._database.reading() as tx:
            return {*tx.execute(sa.select(models.c.model)).scalars()}

    def day_of(self, model: str, binning: str, since: datetime) -> tuple[datetime | None, Profile | None]:
        """What was served in evaluated windows from *since* on that were folded under *binning*: when the first one with rows begins, and the merge.

        A window at a time is in memory, and nothing but cells is added up.
        """
        wanted = sa.select(profiles.c.window_end, windows.c.window_start, profiles.c.profile).join(
            windows, sa.and_(windows.c.model == profiles.c.model, windows.c.window_end == profiles.c.window_end)
        )
        its = (profiles.c.model == model, profiles.c.segment == "", windows.c.window_start >= micros(since))
        first, day = None, None
        with self._database.reading() as tx:
            for row in tx.execute(wanted.where(*its).order_by(profiles.c.window_end)).yield_per(100):
                each = unpack_profile(row.profile)
                if each.binning == binning and each.rows:
                    first = first or moment(row.window_start)
                    slim = replace(each, latency=None, queue=None, compute=None, gpu={}, instances={}, spans=(), labelled=None)
                    day = slim if day is None else merge([day, slim])
        return first, day

    def proposals(self) -> dict[str, dict[str, object]]:
        """Model -> the features that have outgrown its binning, as :meth:`propose` was told last."""
        with self._database.reading() as tx:
            return proposals_in(tx)

    def propose(self, found: Mapping[str, tuple[str, Sequence[Outgrown]]], now: datetime) -> None:
        """Keeps what is proposed now, (binning, features) by model, in the place of what was; *since* stays as long as the binning does."""
        with self._database.writing() as tx:
            before = proposals_in(tx)
            told = {}
            for model, (binning, features) in found.items():
                old = before.get(model, {})
                plain = [{"feature": each.feature, "share": each.share, "where": each.where} for each in features]
                told[model] = {"binning": binning, "since": old["since"] if old.get("binning") == binning else stamp(now), "features": plain}
            tx.execute(sa.delete(state).where(state.c.name == PROPOSALS))
            tx.execute(sa.insert(state).values(name=PROPOSALS, number=micros(now), body=encode(told)))

    def windows_of(self, model: str, version: str, *, since: datetime, before: datetime, limit: int) -> Sequence[tuple[datetime, Mapping[str, Profile]]]:
        """(end, profiles by segment) of the first *limit* evaluated windows in [since, before] in which *version* had rows, oldest first."""
        its = (profiles.c.model == model, profiles.c.version == version)
        with self._database.reading() as tx:
            ends = sa.select(profiles.c.window_end).where(*its, profiles.c.segment == "", profiles.c.window_end > micros(since))
            chosen = tx.execute(ends.where(profiles.c.window_end <= micros(before)).order_by(profiles.c.window_end).limit(limit)).scalars().all()
            found = tx.execute(sa.select(profiles).where(*its, profiles.c.window_end.in_(chosen)).order_by(profiles.c.window_end)).all()
        by_end: dict[int, dict[str, Profile]] = {}
        for row in found:
            by_end.setdefault(row.window_end, {})[row.segment] = unpack_profile(row.profile)
        return [(moment(end), by_end[end]) for end in chosen]


def proposals_in(tx: sa.Connection) -> dict[str, dict[str, object]]:
    """See :meth:`ReferenceRows_.proposals`."""
    body = tx.execute(sa.select(state.c.body).where(state.c.name == PROPOSALS)).scalar()
    return {} if body is None else _PROPOSED.decode(body)


def _earlier(model: str) -> sa.Select[tuple[object, ...]]:
    return sa.select(*earlier_references.c).where(earlier_references.c.model == model).order_by(earlier_references.c.valid_from.desc())


def _insert(tx: sa.Connection, model: str, stored: StoredReference) -> None:
    binning = {"binning_id": stored.binning.id, "valid_from": micros(stored.valid_from), "binning": pack_binning(stored.binning)}
    tx.execute(sa.insert(references).values(model=model, **binning))
    _insert_profiles(tx, model, stored.profiles)


def _insert_profiles(tx: sa.Connection, model: str, more: Mapping[Key, Profile]) -> None:
    rows = [{"model": model, "version": version, "segment": segment, "profile": pack_profile(profile)} for (version, segment), profile in more.items()]
    if rows:
        tx.execute(sa.insert(reference_profiles), rows)


def _unpacked(blob: bytes) -> dict[Key, Profile]:
    return {(version, segment): unpack_profile(profile) for version, segment, profile in _PROFILES.decode(blob)}


def _audit(tx: sa.Connection, model: str, stored: StoredReference, by: Accepted, before: str | None) -> None:
    last = tx.execute(
        sa.select(reference_changes.c.seq, reference_changes.c.hash).where(reference_changes.c.model == model).order_by(reference_changes.c.seq.desc()).limit(1)
    ).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, "")
    told = {"model": model, "seq": seq, "at": stamp(by.at), "who": by.who, "from": by.made_from, "rows": by.rows}
    body = encode(told | {"valid_from": stamp(stored.valid_from), "before": before, "after": stored.binning.id})
    head = chained(previous, body)
    tx.execute(sa.insert(reference_changes).values(model=model, seq=seq, at=micros(by.at), body=body, hash=head))
    note(tx, f"{REFERENCE}{model}", seq, head, by.at)
