"""A report: what one model's windows look like beside its reference, our opinion of each feature beside Evidently's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watchtower.nouns.batch import Column


@dataclass(frozen=True, slots=True)
class Opinion:
    """What Evidently says of one column: its method's name, its number, its threshold; *drifted* None where it gave no number, and *reason* why."""

    method: str = ""
    value: float | None = None
    threshold: float | None = None
    drifted: bool | None = None
    reason: str = ""

    @property
    def is_p_value(self) -> bool:
        """Whether *value* is a p-value, of which small ones mean drift."""
        return "p_value" in self.method


@dataclass(frozen=True, slots=True)
class FeatureLine:
    """Our opinion of one subject ("" is the prediction), Evidently's, and why they differ ("" where they do not).

    *drifted* is True where the effect is above *bound* and significant after correction; None where there is no score, and *reason* why.
    *cells* are (cell in words, share in the reference, share now).
    """

    subject: str
    statistic: str
    value: float | None
    p_adjusted: float | None
    bound: float
    n: int
    drifted: bool | None
    reason: str = ""
    cells: tuple[tuple[str, float, float], ...] = ()
    theirs: Opinion = Opinion()
    differs: str = ""


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model's windows from *start* to *end*; *compared_from* to *end* are those whose rows stand beside the reference.

    *evidently* is its own page (HTML), empty where it was not made, and *without* says why. *alerts* are lines to show.
    """

    model: str
    live: str
    start: datetime
    end: datetime
    compared_from: datetime
    rows: int
    reference_rows: int
    features: tuple[FeatureLine, ...]
    alerts: tuple[Mapping[str, object], ...] = ()
    evidently: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows as columns, for Evidently; "prediction" is the prediction."""

    columns: Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class EvidentlyReport:
    """What the child made: opinions by column, the page, what was left out and why."""

    opinions: Mapping[str, Opinion] = field(default_factory=dict)
    html: str = ""
