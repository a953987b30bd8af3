"""The scores of earlier boards, for conditions that look back: what they ask for, and no more of it than they ask for, stays in memory."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import sqlalchemy as sa

from watchtower.core.remembering import PastScores
from watchtower.nouns.score import Board, Need, Scores, Slot
from watchtower.nouns.window import micros
from watchtower.store.database import Database
from watchtower.store.packing import unpack_board
from watchtower.store.tables import boards

_AT_ONCE = 100


@dataclass(slots=True)
class _Kept:
    """One model's newest scores, by window end: evaluations follow each other, and each looks back over nearly the same boards."""

    needs: frozenset[Need] = frozenset()
    scores: OrderedDict[int, PastScores] = field(default_factory=OrderedDict)
    like: dict[Slot, Scores] = field(default_factory=dict)

    def slim(self, past: PastScores) -> PastScores:
        """*past* without what looking back never asks for, the rest shared between boards: 500 boards of many features and segments are a lot."""
        return PastScores(past.start, past.end, past.live, {slot: self._slim(slot, scores) for slot, scores in past.scores.items()})

    def _slim(self, slot: Slot, scores: Scores) -> Scores:
        like = self.like.get(slot)
        if like is None or like.subjects != scores.subjects:
            like = self.like[slot] = Scores.none(scores.subjects, "")
        return replace(like, values=np.array(scores.values))


class ScoreRows:
    """Reads boards; memory holds at most as many of a model as were asked for last."""

    def __init__(self, database: Database) -> None:
        """Over *database*."""
        self._database = database
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def past(self, model: str, before: datetime, wanted: Mapping[Need, int]) -> list[PastScores]:
        """The values of *wanted* in the newest boards that end at or before *before*, oldest first: as many as the largest of its numbers.

        No more than the values: p-values, rows and reasons are left out.
        """
        if not wanted:
            return []
        count, needs = max(wanted.values()), frozenset(wanted)
        with self._database.reading() as tx:
            chosen = sa.select(boards.c.window_end).where(boards.c.model == model, boards.c.window_end <= micros(before))
            ends = list(tx.execute(chosen.order_by(boards.c.window_end.desc()).limit(count)).scalars().all())[::-1]
        with self._lock:
            kept = self._kept.get(model)
            if kept is None or kept.needs != needs:
                kept = self._kept[model] = _Kept(needs)
            self._read(model, kept, [end for end in ends if end not in kept.scores])
            found = [kept.scores[end] for end in ends if end in kept.scores]
            for end in [end for end in kept.scores if ends and end < ends[0]]:
                del kept.scores[end]
        return found

    def look(self, model: str, before: datetime, need: Need, count: int) -> Iterator[PastScores]:
        """What the newest *count* boards that end at or before *before* said of *need*, oldest first; nothing of it stays in memory."""
        with self._database.reading() as tx:
            chosen = sa.select(boards.c.window_end).where(boards.c.model == model, boards.c.window_end <= micros(before))
            ends = list(tx.execute(chosen.order_by(boards.c.window_end.desc()).limit(count)).scalars().all())[::-1]
        for first in range(0, len(ends), _AT_ONCE):
            some = ends[first : first + _AT_ONCE]
            with self._database.reading() as tx:
                wanted = sa.select(boards.c.board).where(boards.c.model == model, boards.c.window_end.in_(some)).order_by(boards.c.window_end)
                found = tx.execute(wanted).scalars().all()
            yield from (trimmed(unpack_board(blob), frozenset({need})) for blob in found)

    def count(self, model: str) -> int:
        """How many boards the model has."""
        with self._database.reading() as tx:
            return int(tx.execute(sa.select(sa.func.count()).select_from(boards).where(boards.c.model == model)).scalar() or 0)

    def _read(self, model: str, kept: _Kept, ends: list[int]) -> None:
        for first in range(0, len(ends), _AT_ONCE):
            with self._database.reading() as tx:
                chosen = sa.select(boards.c.window_end, boards.c.board).where(boards.c.model == model, boards.c.window_end.in_(ends[first : first + _AT_ONCE]))
                rows = tx.execute(chosen).all()
            for row in rows:
                kept.scores[row.window_end] = kept.slim(trimmed(unpack_board(row.board), kept.needs))


def trimmed(board: Board, needs: frozenset[Need]) -> PastScores:
    """What *board* said of *needs*."""
    scores = {slot: each for slot, each in board.scores.items() if slot.need in needs}
    return PastScores(board.window.start, board.window.end, board.live, scores)
