"""What a condition sees of a board: its own rule's windows, versions and segments, as parallel columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from watchtower.nouns.batch import Floats, Ints
from watchtower.nouns.score import Board, MeasureName, Need, Over, Scores, Slot, matches
from watchtower.nouns.written import Stretch

NOT_CALIBRATED = "not calibrated"


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
    *lacking* says why a bound that is to be calibrated is not there yet.
    """

    board: Board
    over: Over = Over()  # noqa: RUF009  frozen
    version: str | None = None
    segment: str | None = None
    lacking: str = NOT_CALIBRATED

    @property
    def size(self) -> timedelta:
        """How long a base window is."""
        return self.board.window.end - self.board.window.start

    def version_of(self, scores: Selection, i: int) -> str:
        """Whose score *i* is: measures of the whole model are told of the live version."""
        return scores.versions[i] or self.board.live or ""

    def before(self, need: Need, scores: Selection, last: int) -> Floats:
        """float64[windows, scores]: the values that *scores* had in the *last* boards right before this one, oldest first; NaN where there was none."""
        boards = self.board.history[-last:] if last else ()
        found: Floats = np.full((len(boards), len(scores.subjects)), np.nan)
        places: dict[tuple[str, str], list[int]] = {}
        for i, place in enumerate(zip(scores.versions, scores.segments, strict=True)):
            places.setdefault(place, []).append(i)
        for row, board in zip(found, boards, strict=True):
            for (version, segment), mine in places.items():
                had = board.get(Slot(version, segment, need))
                if had is not None:
                    row[mine] = _valued(had, [scores.subjects[i] for i in mine])
        return found

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


def _valued(had: Scores, subjects: list[str]) -> Floats:
    """The values of *subjects*, NaN where *had* has none."""
    if list(had.subjects) == subjects:
        return had.values
    known = dict(zip(had.subjects, had.values.tolist(), strict=True))
    return np.array([known.get(subject, np.nan) for subject in subjects], dtype=np.float64)


def reach(span: Stretch | None, size: timedelta, rule: Over) -> Over:
    """*span* in base windows of *size*, at least one; left out: the *rule*'s."""
    if span is None:
        return rule
    return Over(rows=span.rows) if span.rows is not None else Over(max(1, span.in_windows(size)))


def measure_name(value: object) -> object:
    """Reads a measure's name in YAML."""
    return MeasureName.parse(value) if isinstance(value, str) else value
