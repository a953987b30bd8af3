"""watchtower.yaml as it becomes: frozen, documented field by field."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from watchtower.meters import Meter
from watchtower.model_stores import ModelStore
from watchtower.notifiers import Notifier
from watchtower.nouns.settings import Duration, Frozen, GuardSettings, Watched, Windows, WindowSettings
from watchtower.rollback_targets import RollbackTarget
from watchtower.sources import Source


class Retention(Frozen):
    """How long things are kept."""

    windows: Duration = timedelta(days=30)
    """Profiles of closed windows."""
    scores: Duration = timedelta(days=90)
    """Boards."""


class StoreSettings(Frozen):
    """Where state lives."""

    url: str = "sqlite:///watchtower.db"
    """sqlite:///FILE (relative to the settings file) or postgresql+psycopg://…"""
    checkpoint: Duration = timedelta(seconds=1)
    """How often what was read is committed."""
    retention: Retention = Retention()


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


class RollbackSettings(Frozen):
    """How to go back."""

    target: RollbackTarget
    approval: Literal["none", "required"] = "none"
    guards: GuardSettings = GuardSettings()
    accept_race: bool = False
    """Needed with `approval: none` where the target has no compare-and-set."""
    verify_within: Duration | None = None
    """The traffic must show the candidate serving within this (default: 10 windows, at least 1m)."""


class ModelSettings(Watched):
    """One model, or `"*"` for those that are not listed."""

    relative_to: Literal["reference"] = "reference"
    """What scores compare with; a rule may say otherwise."""
    artifacts: ModelStore | None = None
    """Where its versions' artefacts are."""
    shadow: ShadowSettings = ShadowSettings()
    """Re-running logged inputs."""
    rollback: RollbackSettings | None = None
    """How to go back; left out: nothing is ever switched."""


class ServerSettings(Frozen):
    """Pages, API and metrics."""

    listen: str = "127.0.0.1:9464"
    """host:port; port 0 takes a free one and logs it."""
    tokens_file: str | None = None
    """One bearer token a line; needed beyond loopback."""
    metrics_public: bool = True
    max_series: int = Field(default=50_000, ge=100)


class IncidentSettings(Frozen):
    """When an incident is over."""

    quiet: Windows = Field(default=5, ge=1)
    """It closes that many evaluations after its last alert resolved."""


class Settings(Frozen):
    """All of watchtower.yaml."""

    sources: tuple[Source, ...] = Field(min_length=1)
    store: StoreSettings = StoreSettings()
    rules: str = "rules/"
    """A folder of rule files, or one file."""
    window: WindowSettings = WindowSettings()
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    notifiers: dict[str, Notifier] = Field(default_factory=dict)
    meters: tuple[Meter, ...] = ()
    incidents: IncidentSettings = IncidentSettings()
    server: ServerSettings = ServerSettings()
    instance: Annotated[str | None, Field(description="Kafka's group.instance.id; default host + settings path")] = None

    def model(self, name: str) -> ModelSettings:
        """The settings of *name*: its own, else those of `"*"`, else the defaults."""
        return self.models.get(name) or self.models.get("*") or ModelSettings()

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: object) -> object:
        """`source:` (one mapping) stands for `sources:` with one entry."""
        if isinstance(value, dict) and "source" in value and "sources" not in value:
            rest = {key: each for key, each in value.items() if key != "source"}
            return rest | {"sources": [value["source"]]}
        return value
