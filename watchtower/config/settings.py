"""watchtower.yaml as it becomes: frozen, documented field by field."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue, ValidationInfo, model_validator

from watchtower.formats import Format
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.meters import Meter
from watchtower.model_stores import ModelStore
from watchtower.notifiers import Notifier
from watchtower.nouns.settings import GuardSettings, Watched, WindowSettings
from watchtower.nouns.written import Duration, Frozen, PathText, RelativeTo, Windows, located
from watchtower.rollback_targets import RollbackTarget
from watchtower.runners import Runner
from watchtower.runners.onnx import Onnx
from watchtower.sources import Source
from watchtower.sources.file import File
from watchtower.sources.kafka import Kafka

SQLITE = "sqlite:///"
DAY, MANY = timedelta(hours=24), 1_000_000
Wait = Annotated[Duration, Field(gt=timedelta(0), description="How long a prediction, and a label, wait for each other (event time).")]
MaxRows = Annotated[int, Field(ge=1, description="The most predictions of a model that wait; where more would, a share of the ids is kept.")]


def _database(url: str, info: ValidationInfo) -> str:
    """An SQLite file is from the settings file's folder, as every path; `sqlite://` is in memory."""
    return SQLITE + located(url.removeprefix(SQLITE), info) if url.startswith(SQLITE) and len(url) > len(SQLITE) else url


class Retention(Frozen):
    """How long things are kept."""

    windows: Duration = timedelta(days=30)
    """Profiles of closed windows."""
    scores: Duration = timedelta(days=90)
    """Boards."""
    readings: Duration = timedelta(days=3)
    """What meters read, at least 120 windows of it; the scores made of it stay with the boards."""
    rows: Duration = timedelta(days=1)
    """Rows of models with `keep: raw`."""


class StoreSettings(Frozen):
    """Where state lives."""

    url: Annotated[str, AfterValidator(_database)] = Field(default=f"{SQLITE}watchtower.db", validate_default=True, pattern="^[a-z0-9+]+://")
    """sqlite:///FILE (relative to the settings file) or postgresql+psycopg://…"""
    checkpoint: Duration = timedelta(seconds=1)
    """How often what was read is committed."""
    retention: Retention = Retention()
    """How long things are kept."""


class ShadowSettings(Frozen):
    """Re-running logged inputs."""

    rows: int = Field(default=8192, ge=100)
    """The most rows that one trial runs per version."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """cuda: running on anything else is BROKEN evidence."""
    keep: Duration = timedelta(hours=24)
    """How long outputs are kept."""
    time_limit: Duration = timedelta(minutes=5)
    """A child that takes longer is BROKEN evidence."""
    runner: Runner = Onnx()
    """What re-runs a version."""


class RollbackSettings(Frozen):
    """How to go back."""

    target: RollbackTarget
    """The system that can switch versions."""
    approval: Literal["none", "required"] = "none"
    """required: somebody must approve each rollback."""
    guards: GuardSettings = GuardSettings()
    """Reasons not to roll back now."""
    accept_race: bool = False
    """Needed with `approval: none` where the target has no compare-and-set."""
    verify_within: Duration | None = None
    """The traffic must show the candidate serving within this (default: 10 windows, at least 1m)."""
    resolve_within: Duration | None = None
    """The alerts must have resolved within this, counted from then (default: what `over`, `hold` and `keep_firing` of the rules need)."""
    reach_within: Duration = timedelta(minutes=5)
    """A target that cannot be reached, or is too busy, is called again for this long; 0s: never."""
    approval_within: Duration = Field(default=timedelta(hours=24), gt=timedelta(0))
    """An approval that nobody gave by then is no longer asked for."""
    forward: bool = False
    """true: where going back did not help in time, the former live version is switched to again, once."""


class ModelSettings(Watched):
    """One model, or `"*"` for those that are not listed."""

    relative_to: RelativeTo = "reference"
    """What statistics compare with in rules that do not say otherwise; other measures are plain values unless a rule says so."""
    artifacts: ModelStore | None = None
    """Where its versions' artefacts are."""
    shadow: ShadowSettings = ShadowSettings()
    """Re-running logged inputs."""
    rollback: RollbackSettings | None = None
    """How to go back; left out: nothing is ever switched."""
    retrain: Notifier | None = None
    """Who is told, once an incident, that a rule with `respond: [retrain]` asks for it."""

    @model_validator(mode="after")
    def _tolerance_declared(self) -> "ModelSettings":
        if self.shadow.runner.inexact and "tolerance" not in self.evidence.model_fields_set:
            msg = "shadow.runner rounds answers (fp16), so evidence.tolerance must say what counts as the same; write evidence: {tolerance: 1e-2}"
            raise ValueError(msg)
        return self


