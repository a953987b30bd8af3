"""Boards with the boards before them, written by hand."""

from collections.abc import Mapping, Sequence

from tests.conditions.boards import WINDOW, Score, scores
from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Outcome
from watchtower.nouns.score import Board, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.window import Window

Series = Sequence[Score]
"""A score a window, oldest first; the last one is the board's own."""


def slots(measures: Mapping[str, Mapping[str, Score]], *, over: int = 1) -> dict[Slot, Scores]:
    """Measure -> `segment|subject` or subject -> score, of version 7."""
    found: dict[Slot, Scores] = {}
    for measure, subjects in measures.items():
        by_segment: dict[str, dict[str, Score]] = {}
        for key, score in subjects.items():
            segment, _, subject = key.rpartition("|")
            by_segment.setdefault(segment, {})[subject] = score
        for segment, each in by_segment.items():
            found[Slot("7", segment, Need(MeasureName.parse(measure), Over(over)))] = scores(each)
    return found


def outcomes(condition: Condition, *boards: Mapping[str, Mapping[str, Score]], over: int = 1, segment: str | None = None) -> dict[str, Outcome]:
    """What *condition* says of the last of *boards*, those before it being its history, by `segment|subject` or subject."""
    *past, now = [slots(each, over=over) for each in boards]
    board = Board("fraud", Window(WINDOW.start, WINDOW.end), "7", now, history=tuple(past))
    found = condition.check(Reading(board, Over(over), segment=segment))
    return {f"{each.segment}|{each.subject}".removeprefix("|"): each for each in found}


def of_one(condition: Condition, measure: str, values: Series, *, over: int = 1) -> Outcome:
    """The outcome for the subject "a" after these windows."""
    return outcomes(condition, *({measure: {"a": each}} for each in values), over=over)["a"]
