"""Numbers about a closed window, and what asks for them. Absence is a value with a reason."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

import numpy as np

from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import Floats, Ints
from watchtower.nouns.binning import Binning
from watchtower.nouns.drill import NO_DRILL
from watchtower.nouns.profile import Profile
from watchtower.nouns.readings import Readings
from watchtower.nouns.settings import Watched
from watchtower.nouns.window import Window

UNTESTED_PREDICTION = frozenset({"mean", "confidence", "entropy", "class_share"})
UNTESTED_LABELS = frozenset({"coverage", "delay"})
_MEASURE = re.compile(r"(?P<family>[a-z_]+)\.(?P<name>[a-z0-9_]+)(?:\((?P<parameters>[a-z_]+=\d+(?:, ?[a-z_]+=\d+)*)\))?")


@dataclass(frozen=True, slots=True, order=True)
class MeasureName:
    """``<family>.<name>``, parameters in parentheses: ``drift.psi(bins=20)``."""

    family: str
    name: str
    parameters: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "MeasureName":
        """Reads ``drift.psi(bins=20)``; ValueError where it is not of that form."""
        found = _MEASURE.fullmatch(text)
        if not found:
            msg = f"{text!r} is no measure: expected <family>.<name>, such as drift.psi or latency.p99"
            raise ValueError(msg)
        pairs = [part.split("=") for part in (found["parameters"] or "").replace(" ", "").split(",") if part]
        return cls(found["family"], found["name"], tuple((key, int(value)) for key, value in pairs))

    @property
    def is_tested(self) -> bool:
        """Whether it has a p-value: drift, and statistics on predictions and labels."""
        if self.family == "labels":
            return self.name not in UNTESTED_LABELS
        return (self.family == "drift" and self.name != "weighted") or (self.family == "prediction" and self.name not in UNTESTED_PREDICTION)

    @property
    def subjects(self) -> str:
        """The glob over subjects that a rule without one reads: all, but the share over all statuses, performance as a whole, the prediction, and labels."""
        return "" if self.family in {"errors", "performance", "labels"} or (self.family == "prediction" and self.is_tested) else "*"

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value}" for key, value in self.parameters)
        return f"{self.family}.{self.name}" + (f"({inside})" if inside else "")


@dataclass(frozen=True, slots=True, order=True)
class Over:
    """How far back a rule looks: *windows* base windows, or as many as hold *rows* rows (at most 120 windows)."""

    windows: int = 1
    rows: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """A score that some condition asks for.

    Attributes:
        measure: which number.
        over: how many base windows are merged.
        against: "reference", or "previous_version", "previous_window", "version:<glob>", or a duration such as "1d" (`relative_to`).
        min_rows: fewer compared rows is NoScore; None is the measure's own.
        history: how many earlier boards' scores the condition wants to see as well; it does not make it another score.
    """

    measure: MeasureName
    over: Over = Over()
    against: str = "reference"
    min_rows: int | None = None
    history: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of several subjects; arrays of one length. A reason means: no score.

    *values* are NaN where there is a reason, *p_values* NaN where there is none, *n* the compared rows.
    *low* and *high* bound an estimate (95 %), *excess* is the value less what chance alone gives, *notes* say what a value was made with
    (the statistic that `auto` picked); None where the measure has no such thing.
    """

    subjects: tuple[str, ...]
    values: Floats
    p_values: Floats
    n: Ints
    reasons: tuple[str | None, ...]
    low: Floats | None = None
    high: Floats | None = None
    excess: Floats | None = None
    notes: tuple[str, ...] | None = None

    def more(self, i: int) -> dict[str, float | str]:
        """What score *i* has beside value, p-value and n: `low`, `high`, `excess`, `note`; for what prints or shows it."""
        found = {"low": self.low, "high": self.high, "excess": self.excess}
        numbers = {name: float(each[i]) for name, each in found.items() if each is not None and np.isfinite(each[i])}
        return {**numbers, **({"note": self.notes[i]} if self.notes is not None and self.notes[i] else {})}

    @classmethod
    def none(cls, subjects: Sequence[str], reason: str, n: Sequence[int] | None = None) -> "Scores":
        """No score for any of *subjects*, for one *reason*."""
        size = len(subjects)
        nothing = np.full(size, np.nan)
        return cls(tuple(subjects), nothing, nothing, np.array(n if n is not None else [0] * size, dtype=np.int64), (reason,) * size)

    @classmethod
    def one(cls, value: float, n: int, subject: str = "") -> "Scores":
        """The untested score of one subject."""
        return cls((subject,), np.array([value]), np.array([np.nan]), np.array([n], dtype=np.int64), (None,))

    @classmethod
    def of(cls, subjects: Sequence[str], found: Sequence[tuple[float | str, int]]) -> "Scores":
        """Untested scores: of each subject its value, or the reason why it has none, and its rows."""
        values = np.array([np.nan if isinstance(value, str) else value for value, _ in found], dtype=np.float64)
        reasons = tuple(value if isinstance(value, str) else None for value, _ in found)
        return cls(tuple(subjects), values, np.full(len(values), np.nan), np.array([n for _, n in found], dtype=np.int64), reasons)


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """Where a board keeps the scores of a need."""

    version: str
    segment: str
    need: Need


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """All scores of one model for one window, every version and segment.

    *versions* maps each version seen in this window (or needed by a rule) to its share of the served rows.
    """

    model: str
    window: Window
    live: str | None
    scores: Mapping[Slot, Scores]
    versions: Mapping[str, float] = field(default_factory=dict)
    seen: frozenset[tuple[str, str, str]] = frozenset()
    """(measure, segment, subject) of the live version that had a score in one of the 60 windows before."""
    history: tuple[Mapping[Slot, Scores], ...] = ()
    """The scores of the boards right before this one, oldest first, back to the last change of the live version; what no condition asks for is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two profiles under one binning, and which subjects to compare.

    *indexes* point into ``binning.subjects``; statistics give a score for each, in that order. *memo* is where they keep what
    they share (cells, distributions), for as long as the pair lives.
    """

    binning: Binning
    reference: Profile
    current: Profile
    indexes: tuple[int, ...]
    min_rows: int | None = None
    memo: dict[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Analysed:
    """What the analysis child found for one closed window: slow scores, and what it knows of versions.

    Attributes:
        scores: (need, version, segment) -> its scores.
        importance: version -> feature -> how much it matters (0 or more), or why that is unknown.
        calibrations: version -> its calibration, or why there is none.
        reason: why a slow score that is not here is not here.
    """

    scores: Mapping[tuple[Need, str, str], Scores] = field(default_factory=dict)
    importance: Mapping[str, Mapping[str, float] | str] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration | str] = field(default_factory=dict)
    reason: str = "nothing was analysed"


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One (version, segment) of a closed window, as measures see it.

    *profile* is the merge over the need's windows; *siblings* the merges of the model's other versions, by version (the same segment), this one included;
    *seconds* the event time that the merge spans; *binning* None until there is one; *reference* likewise; *reason* why there is none.
    """

    model: str
    version: str
    segment: str
    profile: Profile
    siblings: Mapping[str, Profile]
    seconds: float
    binning: Binning | None
    reference: Profile | None
    reason: str = ""
    settings: Watched = field(default_factory=Watched)
    end: datetime | None = None
    """The end of the base window."""
    began: datetime | None = None
    """When the version served first; None where that is unknown."""
    segments: Mapping[str, Profile] = field(default_factory=dict)
    """The same version's merges by segment, over the same windows; empty where the view is of a segment itself."""
    min_rows: int | None = None
    """The rows that a rule asks for; None: the measure's own."""
    readings: Readings = field(default_factory=Readings)
    """What meters read of machines over the same windows."""
    run: Sequence[Mapping[tuple[str, str], Profile]] = ()
    """The need's base windows one by one, oldest first, whoever was live: (version, segment) -> profile."""
    size: float = 60.0
    """Seconds of one base window."""
    seen: frozenset[tuple[str, str, str]] = frozenset()
    """(measure, segment, subject) of the live version that had a score in one of the 60 windows before."""
    analysed: Scores | None = None
    """What the analysis child found for this need, version and segment."""
    calibration: Calibration | str = "version not calibrated"
    """The version's calibration, or why there is none."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Those that the measure was asked with."""
    rollback_ready: float | str = NO_DRILL
    """What the last drill found: 1 or 0, or why there was none."""


