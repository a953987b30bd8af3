"""Which earlier scores conditions see beside a board. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watchtower.core.naming import is_statistic
from watchtower.nouns.score import Board, Need, Scores, Slot


@dataclass(frozen=True, slots=True, eq=False)
class PastScores:
    """What one stored board said: its window's ends, who was live, and the scores that somebody asked for."""

    start: datetime
    end: datetime
    live: str | None
    scores: Mapping[Slot, Scores]


def lookback(needs: Iterable[Need]) -> dict[Need, int]:
    """The needs that want earlier scores, each with how many boards."""
    found: dict[Need, int] = {}
    for need in needs:
        if need.history:
            found[need] = max(need.history, found.get(need, 0))
    return found


def with_history(board: Board, past: Sequence[PastScores], binned_from: datetime | None) -> Board:
    """*board* with the scores of *past* (oldest first), as far as they belong to it.

    They reach back without a gap, and to the last change of the live version. What compares profiles reaches back to *binned_from*, since when windows are
    counted under the present binning: other cells are other numbers.
    """
    history: list[Mapping[Slot, Scores]] = []
    start = board.window.start
    for each in reversed(past):
        if each.end != start or each.live != board.live:
            break
        start = each.start
        same_cells = binned_from is not None and each.start >= binned_from
        history.append(each.scores if same_cells else {slot: scores for slot, scores in each.scores.items() if not is_statistic(slot.need.measure)})
    return replace(board, history=tuple(reversed(history)))
