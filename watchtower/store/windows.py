"""Windows: the deltas of open ones, the profiles of evaluated ones, and which are due."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge as in_order
from itertools import islice

import sqlalchemy as sa

from watchtower.core.merging import merge, without_cells
from watchtower.core.spanning import together
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Board
from watchtower.nouns.window import Window, micros, moment, window_of
from watchtower.store.codec import Json, board_json
from watchtower.store.database import Database
from watchtower.store.intake import CLOSED_THROUGH
from watchtower.store.packing import pack_profile, unpack_board, unpack_profile
from watchtower.store.tables import boards, deltas, models, profiles, state, windows

MOST_DUE = 1_000
MOST_SILENT = 1_440
_MOST_LATE = 1_000
_MOST_KEPT = 600
Profiles = Mapping[tuple[str, str], Profile]
"""(version, segment) -> profile."""


@dataclass(frozen=True, slots=True, eq=False)
class ClosedRow:
    """An evaluated window of one model: the version that was live, and the profiles by (version, segment)."""

    window: Window
    live: str | None
    profiles: Profiles


class _Recent:
    """The profiles read last, by (row id, revision), which never names two contents: history overlaps from window to window."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], Profile] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int]) -> Profile | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[int, int], profile: Profile) -> None:
        with self._lock:
            self._kept[key] = profile
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)