@dataclass(frozen=True, slots=True, eq=False)
class Closed:
    """A closed window of one model, ready to be scored.

    Attributes:
        window: the base window.
        live: the live version at this window (None before the first row).
        profiles: (version, segment, over) -> merge of that version's last windows, "since the live version began" for the live one;
            every version and segment seen there; the base window itself is ``Over()``.
        spans: (over) -> how many base windows the live version's merge really has.
        references: version -> the profile to compare with, under *binning*; by segment: (version, segment).
        compared: (version, segment, over, against) -> what a need that is `relative_to` something compares with, or, with segment "", why there is nothing;
            version "" for the model's own traffic.
        binning: None until the reference is complete; *reason* says why (``reference: 7 of 15 windows``).
    """

    model: str
    window: Window
    live: str | None
    profiles: Mapping[tuple[str, str, Over], Profile]
    spans: Mapping[tuple[str, Over], int]
    references: Mapping[tuple[str, str], Profile]
    compared: Mapping[tuple[str, str, Over, str], Profile | str]
    binning: Binning | None
    reason: str
    seen: frozenset[tuple[str, str, str]] = frozenset()
    incomplete: str = ""
    """A NoScore reason for everything that is compared: ``partition 3 missing``."""
    settings: Watched = field(default_factory=Watched)
    """The model's settings, for measures that need some."""
    began: Mapping[str, datetime] = field(default_factory=dict)
    """Version -> when it served first."""
    readings: Readings = field(default_factory=Readings)
    """What meters read of machines over the longest `over` of a need that wants some."""
    run: Sequence[Mapping[tuple[str, str], Profile]] = ()
    """The base windows that were loaded, oldest first and this one last: (version, segment) -> profile."""
    compared_windows: Mapping[tuple[str, Over, str], int] = field(default_factory=dict)
    """(version, over, against) -> how many base windows stand behind what is compared with."""
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Version -> why it has no reference of its own yet (`per: version`)."""
    analysed: Analysed = field(default_factory=Analysed)
    """What the analysis child found."""
    rollback_ready: float | str = NO_DRILL
    """What the last drill of the model found: 1 or 0, or why there was none."""


def matches(glob: str, name: str) -> bool:
    """Whether *name* matches *glob*, case-sensitively."""
    return glob == "*" or fnmatchcase(name, glob)
