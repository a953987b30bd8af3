"""Boards written by hand."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Outcome
from watchtower.nouns.score import Board, Scores, Slot
from watchtower.nouns.window import EPOCH, Window

Score = tuple[float, float] | float | str
"""value and p-value, a value, or why there is none."""
WINDOW = Window(EPOCH, EPOCH + timedelta(minutes=1))


def scores(subjects: Mapping[str, Score]) -> Scores:
    """By subject."""
    values = [each[0] if isinstance(each, tuple) else np.nan if isinstance(each, str) else each for each in subjects.values()]
    p_values = [each[1] if isinstance(each, tuple) else np.nan for each in subjects.values()]
    reasons = tuple(each if isinstance(each, str) else None for each in subjects.values())
    return Scores(tuple(subjects), np.array(values, dtype=float), np.array(p_values, dtype=float), np.full(len(subjects), 500), reasons)


def checked(
    condition: Condition, by_segment: Mapping[str, Mapping[str, Score]], *, segment: str | None = None, seen: frozenset[tuple[str, str, str]] = frozenset()
) -> dict[str, Outcome]:
    """What *condition* says of the live version's scores, by `segment|subject`."""
    reading = Reading(Board("fraud", WINDOW, "7", {}), segment=segment)
    need = next(iter(condition.needs(reading.over, reading.size)))
    board = Board("fraud", WINDOW, "7", {Slot("7", name, need): scores(each) for name, each in by_segment.items()}, seen=seen)
    return {f"{each.segment}|{each.subject}": each for each in condition.check(Reading(board, segment=segment))}


def findings(condition: Condition, subjects: Mapping[str, Score], *, seen: frozenset[tuple[str, str, str]] = frozenset()) -> dict[str, str]:
    """The finding for each subject of the whole."""
    return {key.removeprefix("|"): each.finding.name for key, each in checked(condition, {"": subjects}, seen=seen).items()}
