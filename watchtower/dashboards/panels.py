"""Panels and their questions. No Grafana here, so that tests ask the same questions."""

from dataclasses import dataclass
from enum import StrEnum

OF = 'model="$model"'
"""Selects the chosen model."""
WHOLE = f'{OF},segment=""'
"""… and all of its traffic."""
RATE = "$__rate_interval"


class Look(StrEnum):
    """How a panel is drawn."""

    STAT = "stat"
    CURVES = "curves"
    STACKED = "stacked"
    STATES = "states"


@dataclass(frozen=True, slots=True)
class Query:
    """One question and the name of its series (``{{label}}`` is filled in)."""

    expr: str
    legend: str

    def filled(self, model: str, *, interval: str = "1m", statistic: str = ".+") -> str:
        """The question with the dashboard's variables filled in; *model* must not hold quotes or backslashes."""
        return self.expr.replace("$model", model).replace(RATE, interval).replace("$__range", interval).replace("$statistic", statistic)


@dataclass(frozen=True, slots=True)
class Shown:
    """One panel. *unit* is Grafana's; *width* in 24ths; *bounds* the least and the largest value of the axis; *warn* where a colour begins."""

    title: str
    queries: tuple[Query, ...]
    about: str
    unit: str = "short"
    look: Look = Look.CURVES
    width: int = 12
    bounds: tuple[float | None, float | None] = (None, None)
    warn: float | None = None
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Shown, ...]
