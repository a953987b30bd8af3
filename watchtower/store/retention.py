"""What expires. Totals, tellings, decisions, plans and facts never do."""

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from watchtower.nouns.window import micros
from watchtower.store import kept_rows, labels, readings
from watchtower.store.database import Database
from watchtower.store.history import alert_changes
from watchtower.store.intake import CLOSED_THROUGH
from watchtower.store.tables import boards, dead_letters, plans, state, trials, windows

_LETTERS = 100_000
_AT_ONCE = 2_000
_READINGS_AT_ONCE = 50_000


class RetentionRows:
    """Deletes by age."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """Over *database*; ages count back from *now*, or from closed-through where event time is behind it (old logs stay whole)."""
        self._database = database
        self._now = now

    def expire(  # noqa: PLR0913  each has an age of its own
        self,
        *,
        windows_for: timedelta,
        scores_for: timedelta,
        outputs_for: timedelta = timedelta(hours=24),
        readings_for: timedelta = timedelta(days=3),
        labels_for: timedelta = timedelta(hours=24),
        rows_for: timedelta = timedelta(days=1),
    ) -> int:
        """Deletes windows and boards older than that (alert transitions as boards), at most 2,000 of each a call; how many went.

        Trials that no open plan can ask for go too, what meters read (about 50,000 rows a call), and labels of models that have no predictions.
        """
        now = self._now()
        with self._database.writing() as tx:
            through = tx.execute(sa.select(state.c.number).where(state.c.name == CLOSED_THROUGH)).scalar()
            newest = micros(now) if through is None else min(micros(now), through)
            _expire_by_id(tx, newest - _length(scores_for))
            gone = _expire(tx, windows, newest - _length(windows_for)) + _expire(tx, boards, newest - _length(scores_for))
            _expire_trials(tx, micros(now) - _length(outputs_for))
            readings.expire(tx, newest - _length(readings_for), _READINGS_AT_ONCE)
            labels.expire(tx, newest - _length(labels_for))
            kept_rows.expire(tx, newest - _length(rows_for))
            newest_letter = sa.select(sa.func.max(dead_letters.c.id)).scalar_subquery()
            tx.execute(sa.delete(dead_letters).where(dead_letters.c.id <= newest_letter - _LETTERS))
        return gone


def _expire_trials(tx: sa.Connection, before: int) -> None:
    """A trial's key begins with its plan, or with the incident that several plans share."""
    under_way = sa.exists().where(plans.c.is_open, sa.or_(plans.c.id == trials.c.plan, trials.c.plan.startswith(plans.c.incident, autoescape=False)))
    tx.execute(sa.delete(trials).where(trials.c.saved_at < before, ~under_way))


def _expire_by_id(tx: sa.Connection, before: int) -> None:
    old = sa.select(alert_changes.c.id).where(alert_changes.c.window_end < before).limit(_AT_ONCE)
    tx.execute(sa.delete(alert_changes).where(alert_changes.c.id.in_(old)))


def _length(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _expire(tx: sa.Connection, table: sa.Table, before: int) -> int:
    key = sa.tuple_(table.c.model, table.c.window_end)
    old = sa.select(table.c.model, table.c.window_end).where(table.c.window_end < before).order_by(table.c.window_end).limit(_AT_ONCE)
    return tx.execute(sa.delete(table).where(key.in_(old))).rowcount