class WindowRows:
    """Reads windows; :class:`EvaluationRows` writes them."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database
        self._recent = _Recent()
        self._read: dict[tuple[str, Window], int] = {}

    def due(self, size: timedelta) -> list[tuple[str, Window]]:
        """Closed and not yet evaluated windows of every model, by (end, model), at most 1,000; each model's from its first row on, empty ones too.

        Of a silence that lasts longer than 1,440 windows only the last 1,440 are evaluated: one row of a year ago must not cost a year of windows.
        """
        with self._database.reading() as tx:
            closed_through = tx.execute(sa.select(state.c.number).where(state.c.name == CLOSED_THROUGH)).scalar()
            known = tx.execute(sa.select(models.c.model, models.c.first_start, models.c.evaluated_through)).all()
            waiting_rows = sa.select(deltas.c.model, sa.func.min(deltas.c.window_start)).where(deltas.c.late == sa.false()).group_by(deltas.c.model)
            rows_next: dict[str, int] = dict(tx.execute(waiting_rows).all())
        if closed_through is None:
            return []
        waiting = [_since((row.model, row.first_start, row.evaluated_through), size, closed_through, rows_next.get(row.model, closed_through)) for row in known]
        return [(model, window_of(start, size)) for start, model in islice(in_order(*waiting), MOST_DUE)]

    def open_profiles(self, model: str, window: Window) -> dict[tuple[str, str], Profile]:
        """The merge of this window's deltas, by (version, segment); empty where there are none.

        Deltas of one key that were counted under different binnings (one was frozen meanwhile) are merged without cells: binning "".
        """
        with self._database.reading() as tx:
            found = tx.execute(sa.select(deltas.c.id, deltas.c.version, deltas.c.segment, deltas.c.profile).where(*_of_window(model, window))).all()
        self._read[model, window] = max((row.id for row in found), default=0)
        parts: dict[tuple[str, str], list[Profile]] = {}
        for row in found:
            parts.setdefault((row.version, row.segment), []).append(unpack_profile(row.profile))
        return {key: merged(each) for key, each in parts.items()}

    def settle(self, tx: sa.Connection, model: str, window: Window) -> None:
        """Deletes the deltas that were read; what came after that is merged into history as late rows are."""
        own = _of_window(model, window)
        read = self._read.pop((model, window), None)
        if read is not None:
            tx.execute(sa.delete(deltas).where(*own, deltas.c.id <= read))
            tx.execute(sa.update(deltas).where(*own).values(late=True))
        else:
            tx.execute(sa.delete(deltas).where(*own))

    def history(self, model: str, before: datetime, count: int) -> list[ClosedRow]:
        """The newest *count* evaluated windows that end at or before *before*, oldest first."""
        with self._database.reading() as tx:
            wanted = sa.select(windows).where(windows.c.model == model, windows.c.window_end <= micros(before))
            rows = tx.execute(wanted.order_by(windows.c.window_end.desc()).limit(count)).all()[::-1]
            if not rows:
                return []
            found = self._profiles(tx, model, rows[0].window_end, rows[-1].window_end)
        return [ClosedRow(Window(moment(row.window_start), moment(row.window_end)), row.live, found.get(row.window_end, {})) for row in rows]

    def first(self, model: str, count: int) -> list[ClosedRow]:
        """The oldest *count* evaluated windows, oldest first; fewer where there are fewer."""
        with self._database.reading() as tx:
            ends = sa.select(windows.c.window_end).where(windows.c.model == model).order_by(windows.c.window_end).limit(count).subquery()
            last: int | None = tx.execute(sa.select(sa.func.max(ends.c.window_end))).scalar()
        return [] if last is None else self.history(model, moment(last), count)

    def rewrite(self, model: str, window: Window, again: Profiles) -> None:
        """Replaces an evaluated window's profiles (they were folded anew under a binning); nothing where the window has expired."""
        with self._database.writing() as tx:
            if not _exists(tx, model, micros(window.end)):
                return
            tx.execute(sa.delete(profiles).where(profiles.c.model == model, profiles.c.window_end == micros(window.end)))
            insert_profiles(tx, model, window, again)

    def merge_late(self) -> int:
        """Merges late deltas into the history of evaluated windows, dropping those whose window is not there; how many were merged."""
        with self._database.reading() as tx:
            waiting = tx.execute(_late().limit(1)).first()
        if waiting is None:
            return 0
        with self._database.writing() as tx:
            rows = tx.execute(_late().limit(_MOST_LATE)).all()
            parts: dict[tuple[str, int, int, str, str], list[Profile]] = {}
            for row in rows:
                key = (row.model, row.window_start, row.window_end, row.version, row.segment)
                parts.setdefault(key, []).append(unpack_profile(row.profile))
            done = sum(_merge_into_history(tx, key, each) for key, each in parts.items())
            tx.execute(sa.delete(deltas).where(deltas.c.id == sa.bindparam("delta")), [{"delta": row.id} for row in rows])
        return done

    def compact(self, above: int = 32) -> int:
        """Merges the deltas of open windows that have gathered more than *above* for one key into one each; how many went.

        Only windows beyond closed-through are touched, so no evaluation is under way over them.
        """
        key = (deltas.c.model, deltas.c.version, deltas.c.segment, deltas.c.window_start, deltas.c.window_end)
        through = sa.select(state.c.number).where(state.c.name == CLOSED_THROUGH).scalar_subquery()
        still_open = (deltas.c.late == sa.false(), deltas.c.window_end > sa.func.coalesce(through, 0))
        crowded = sa.select(*key).where(*still_open).group_by(*key).having(sa.func.count() > above)
        with self._database.reading() as tx:
            found = tx.execute(crowded).all()
        return sum(self._compact(tuple(row), still_open) for row in found)

    def boards(self, model: str, limit: int) -> list[Json]:
        """The newest *limit* boards as plain values, newest first."""
        return [board_json(board) for board in self._boards(model, limit)]

    def newest_board(self, model: str) -> Board | None:
        """The board of the model's last evaluation."""
        return next(iter(self._boards(model, 1)), None)

    def _boards(self, model: str, limit: int) -> list[Board]:
        with self._database.reading() as tx:
            wanted = sa.select(boards.c.board).where(boards.c.model == model).order_by(boards.c.window_end.desc()).limit(limit)
            found = tx.execute(wanted).scalars().all()
        return [unpack_board(blob) for blob in found]

    def _profiles(self, tx: sa.Connection, model: str, first: int, last: int) -> dict[int, dict[tuple[str, str], Profile]]:
        """By window end, (version, segment); only what is not at hand is read and unpacked."""
        within = (profiles.c.model == model, profiles.c.window_end >= first, profiles.c.window_end <= last)
        listed = tx.execute(sa.select(profiles.c.id, profiles.c.revision, profiles.c.window_end, profiles.c.version, profiles.c.segment).where(*within)).all()
        here = {row.id: self._recent.get((row.id, row.revision)) for row in listed}
        missing = [row.id for row in listed if here[row.id] is None]
        revisions = {row.id: row.revision for row in listed}
        for some in _pieces(missing, 500):
            for each in tx.execute(sa.select(profiles.c.id, profiles.c.profile).where(profiles.c.id.in_(some))):
                here[each.id] = profile = unpack_profile(each.profile)
                self._recent.put((each.id, revisions[each.id]), profile)
        found: dict[int, dict[tuple[str, str], Profile]] = {}
        for row in listed:
            if (known := here[row.id]) is not None:
                found.setdefault(row.window_end, {})[row.version, row.segment] = known
        return found

    def _compact(self, key: tuple[object, ...], still_open: Sequence[sa.ColumnElement[bool]]) -> int:
        names = ("model", "version", "segment", "window_start", "window_end")
        same = [deltas.c[name] == value for name, value in zip(names, key, strict=True)]
        with self._database.writing() as tx:
            rows = tx.execute(sa.select(deltas.c.id, deltas.c.profile).where(*same, *still_open)).all()
            if not rows:
                return 0
            tx.execute(sa.delete(deltas).where(*same, *still_open))
            one = pack_profile(merged([unpack_profile(row.profile) for row in rows]))
            tx.execute(sa.insert(deltas).values(dict(zip(names, key, strict=True)) | {"late": False, "profile": one}))
        return len(rows) - 1