class ServerSettings(Frozen):
    """Pages, API and metrics."""

    listen: str = "127.0.0.1:9464"
    """host:port; port 0 takes a free one and logs it."""
    tokens_file: PathText | None = None
    """One bearer token a line; needed beyond loopback."""
    metrics_public: bool = True
    """/metrics, /healthz and /readyz need no token."""
    max_series: int = Field(default=50_000, ge=100)
    """The most series that /metrics shows of models; what is beyond becomes `other`."""


class KafkaLabels(Kafka):
    """Labels in a topic of their own."""

    kind: Literal["kafka"]
    brokers: tuple[str, ...] = ()
    """host:port; left out: brokers and security of the first Kafka source."""
    format: Format = WatchtowerJson()
    """How its messages are read."""
    group: str = Field(default="watchtower-labels", min_length=1)
    """The consumer group over which replicas share the partitions; not that of the predictions."""
    wait: Wait = DAY
    max_rows: MaxRows = MANY

    @model_validator(mode="after")
    def _reachable(self) -> "KafkaLabels":
        if not self.brokers:
            msg = "brokers are missing, and no Kafka source has some; write brokers: [HOST:PORT]"
            raise ValueError(msg)
        return self


class FileLabels(File):
    """Labels in a file that grows."""

    kind: Literal["file"]
    format: Format = WatchtowerJson()
    """How its lines are read."""
    wait: Wait = DAY
    max_rows: MaxRows = MANY


class HttpLabels(Frozen):
    """Labels that are posted to `/api/v1/labels` (which takes them whatever stands here)."""

    kind: Literal["http"]
    wait: Wait = DAY
    max_rows: MaxRows = MANY


LabelsSettings = Annotated[KafkaLabels | FileLabels | HttpLabels, Field(discriminator="kind")]


def _with_brokers(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """*value* with the brokers of the first Kafka source for labels that name none."""
    labels, sources = value.get("labels"), value.get("sources")
    if not isinstance(labels, dict) or labels.get("kind") != "kafka" or "brokers" in labels or not isinstance(sources, list | tuple):
        return value
    first = next((each for each in sources if isinstance(each, dict) and each.get("kind") == "kafka" and "brokers" in each), {})
    found = {name: first[name] for name in ("brokers", "security") if name in first}
    return value | {"labels": found | labels}


class IncidentSettings(Frozen):
    """When an incident is over."""

    quiet: Windows = Field(default=5, ge=1)
    """It closes that many evaluations after its last alert resolved."""


class TellSettings(Frozen):
    """What is told beside alerts."""

    deployments: bool = True
    """A live version that the traffic shows and that neither Watchtower nor an announcement explains is told to the notifiers, once."""


class DrillSettings(Frozen):
    """The dry run of going back, for each model with `rollback:`."""

    every: Duration = Field(default=timedelta(days=1), ge=timedelta(minutes=1))
    """How often; also shortly after the start, and when the live version or the candidate is another."""


class Settings(Frozen):
    """All of watchtower.yaml."""

    SINGULAR: ClassVar[Mapping[str, str]] = MappingProxyType({"source": "sources"})
    """A key that holds one entry -> the key that holds many."""

    sources: tuple[Source, ...] = Field(min_length=1)
    """One or many; `source:` holds one."""
    labels: LabelsSettings | None = None
    """Where labels come from, if not with the predictions (then they wait a day)."""
    store: StoreSettings = StoreSettings()
    """Where state lives."""
    rules: PathText = Field(default="rules", validate_default=True)
    """A folder of rule files, or one file."""
    window: WindowSettings = WindowSettings()
    """Event-time windows."""
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    """By name; `"*"` is for those that are not listed. Files in `models/` beside the settings file add to it."""
    notifiers: dict[str, Notifier] = Field(default_factory=dict)
    """By the name that rules call them."""
    meters: tuple[Meter, ...] = ()
    """What reads machines."""
    incidents: IncidentSettings = IncidentSettings()
    """When an incident is over."""
    tell: TellSettings = TellSettings()
    """What is told beside alerts."""
    drill: DrillSettings = DrillSettings()
    """The daily dry run of going back."""
    server: ServerSettings = ServerSettings()
    """Pages, API and metrics."""
    instance: str | None = None
    """Kafka's group.instance.id; default host + settings path."""

    def model(self, name: str) -> ModelSettings:
        """The settings of *name*: its own, else those of `"*"`, else the defaults."""
        return self.models.get(name) or self.models.get("*") or ModelSettings()

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: object) -> object:
        """`source:` stands for `sources:` with one entry; a store that is left out still has a file, in the settings file's folder."""
        if not isinstance(value, dict):
            return value
        singular = {key: many for key, many in cls.SINGULAR.items() if key in value and many not in value}
        rest = {key: each for key, each in value.items() if key not in singular}
        return _with_brokers({"store": {}} | rest | {many: [value[key]] for key, many in singular.items()})
