"""What a condition sees of a board: its own rule's windows, versions and segments, as parallel columns."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchtower.nouns.batch import Floats, Ints
from watchtower.nouns.score import Board, MeasureName, Need, Over, Scores, Slot, matches


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Scores as parallel columns; *values* NaN and a reason where there is no score."""

    versions: tuple[str, ...]
    segments: tuple[str, ...]
    subjects: tuple[str, ...]
    values: Floats
    p_values: Floats
    n: Ints
    reasons: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A board through the eyes of one rule.

    *version* None reads the live version, else every version that matches the glob; *segment* None reads the whole ("").
    """

    board: Board
    over: Over = Over()  # noqa: RUF009  frozen
    version: str | None = None
    segment: str | None = None

    def select(self, need: Need, feature: str = "*") -> Selection:
        """Every (version, segment, subject) of *need*, scored or not, whose subject matches *feature*."""
        rows = list(self._rows(need, feature))
        scores = [scores for _, scores, _ in rows]
        index = [i for _, _, i in rows]
        return Selection(
            versions=tuple(slot.version for slot, _, _ in rows),
            segments=tuple(slot.segment for slot, _, _ in rows),
            subjects=tuple(each.subjects[i] for each, i in zip(scores, index, strict=True)),
            values=np.array([each.values[i] for each, i in zip(scores, index, strict=True)], dtype=float),
            p_values=np.array([each.p_values[i] for each, i in zip(scores, index, strict=True)], dtype=float),
            n=np.array([each.n[i] for each, i in zip(scores, index, strict=True)], dtype=np.int64),
            reasons=tuple(each.reasons[i] for each, i in zip(scores, index, strict=True)),
        )

    def _rows(self, need: Need, feature: str) -> Iterator[tuple[Slot, Scores, int]]:
        for slot, scores in self.board.scores.items():
            if slot.need == need and self._reads(slot):
                yield from ((slot, scores, i) for i, subject in enumerate(scores.subjects) if matches(feature, subject))

    def _reads(self, slot: Slot) -> bool:
        right_version = slot.version in ("", self.board.live) if self.version is None else matches(self.version, slot.version)
        right_segment = slot.segment == "" if self.segment is None else slot.segment != "" and matches(self.segment, slot.segment)
        return right_version and right_segment


def measure_name(value: object) -> object:
    """Reads a measure's name in YAML."""
    return MeasureName.parse(value) if isinstance(value, str) else value