def merged(parts: Sequence[Profile]) -> Profile:
    """The merge of *parts*; without cells where they were counted under different binnings."""
    alike = len({part.binning for part in parts}) == 1
    return merge(parts) if alike else merge([without_cells(part) for part in parts])


def insert_profiles(tx: sa.Connection, model: str, window: Window, each: Profiles) -> None:
    """Adds the profiles of a window that has a row."""
    rows = [
        {"revision": 0, "model": model, "window_end": micros(window.end), "version": version, "segment": segment, "profile": pack_profile(profile)}
        for (version, segment), profile in each.items()
    ]
    if rows:
        tx.execute(sa.insert(profiles), rows)


def _since(row: tuple[str, int | None, int | None], size: timedelta, closed_through: int, rows_next: int) -> Iterator[tuple[int, str]]:
    """(start, model) of each window of *size* that is closed and due, in order; window starts order as their ends do. *rows_next*: where rows wait."""
    step = size // timedelta(microseconds=1)
    model, first, evaluated_through = row
    begin = evaluated_through if evaluated_through is not None else first
    if begin is None:
        return
    if begin != first or evaluated_through is not None:
        begin = max(begin, min(rows_next, closed_through) // step * step - MOST_SILENT * step)
    for start in range(begin // step * step, closed_through - step + 1, step):
        yield start, model


def _of_window(model: str, window: Window) -> tuple[sa.ColumnElement[bool], ...]:
    """The deltas that end inside *window* (those of smaller windows too, should the size have been changed)."""
    inside = (deltas.c.window_end > micros(window.start), deltas.c.window_end <= micros(window.end))
    return (deltas.c.late == sa.false(), deltas.c.model == model, *inside)


def _late() -> sa.Select[tuple[object, ...]]:
    """Late deltas whose window was evaluated, or never will be: it lies before the model's first one."""
    past = sa.or_(models.c.model.is_(None), models.c.first_start.is_(None), models.c.first_start >= deltas.c.window_end)
    ready = sa.or_(past, models.c.evaluated_through >= deltas.c.window_end)
    joined = deltas.outerjoin(models, models.c.model == deltas.c.model)
    return sa.select(*deltas.c).select_from(joined).where(deltas.c.late == sa.true(), ready).order_by(deltas.c.id)


def _exists(tx: sa.Connection, model: str, end: int, start: int | None = None) -> bool:
    wanted = sa.select(windows.c.window_end).where(windows.c.model == model, windows.c.window_end == end)
    return tx.execute(wanted if start is None else wanted.where(windows.c.window_start == start)).first() is not None


def _merge_into_history(tx: sa.Connection, key: tuple[str, int, int, str, str], parts: Sequence[Profile]) -> int:
    """How many of *parts* were merged: none where the window has no row. Cells that do not add up with the profile's are left out, their rows are not."""
    model, start, end, version, segment = key
    if not _exists(tx, model, end, start):
        return 0
    same = (profiles.c.model == model, profiles.c.window_end == end, profiles.c.version == version, profiles.c.segment == segment)
    row = tx.execute(sa.select(profiles.c.id, profiles.c.profile).where(*same)).first()
    if row is None:
        insert_profiles(tx, model, Window(moment(start), moment(end)), {(version, segment): merged(parts)})
        return len(parts)
    had = unpack_profile(row.profile)
    again = together([had, *parts], had.binning) if had.binning else merge([had, *(without_cells(part) for part in parts)])
    tx.execute(sa.update(profiles).where(profiles.c.id == row.id).values(profile=pack_profile(again), revision=profiles.c.revision + 1))
    return len(parts)


def _pieces(ids: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (ids[i : i + size] for i in range(0, len(ids), size))
