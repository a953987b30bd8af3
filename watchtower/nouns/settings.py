"""Settings that the pure floors read: frozen, documented field by field. Rooms that own sockets keep theirs beside their kind."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema, model_validator

from watchtower.nouns.batch import FeatureType, PredictionKind

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WINDOWS = re.compile(r"(\d+)\s*windows?")
_ROWS = re.compile(r"at least\s+([\d,_]+)\s*rows?")


def duration(value: object) -> object:
    """Reads ``30s 5m 1h 7d``; a timedelta passes; ValueError else."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        msg = f"{value!r} is no duration: write a number and a unit, such as 30s, 5m, 1h or 7d"
        raise ValueError(msg)
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError:
        msg = f"{value!r} is longer than any duration"
        raise ValueError(msg) from None


Duration = Annotated[
    timedelta, BeforeValidator(duration), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?(ms|s|m|h|d)$", "examples": ["30s", "5m"]})
]


def located(path: str, info: ValidationInfo) -> str:
    """*path* from the folder that validation was given (``context={"folder": …}``: the settings file's); URLs and absolute paths stay."""
    folder = info.context.get("folder") if isinstance(info.context, dict) else None
    return path if folder is None or "://" in path else str(Path(folder) / path)


PathText = Annotated[str, Field(min_length=1), AfterValidator(located)]
"""A path in a settings file: relative ones are from that file's folder."""


class Frozen(BaseModel):
    """What every mapping of a settings file becomes: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False, use_attribute_docstrings=True)


def windows_in(value: object) -> object:
    """Reads ``3 windows`` as 3; whole numbers pass; ValueError else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _WINDOWS.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        msg = f"{value!r} is no number of windows: write 3 windows"
        raise ValueError(msg)
    return int(found[1])


_WINDOWS_SCHEMA = {"anyOf": [{"type": "string", "pattern": r"^\d+ ?windows?$", "examples": ["3 windows"]}, {"type": "integer", "minimum": 0}]}
Windows = Annotated[int, BeforeValidator(windows_in), Field(ge=0), WithJsonSchema(_WINDOWS_SCHEMA)]


class Stretch(Frozen):
    """How far back, as written: some windows, a duration, or at least so many rows. Exactly one is set."""

    windows: int | None = None
    duration: timedelta | None = None
    rows: int | None = None

    def in_windows(self, size: timedelta) -> int:
        """Base windows of *size*; durations are rounded up; 0 where rows are asked."""
        if self.windows is not None:
            return self.windows
        return -(-self.duration // size) if self.duration is not None else 0


def stretch(value: object) -> object:
    """Reads ``5 windows``, ``15m`` or ``at least 5000 rows``."""
    if isinstance(value, Stretch):
        return value
    if isinstance(value, str):
        text = value.strip()
        if found := _WINDOWS.fullmatch(text):
            return {"windows": int(found[1])}
        if found := _ROWS.fullmatch(text):
            return {"rows": int(found[1].replace(",", "").replace("_", ""))}
        if _DURATION.fullmatch(text):
            return {"duration": duration(text)}
    msg = f"{value!r}: write 5 windows, 15m, or at least 5000 rows"
    raise ValueError(msg)


Span = Annotated[Stretch, BeforeValidator(stretch), WithJsonSchema({"type": "string", "examples": ["5 windows", "15m", "at least 5000 rows"]})]


_AGAINST = "reference, previous_version, previous_window, version: GLOB, or how long ago, such as 1d"


def relative(value: object) -> object:
    """Reads what a score compares with: ``reference``, ``previous_version``, ``previous_window``, ``1d``, ``version:canary*`` or ``{version: canary*}``."""
    if isinstance(value, dict) and set(value) == {"version"} and isinstance(value["version"], str | int):
        value = f"version:{value['version']}"
    if isinstance(value, str):
        kind, mark, glob = (part.strip() for part in value.strip().partition(":"))
        if value.strip() in ("reference", "previous_version", "previous_window"):
            return value.strip()
        if kind == "version" and mark and glob:
            return f"version:{glob}"
        if (found := _DURATION.fullmatch(value.strip())) and float(found[1]) > 0:
            return f"{found[1]}{found[2]}"
    msg = f"{value!r} is nothing to compare with: write {_AGAINST}"
    raise ValueError(msg)


_VERSION_GLOB = {"type": "object", "properties": {"version": {"type": "string"}}, "required": ["version"], "additionalProperties": False}
RelativeTo = Annotated[
    str,
    BeforeValidator(relative),
    WithJsonSchema({"anyOf": [{"type": "string", "examples": ["previous_version", "previous_window", "1d", "version:canary*"]}, _VERSION_GLOB]}),
]
"""What a score compares with, in one spelling."""


class WindowSettings(Frozen):
    """Event-time windows."""

    size: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))
    """Windows start at whole multiples of this since 1970-01-01T00:00Z."""
    lateness: Duration = timedelta(seconds=30)
    """A partition's watermark is its largest event time less this."""
    idle: Duration | Literal["never"] | None = None
    """A caught-up partition that is quiet for so long follows the clock (default 2 x size); never: for logs shipped in bulk."""
    max_wait: Duration = timedelta(minutes=5)
    """How long an unreachable or unassigned partition holds windows."""
    max_ahead: Duration = timedelta(minutes=5)
    """An event time further ahead than this is rejected as time_in_future."""

    @property
    def quiet(self) -> timedelta | None:
        """How long a caught-up partition must be quiet to follow the clock; None: it never does."""
        if self.idle == "never":
            return None
        return self.idle if self.idle is not None else 2 * self.size


