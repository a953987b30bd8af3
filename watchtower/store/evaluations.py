"""An evaluation is one transaction: what was scored, remembered, decided, begun and is to be told."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.edges.points import reached
from watchtower.nouns.decision import Decision
from watchtower.nouns.errors import Fenced
from watchtower.nouns.facts import AllResolved
from watchtower.nouns.labels import Joined
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.profile import Profile
from watchtower.nouns.window import Window, micros
from watchtower.store.chains import append_facts
from watchtower.store.codec import decode
from watchtower.store.database import Database
from watchtower.store.freezes import without_cleared
from watchtower.store.history import add_changes
from watchtower.store.labels import put_join
from watchtower.store.lease import Lease
from watchtower.store.memories import add_decisions, load_memory, put_incident, put_memory
from watchtower.store.packing import pack_board
from watchtower.store.plans import leaving, put_plan
from watchtower.store.retrainings import ask
from watchtower.store.servings import follow
from watchtower.store.tables import boards, decisions, plans, windows
from watchtower.store.windows import WindowRows, insert_profiles


class EvaluationRows:
    """Memories and evaluations."""

    def __init__(self, database: Database, lease: Lease, rows: WindowRows) -> None:
        """Over *database*, as the holder of *lease*; *rows* knows which deltas were read."""
        self._database = database
        self._lease = lease
        self._windows = rows
        self.hearers: tuple[str, ...] | None = None
        """Who is told of a live version that nobody announced; None: nobody (replay)."""

    def memory(self, model: str) -> Memory:
        """What the model's last evaluation, and its plan's facts since, left behind; a new one where there is none."""
        with self._database.reading() as tx:
            return load_memory(tx, model)

    def commit(  # noqa: PLR0913  all that one evaluation is
        self, model: str, window: Window, profiles: Mapping[tuple[str, str], Profile], evaluation: Evaluation, *, now: datetime, joined: Joined | None = None
    ) -> None:
        """Writes the evaluation of *window*, whose (version, segment) *profiles* become history; the deltas behind them go.

        *joined* are the labels in them that have met their predictions. Fenced, and nothing is written, where another replica leads, the window was
        evaluated already, or the model's plan moved since the memory was loaded.
        """
        memory = replace(evaluation.memory, evaluated_through=window.end)
        if memory.plan is not None and evaluation.facts:
            memory = leaving(memory, memory.plan)
        with self._lease.as_leader() as tx:
            stored = load_memory(tx, model)
            _check(tx, stored, memory, window)
            memory = without_cleared(memory, stored)
            row = {"model": model, "window_start": micros(window.start), "window_end": micros(window.end), "live": evaluation.board.live}
            tx.execute(sa.insert(windows).values(row))
            insert_profiles(tx, model, window, profiles)
            self._windows.settle(tx, model, window)
            if joined is not None:
                put_join(tx, joined)
            memory = follow(tx, memory, evaluation.facts, evaluation.board.versions, now, hearers=self.hearers)
            if memory.incident is not None:
                put_incident(tx, memory.incident, now)
            _put_plan(tx, evaluation, now)
            put_memory(tx, memory)
            add_decisions(tx, evaluation.decisions)
            if evaluation.retraining is not None:
                ask(tx, evaluation.retraining, now)
            add_changes(tx, model, window, evaluation.changes)
            _put_board(tx, evaluation, window)
            reached("evaluation.before_commit")
        reached("evaluation.after_commit")
        if any(isinstance(fact, AllResolved) for fact in evaluation.facts):
            reached("plan.verified")

    def decisions(self, limit: int) -> list[Decision]:
        """The last *limit* decisions, newest first."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(decisions.c.body).order_by(decisions.c.id.desc()).limit(limit)).scalars().all()
        return [decode(body, Decision) for body in found]


def _check(tx: sa.Connection, stored: Memory, new: Memory, window: Window) -> None:
    """Fenced where the stored memory is not the one that the evaluation began with."""
    if stored.evaluated_through is not None and stored.evaluated_through >= window.end:
        msg = f"{new.model}'s window to {window.end:%Y-%m-%d %H:%M:%S} was evaluated by somebody else"
        raise Fenced(msg)
    unfinished = tx.execute(sa.select(plans.c.id).where(plans.c.model == new.model, plans.c.is_open)).scalar()
    if unfinished is not None and (new.plan is None or new.plan.id != unfinished):
        msg = f"plan {unfinished} of {new.model} began meanwhile"
        raise Fenced(msg)


def _put_plan(tx: sa.Connection, evaluation: Evaluation, now: datetime) -> None:
    """The plan and its new facts; a plan without new facts must still be the one that is stored."""
    plan, new = evaluation.memory.plan, evaluation.facts
    if plan is None:
        if new:
            msg = f"{len(new)} facts without a plan"
            raise ValueError(msg)
        return
    if new:
        put_plan(tx, plan, plan.revision - len(new))
        append_facts(tx, plan.id, new, now)
        return
    if tx.execute(sa.select(plans.c.revision).where(plans.c.id == plan.id)).scalar() != plan.revision:
        msg = f"plan {plan.id} is no longer at revision {plan.revision}"
        raise Fenced(msg)


def _put_board(tx: sa.Connection, evaluation: Evaluation, window: Window) -> None:
    new = insert(boards).values(model=evaluation.board.model, window_end=micros(window.end), board=pack_board(evaluation.board))
    tx.execute(new.on_conflict_do_update(index_elements=["model", "window_end"], set_={"board": new.excluded.board}))
