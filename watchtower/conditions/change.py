"""A score that moved."""

from datetime import timedelta
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from watchtower.conditions._on_measure import OnScores
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Outcome
from watchtower.nouns.batch import Floats
from watchtower.nouns.score import Need, Over
from watchtower.nouns.written import windows_in

MOST = 500
_MERGED = 120
"""Windows that an `over` merges at most."""
_TEXT = {"anyOf": [{"const": "previous"}, {"type": "string", "pattern": r"^\d+ ?windows?$", "examples": ["60 windows"]}]}


def _against(value: object) -> object:
    return value if value == "previous" else windows_in(value)


Before = Annotated[Literal["previous"] | Annotated[int, Field(ge=1, le=MOST)], BeforeValidator(_against), WithJsonSchema(_TEXT)]


class Change(OnScores):
    """Finds every subject whose score differs by at least *by* (in the score's unit) or *ratio* (a share of what it was), up or down.

    It is compared with the last score that shares no window with this one: of the window before where `over` is 1 window, of five windows ago where it is 5.
    From a score of 0 every change is at least any ratio.
    """

    by: Annotated[float, Field(gt=0)] | None = None
    """The difference that is found."""
    ratio: Annotated[float, Field(gt=0)] | None = None
    """The difference as a share of the earlier score: 0.5 finds a half more and a half less."""
    against: Before = "previous"
    """previous: that one score; N windows: the mean of the N scores that end with it, as far as there are any."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.by is None) == (self.ratio is None):
            msg = "say by: (in the score's unit) or ratio: (a share of what it was), one of them"
            raise ValueError(msg)
        return self

    def need(self, over: Over, size: timedelta) -> Need:
        """The score, and those of the windows before."""
        need = super().need(over, size)
        count = 1 if isinstance(self.against, str) else self.against
        return Need(need.measure, need.over, need.against, need.min_rows, _shared(need) + count)

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where the score moved by at least that; UNKNOWN where there is no score, or was none."""
        scores = self.selected(reading)
        earlier = self._earlier(reading.before(need := self.need(reading.over, reading.size), scores, need.history), need)
        with np.errstate(invalid="ignore"):
            moved = np.abs(scores.values - earlier)
            found = moved >= (self.by if self.by is not None else (self.ratio or 0.0) * np.abs(earlier))
        lacking = np.isnan(scores.values)
        return [
            self.unknown(reading, scores, i, "no earlier score")
            if lacking[i] or np.isnan(earlier[i])
            else self.said(reading, scores, i, found=bool(found[i] and moved[i] > 0), value=float(scores.values[i]))
            for i in range(len(scores.subjects))
        ]

    def _earlier(self, before: Floats, need: Need) -> Floats:
        """What each score is compared with; NaN where there is nothing."""
        apart = before[: max(0, len(before) - _shared(need))]
        if not len(apart):
            return np.full(before.shape[1], np.nan)
        if isinstance(self.against, str):
            apart = apart[-1:]
        there = ~np.isnan(apart)
        with np.errstate(invalid="ignore"):
            mean: Floats = np.where(there, apart, 0.0).sum(axis=0) / there.sum(axis=0)
        return mean


def _shared(need: Need) -> int:
    """How many boards before this one hold some of the same windows."""
    return min(need.over.windows, _MERGED) - 1
