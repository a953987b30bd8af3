"""A model's last windows as curves: what the pages draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from watchtower.measures.fairness import WHOLE_ONLY
from watchtower.web.sparkline import Sparkline, sparkline

_TITLES = {"prediction": "Predictions", "drift": "Feature drift", "quality": "Data quality", "performance": "Performance"}
"""In the order of the page; every other family is under _SERVICE."""
_SERVICE = "Service"
_FEWEST_SLOTS = 12


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of `status`."""

    version: str
    predictions: int
    late: int
    errors: Mapping[str, int] = field(default_factory=dict)
    other_roles: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model of `status`."""

    model: str
    live: str | None
    versions: list[VersionRow]

    @property
    def predictions(self) -> int:
        """Of all versions."""
        return sum(each.predictions for each in self.versions)

    @property
    def late(self) -> int:
        """Of all versions."""
        return sum(each.late for each in self.versions)


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert of `status`."""

    rule: str
    model: str
    version: str
    segment: str
    subject: str
    state: str
    since: str
    value: float | None
    severity: str = "warn"


@dataclass(frozen=True, slots=True)
class OutgrownRow:
    """A feature with values beyond its cells."""

    feature: str
    share: float
    where: str


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A model whose cells no longer fit."""

    model: str
    since: str
    features: list[OutgrownRow]


@dataclass(frozen=True, slots=True)
class DrillRow:
    """A model's last drill."""

    model: str
    ready: bool
    at: str
    live: str
    candidate: str | None
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Status:
    """`status --json`, as far as pages show it."""

    models: list[ModelRow]
    rejected: dict[str, int]
    alerts: list[AlertRow]
    lag: list[dict[str, str | int]]
    windows: list[dict[str, str | None]] = field(default_factory=list)
    decisions: list[dict[str, str]] = field(default_factory=list)
    daemon: dict[str, bool | str | None] = field(default_factory=dict)
    proposals: list[ProposalRow] = field(default_factory=list)
    servings: list[dict[str, str | None]] = field(default_factory=list)
    drills: list[DrillRow] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """Lag of all partitions."""
        return sum(int(each["lag"]) for each in self.lag)

    def firing(self, model: str) -> int:
        """Alerts of *model* that fire."""
        return sum(each.model == model and each.state == "firing" for each in self.alerts)

    def pending(self, model: str) -> int:
        """Alerts of *model* that are pending."""
        return sum(each.model == model and each.state == "pending" for each in self.alerts)

    def window_end(self, model: str) -> str | None:
        """End of the newest evaluated window."""
        return next((each["window_end"] for each in self.windows if each["model"] == model), None)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A score of a stored board."""

    version: str
    segment: str
    measure: str
    over: dict[str, int]
    against: str
    subject: str
    value: float | None
    p_value: float | None
    n: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A stored board."""

    model: str
    window: dict[str, str]
    live: str | None
    versions: dict[str, float]
    scores: list[ScoreRow]


@dataclass(frozen=True, slots=True)
class Curve:
    """One measure of one subject of the live version over the last windows; *last* is the newest window's score."""

    measure: str
    subject: str
    segment: str
    last: ScoreRow
    drawn: Sparkline
    low: float
    high: float

    @property
    def title(self) -> str:
        """Under its band: the subject; where there is none, or the band holds several families, the measure."""
        family, _, name = self.measure.partition(".")
        if family not in _TITLES:
            return _words(self.measure)
        return self.subject or _words(name)

    @property
    def subtitle(self) -> str:
        """What the title left out."""
        family, _, name = self.measure.partition(".")
        rest = self.subject if family not in _TITLES else _words(name) if self.subject else ""
        return " · ".join(part for part in (rest, self.segment) if part)


@dataclass(frozen=True, slots=True)
class Band:
    """Curves of one family of measures, under a title."""

    title: str
    curves: tuple[Curve, ...]


Where = tuple[str, str, str]


def curves(boards: Sequence[BoardRow]) -> list[Curve]:
    """The curves of what the newest of *boards* (oldest first) has, in the order of families; the live version's, relative to the reference."""
    if not boards:
        return []
    told = [_told(board) for board in boards]
    found = []
    for where, last in told[-1].items():
        values = [each[where].value if where in each else None for each in told]
        if _says_nothing(where, told[-1]) and not any(value is not None for value in values):
            continue
        known = [value for value in values if value is not None] or [0.0]
        found.append(Curve(where[0], where[1], where[2], last, sparkline(values, slots=max(_FEWEST_SLOTS, len(boards))), min(known), max(known)))
    return sorted(found, key=lambda curve: (_rank(curve.measure), bool(curve.segment), curve.segment, curve.measure))


def bands(drawn: Sequence[Curve]) -> list[Band]:
    """Sorted curves by family."""
    return [Band(title, tuple(each)) for title, each in groupby(drawn, lambda curve: _TITLES.get(curve.measure.partition(".")[0], _SERVICE))]


def shares(boards: Sequence[BoardRow], versions: Sequence[str]) -> dict[str, Sparkline]:
    """Each version's share of the traffic over *boards*."""
    slots = max(_FEWEST_SLOTS, len(boards))
    return {version: sparkline([board.versions.get(version, 0.0) for board in boards], slots=slots, top=1.0) for version in versions}


def _told(board: BoardRow) -> dict[Where, ScoreRow]:
    """One score a (measure, subject, segment): that of the smallest `over` that has one."""
    found: dict[Where, ScoreRow] = {}
    for row in sorted(board.scores, key=lambda row: (row.value is None, row.over["rows"] > 0, row.over["windows"])):
        if row.against == "reference" and row.version in {"", board.live}:
            found.setdefault((row.measure, row.subject, row.segment), row)
    order = {(row.measure, row.subject, row.segment): None for row in board.scores}
    return {where: found[where] for where in order if where in found}


def _says_nothing(where: Where, newest: Mapping[Where, ScoreRow]) -> bool:
    """Whether a segment has no score for the reason that the whole has none, or because segments are what it compares."""
    measure, subject, segment = where
    reason, whole = newest[where].reason, newest.get((measure, subject, ""))
    if not segment or reason is None:
        return False
    return reason.startswith(WHOLE_ONLY) or (whole is not None and reason == whole.reason)


def _rank(measure: str) -> int:
    family = measure.partition(".")[0]
    return [*_TITLES, family].index(family)


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")
