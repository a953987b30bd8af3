"""A bound that is written, or calibrated to a budget of false alarms."""

from abc import abstractmethod
from typing import Literal, Self

from pydantic import model_validator

from watchtower.conditions._on_measure import OnMeasure
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Outcome
from watchtower.nouns.batch import Flags, Floats
from watchtower.nouns.settings import Budget

AUTO: Literal["auto"] = "auto"


class Bounded(OnMeasure):
    """Finds every subject whose score is beyond *value*, and not by chance."""

    value: float | Literal["auto"]
    """The bound itself is not found; auto: calibrated, so that there are no more alarms than *false_alarms*."""
    false_alarms: Budget | None = None
    """How often the rule may begin to fire for nothing, over all of a model's subjects: ``1 per 30d``. Only for `value: auto`."""

    @model_validator(mode="after")
    def _budgeted(self) -> Self:
        if self.value == AUTO and self.false_alarms is None:
            msg = "value: auto needs a budget; say false_alarms: 1 per 30d"
            raise ValueError(msg)
        if self.value != AUTO and self.false_alarms is not None:
            msg = "false_alarms: is what value: auto is calibrated to; leave it out, or say value: auto"
            raise ValueError(msg)
        return self

    @abstractmethod
    def beyond(self, values: Floats, bound: float) -> Flags:
        """Which of *values* are beyond *bound*; NaN is not."""

    def check(self, reading: Reading) -> list[Outcome]:
        """FOUND where the value is beyond the bound and significant; UNKNOWN while there is no bound."""
        scores = self.selected(reading)
        if isinstance(self.value, str):
            return [self.unknown(reading, scores, i, reading.lacking) for i in range(len(scores.subjects))]
        return self.judged(reading, scores, self.beyond(scores.values, self.value))