class FeatureSettings(Frozen):
    """One feature: ``amount: numeric`` or ``amount: {type: numeric, edges: […]}``."""

    type: FeatureType
    edges: tuple[float, ...] | None = None
    """Edges of the inside cells, ascending, by hand (numeric only)."""


def feature(value: object) -> object:
    """``numeric`` is short for ``{type: numeric}``."""
    return {"type": value} if isinstance(value, str) else value


Feature = Annotated[FeatureSettings, BeforeValidator(feature, json_schema_input_type=FeatureType | FeatureSettings)]


class PredictionSettings(Frozen):
    """What the model answers."""

    kind: PredictionKind = PredictionKind.NUMBER
    positive: str | int | float | bool | None = None
    """The label value that counts as 1 (probability)."""
    output: str | None = None
    """Which ONNX output holds it; left out: the only one, or the names that skl2onnx gives."""
    index: int | None = None
    """Which column of that output."""


class FileReference(Frozen):
    """Rows from a Parquet, CSV or JSONL file."""

    kind: Literal["file"]
    path: PathText
    """``{version}`` is the live version's; a version without a file takes the newest earlier one."""


class FirstWindows(Frozen):
    """Whole windows from the model's first one, in window order."""

    kind: Literal["first_windows"]
    count: int | None = Field(default=None, ge=1)
    """So many windows …"""
    rows: int | None = Field(default=None, ge=1)
    """… or until at least so many rows (default 10,000 where neither is given)."""
    per: Literal["model", "version"] = "model"
    """version: each version is compared with its own first windows, under the model's cells."""


Reference = Annotated[FileReference | FirstWindows, Field(discriminator="kind")]


class EvidenceSettings(Frozen):
    """How sure a verdict must be. Formulas in docs/statistics.md."""

    minimum_effect: float = Field(default=0.01, gt=0, lt=1)
    """m: the smallest difference in loss worth a rollback."""
    alpha: float = Field(default=0.001, gt=0, lt=1)
    """Chance of a wrong ACCEPT per incident."""
    agreement: float = Field(default=0.99, gt=0, le=1)
    """Share of rows whose logged prediction must be had again by re-running live."""
    tolerance: float = Field(default=1e-4, gt=0)
    """What counts as the same answer, relative to the scale."""


class AtMost(Frozen):
    """So many in a period."""

    times: int = Field(ge=1)
    per: Duration


def _at_most(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+)\s+per\s+(.+)", value.strip())
    if not found:
        msg = f"{value!r}: write a number of times and a duration, such as 3 per 1d"
        raise ValueError(msg)
    return {"times": int(found[1]), "per": found[2]}


Budget = Annotated[AtMost, BeforeValidator(_at_most, json_schema_input_type=str | AtMost)]
"""``3 per 1d``."""


class GuardSettings(Frozen):
    """Reasons not to roll back now."""

    cooldown: Duration = timedelta(hours=1)
    """Least time between two decided rollbacks of a model (event time)."""
    at_most: Budget = AtMost(times=3, per=timedelta(days=1))
    """``3 per 1d``."""
    max_age: Duration = timedelta(minutes=15)
    """Evidence older than this decides nothing."""


class CapacitySettings(Frozen):
    """What one instance can serve: given, or estimated from what it served within a limit."""

    per_instance: float | None = Field(default=None, gt=0)
    """Predictions a second that one instance can serve."""
    p99_limit: Duration | None = None
    """Left out per_instance: the most that an instance has served while P99 of the latency stayed within this."""

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.per_instance is None and self.p99_limit is None:
            msg = "say per_instance, or p99_limit to have it estimated"
            raise ValueError(msg)
        return self


class CostSettings(Frozen):
    """What machines cost."""

    device_hour: float = Field(ge=0)
    """The price of one device for an hour, in your currency."""


class Watched(Frozen):
    """What the pure floors and the workers know of one model's settings."""

    features: dict[str, Feature] = Field(default_factory=dict)
    """Left out: inferred from the rows that make the binning."""
    prediction: PredictionSettings = PredictionSettings()
    """What the model answers."""
    keep: Literal["profile", "hash", "drop", "raw"] = "profile"
    """raw: rows may be kept beside their summaries."""
    reference: Reference | None = None
    """Left out: the first windows that hold 10,000 rows."""
    segments: tuple[str, ...] = ()
    """Categorical features whose 20 largest values are watched apart."""
    healthy: tuple[str, ...] = ()
    """Versions that may be gone back to, whatever their record."""
    unhealthy: tuple[str, ...] = ()
    """Versions that are never gone back to."""
    assume: Literal["reference_is_good"] | None = None
    """Labelled reference rows of another version than the live one count as evidence."""
    inputs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """ONNX input -> the features stacked on axis 1."""
    evidence: EvidenceSettings = EvidenceSettings()
    """How sure a verdict must be."""
    importance: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Feature -> how much it matters to `drift.weighted`; left out: permutation importance from re-running the live version."""
    capacity: CapacitySettings | None = None
    """What one instance can serve; `capacity.instances` needs it."""
    cost: CostSettings | None = None
    """What machines cost; `cost.per_thousand` needs it."""
