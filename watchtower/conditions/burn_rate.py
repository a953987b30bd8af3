"""An error budget that is burnt too fast."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading, Selection, reach
from watchtower.conditions._significance import Measured, MinRows, RelativeTo
from watchtower.nouns.alert import Finding, Outcome
from watchtower.nouns.score import MeasureName, Need, Over
from watchtower.nouns.written import Span

GOOD = frozenset({"performance.accuracy", "performance.precision", "performance.recall", "performance.f1", "estimated.accuracy", "labels.coverage"})
"""Shares of good; every other share is one of bad."""


class BurnRate(Condition):
    """Finds every subject whose share of bad is at least *factor* times what the *objective* allows, over the long stretch and over the short one.

    burn rate = share of bad / (1 - objective): at 1 the budget lasts exactly as long as it is given for. The long stretch makes it sure, the short one lets
    it end soon after the trouble does. Over 30 days a factor of 14.4 over 1h and 5m has burnt 2 % of the budget within the hour.
    Source: Beyer et al. (2018), The Site Reliability Workbook, chapter 5, multi-window burn rates.
    """

    measure: Measured
    """A share: of bad (`errors.share`, `quality.missing_share`), or of good (`performance.accuracy`), of which 1 less it is the bad."""
    feature: str | None = None
    """A glob over subjects; left out: all (of `errors.share` the one over all statuses)."""
    relative_to: RelativeTo = "reference"
    """What the score compares with."""
    min_rows: MinRows | None = None
    """Fewer rows are no score; left out: the measure's own."""
    objective: Annotated[float, Field(gt=0, lt=1)]
    """The share of good that is promised: 0.999."""
    long: Span
    """The long stretch: 1h."""
    short: Span
    """The short stretch: 5m."""
    factor: Annotated[float, Field(gt=0)]
    """How many times the allowed share of bad."""

    @model_validator(mode="after")
    def _is_share(self) -> Self:
        if not (_is_good(self.measure) or self.measure.name.endswith("share")):
            msg = f"{self.measure} is no share of good or bad; name one that is, such as errors.share"
            raise ValueError(msg)
        return self

    def needs(self, over: Over, size: timedelta) -> Iterator[Need]:
        """The measure over both stretches."""
        for span in (self.long, self.short):
            yield Need(self.measure, reach(span, size, over), self.relative_to, self.min_rows)

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where both stretches burn at least at the factor, told with the smaller rate; UNKNOWN where one of them has no score."""
        feature = self.measure.subjects if self.feature is None else self.feature
        long, short = (reading.select(need, feature) for need in self.needs(reading.over, reading.size))
        recent = {key: i for i, key in enumerate(_keys(short))}
        return [self._outcome(reading, (long, i), (short, recent.get(key))) for i, key in enumerate(_keys(long))]

    def _outcome(self, reading: Reading, long: tuple[Selection, int], short: tuple[Selection, int | None]) -> Outcome:
        scores, i = long
        at = reading.version_of(scores, i), scores.segments[i], scores.subjects[i]
        if short[1] is None:
            return Outcome(*at, Finding.UNKNOWN, reason="no score over the short stretch")
        reason = scores.reasons[i] or short[0].reasons[short[1]]
        rate = min(self._rate(scores.values[i]), self._rate(short[0].values[short[1]]))
        if reason is not None or np.isnan(rate):
            return Outcome(*at, Finding.UNKNOWN, reason=reason or "not a number")
        return Outcome(*at, Finding.FOUND if rate >= self.factor else Finding.CLEAR, value=rate)

    def _rate(self, share: float) -> float:
        """How many times the allowed share of bad; NaN stays NaN."""
        return float((1 - share if _is_good(self.measure) else share) / (1 - self.objective))


def _is_good(measure: MeasureName) -> bool:
    return f"{measure.family}.{measure.name}" in GOOD


def _keys(scores: Selection) -> list[tuple[str, str, str]]:
    return list(zip(scores.versions, scores.segments, scores.subjects, strict=True))
