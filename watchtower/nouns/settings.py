"""Settings that the pure floors read: frozen, documented field by field. Rooms that own sockets keep theirs beside their kind."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from watchtower.nouns.batch import FeatureType, PredictionKind
from watchtower.nouns.freezing import FreezeWindow, Traffic
from watchtower.nouns.inputs import Input
from watchtower.nouns.kept import KeepTerms
from watchtower.nouns.written import Duration, Frozen, PathText


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


Summarised = TypeVar("Summarised")
Keep = Literal["profile", "hash", "drop", "raw"]
"""What may be stored of values."""


class FeatureSettings(Frozen):
    """One feature: ``amount: numeric`` or ``amount: {type: numeric, edges: […]}``."""

    type: FeatureType
    edges: tuple[float, ...] | None = None
    """Edges of the inside cells, ascending, by hand (numeric only)."""
    keep: Keep | None = None
    """Of this feature, where the model says otherwise: only under raw is it in kept rows."""


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
    minimum_traffic: Traffic | None = None
    """With less than this nothing is switched: the traffic could not show what comes of it."""
    freeze: tuple[FreezeWindow, ...] = ()
    """When nothing is switched: weekly times of day, and spans of dates."""


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
    keep: Keep = "profile"
    """raw: rows are kept beside their summaries, for `store.retention.rows`; everything else keeps no row."""
    keep_rows: int = Field(default=3072, ge=100)
    """With `keep: raw`: the most rows of a version that are kept of one window, chosen by position hash."""
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
    inputs: dict[str, Input] = Field(default_factory=dict)
    """ONNX input -> the features stacked on axis 1, pictures by reference, or a value."""
    evidence: EvidenceSettings = EvidenceSettings()
    """How sure a verdict must be."""
    importance: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Feature -> how much it matters to `drift.weighted`; left out: permutation importance from re-running the live version."""
    capacity: CapacitySettings | None = None
    """What one instance can serve; `capacity.instances` needs it."""
    cost: CostSettings | None = None
    """What machines cost; `cost.per_thousand` needs it."""

    @property
    def kept(self) -> KeepTerms | None:
        """What is kept of its rows; None: nothing."""
        if self.keep != "raw":
            return None
        return KeepTerms(self.keep_rows, frozenset(name for name, each in self.features.items() if each.keep not in {None, "raw"}))

    def keep_of(self, feature: str) -> Keep:
        """What may be stored of *feature*."""
        own = self.features[feature].keep if feature in self.features else None
        return own or self.keep

    @property
    def folded(self) -> dict[str, FeatureSettings]:
        """The features that are summarised, each with what may be stored of it."""
        return {name: each.model_copy(update={"keep": self.keep_of(name)}) for name, each in self.features.items() if self.keep_of(name) != "drop"}

    def summarised(self, columns: Mapping[str, Summarised]) -> dict[str, Summarised]:
        """*columns* without features of which nothing may be stored; the prediction (subject "") stays."""
        return {name: column for name, column in columns.items() if not name or self.keep_of(name) != "drop"}

    @model_validator(mode="after")
    def _segments_are_stored(self) -> Self:
        hidden = [each for each in self.segments if self.keep_of(each) in {"hash", "drop"}]
        if hidden:
            msg = f"segments are stored by their values, and {hidden[0]} is under keep: {self.keep_of(hidden[0])}"
            raise ValueError(msg)
        return self

    @property
    def taken(self) -> frozenset[str]:
        """The features that the model takes, as far as `inputs:` says which; else all of them."""
        named = {name for own in self.inputs.values() for name in (*own.features, *((own.image.feature,) if own.image is not None else ()))}
        return frozenset(named or self.features)
