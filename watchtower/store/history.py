"""What happened, for those who look back: transitions, boards, windows, verdicts. Read by notebooks, `windows`, `backtest` and reports alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from watchtower.nouns.alert import AlertChange
from watchtower.nouns.facts import Judged
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Board
from watchtower.nouns.window import Window, micros, moment
from watchtower.store.codec import decode, encode, fact_in
from watchtower.store.database import Database
from watchtower.store.packing import unpack_board, unpack_profile
from watchtower.store.tables import boards, facts, metadata, plans, profiles, windows

_AT_ONCE = 200

alert_changes = sa.Table(
    "alert_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("window_end", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("alert_changes_by_time", "model", "window_end"),
    sqlite_autoincrement=True,
)
"""Every transition of every alert, as told; kept as long as scores."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which part of history: windows that end in (since, until], of one model or (None) of all."""

    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def of(self, model: sa.Column[str], end: sa.Column[int]) -> list[sa.ColumnElement[bool]]:
        """The same as conditions on two columns."""
        found: list[sa.ColumnElement[bool]] = []
        if self.model is not None:
            found.append(model == self.model)
        if self.since is not None:
            found.append(end > micros(self.since))
        if self.until is not None:
            found.append(end <= micros(self.until))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class WindowRow:
    """An evaluated window of one model with one (version, segment) of it."""

    model: str
    window: Window
    live: str | None
    version: str
    segment: str
    profile: Profile


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """One judged fact of a plan."""

    plan: str
    model: str
    incident: str
    at: datetime
    judged: Judged


class HistoryRows:
    """Reads back; nothing here writes but :func:`add_changes`. Everything comes oldest first, a bounded part of it in memory at a time."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database

    def newest(self, model: str | None = None) -> datetime | None:
        """The end of the last evaluated window; None where there is none."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(sa.func.max(windows.c.window_end)).where(*Stretch(model).of(windows.c.model, windows.c.window_end))).scalar()
        return None if found is None else moment(found)

    def oldest(self, model: str) -> datetime | None:
        """The start of the first window of *model* that is kept; None where there is none."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(sa.func.min(windows.c.window_start)).where(windows.c.model == model)).scalar()
        return None if found is None else moment(found)

    def changes(self, stretch: Stretch) -> Iterator[AlertChange]:
        """Alert transitions, in the order in which they were told."""
        wanted = sa.select(alert_changes.c.id, alert_changes.c.body).where(*stretch.of(alert_changes.c.model, alert_changes.c.window_end))
        for row in self._pages(wanted, alert_changes.c.id):
            yield decode(row.body, AlertChange)

    def boards(self, stretch: Stretch) -> Iterator[Board]:
        """Boards by window end, then model."""
        key = sa.tuple_(boards.c.window_end, boards.c.model)
        wanted = sa.select(boards).where(*stretch.of(boards.c.model, boards.c.window_end)).order_by(boards.c.window_end, boards.c.model).limit(_AT_ONCE)
        last: tuple[int, str] | None = None
        while True:
            with self._database.reading() as tx:
                found = tx.execute(wanted if last is None else wanted.where(key > sa.tuple_(*last))).all()
            for row in found:
                yield unpack_board(row.board)
            if len(found) < _AT_ONCE:
                return
            last = found[-1].window_end, found[-1].model

    def windows(self, stretch: Stretch) -> Iterator[WindowRow]:
        """Profiles by window end, model, version, segment; a window in which nothing came has none."""
        joined = profiles.join(windows, sa.and_(profiles.c.model == windows.c.model, profiles.c.window_end == windows.c.window_end))
        order = (profiles.c.window_end, profiles.c.model, profiles.c.version, profiles.c.segment)
        chosen = sa.select(*order, windows.c.window_start, windows.c.live, profiles.c.profile).select_from(joined)
        wanted = chosen.where(*stretch.of(profiles.c.model, profiles.c.window_end)).order_by(*order).limit(_AT_ONCE)
        last: Sequence[object] | None = None
        while True:
            with self._database.reading() as tx:
                found = tx.execute(wanted if last is None else wanted.where(sa.tuple_(*order) > sa.tuple_(*last))).all()
            for row in found:
                window = Window(moment(row.window_start), moment(row.window_end))
                yield WindowRow(row.model, window, row.live, row.version, row.segment, unpack_profile(row.profile))
            if len(found) < _AT_ONCE:
                return
            last = found[-1][: len(order)]

    def verdicts(self, stretch: Stretch) -> list[Verdicts]:
        """What trials came to, with all their evidence."""
        joined = facts.join(plans, facts.c.plan == plans.c.id)
        chosen = sa.select(facts.c.plan, facts.c.at, facts.c.body, plans.c.model, plans.c.incident).select_from(joined)
        with self._database.reading() as tx:
            rows = tx.execute(chosen.where(*stretch.of(plans.c.model, facts.c.at)).order_by(facts.c.at, facts.c.plan, facts.c.seq)).all()
        found = [(row, fact_in(row.body)) for row in rows]
        return [Verdicts(row.plan, row.model, row.incident, moment(row.at), fact) for row, fact in found if isinstance(fact, Judged)]

    def _pages(self, wanted: sa.Select[tuple[int, bytes]], key: sa.Column[int]) -> Iterator[sa.Row[tuple[int, bytes]]]:
        last = -1
        while True:
            with self._database.reading() as tx:
                found = tx.execute(wanted.where(key > last).order_by(key).limit(_AT_ONCE)).all()
            yield from found
            if len(found) < _AT_ONCE:
                return
            last = found[-1].id


def add_changes(tx: sa.Connection, model: str, window: Window, changes: Sequence[AlertChange]) -> None:
    """Keeps what one evaluation told of its alerts."""
    if changes:
        tx.execute(sa.insert(alert_changes), [{"model": model, "window_end": micros(window.end), "body": encode(each)} for each in changes])
