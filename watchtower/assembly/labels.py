"""Where labels come from, and who joins them: settings to parts."""

from pathlib import Path

from watchtower.config.reader import Loaded
from watchtower.config.settings import FileLabels, KafkaLabels, Settings
from watchtower.core.meeting import Terms
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place
from watchtower.nouns.score import MeasureName, Need
from watchtower.store import Store
from watchtower.workers.intake import Feed, Intake
from watchtower.workers.labels import Joiner, SpoolSession
from watchtower.workers.trials import TrialRoom

LABELLED = frozenset(
    Need(MeasureName.parse(name))
    for name in (
        *("performance.accuracy", "performance.f1", "performance.roc_auc", "performance.brier", "performance.mae", "performance.rmse"),
        *("labels.coverage", "labels.delay"),
    )
)
"""What is shown besides of every model where labels are configured."""


def label_feeds(settings: Settings, store: Store, instance: str) -> list[Feed]:
    """The source of labels, where there is one, and what was posted."""
    posted = Feed(SpoolSession(store), WatchtowerJson(), labels=True)
    its = settings.labels
    if isinstance(its, KafkaLabels):
        return [Feed(its.open(f"{instance}-labels"), its.format, labels=True), posted]
    if isinstance(its, FileLabels):
        return [Feed(its.open(), its.format, labels=True), posted]
    return [posted]


def label_file(loaded: Loaded) -> Feed | None:
    """The file of labels as a replay reads it, to its end; None where labels come otherwise. ConfigError where it is not there."""
    its = loaded.settings.labels
    if not isinstance(its, FileLabels):
        return None
    if not Path(its.path).is_file():
        raise ConfigError([Problem(Place(str(loaded.path)), f"labels: there is no file {its.path}", "make it, or leave labels: out")])
    return Feed(its.open(follow=False), its.format, labels=True)


def expect_labels(settings: Settings, intake: Intake) -> None:
    """Where labels are configured every model's predictions wait for them from the first row on; else those of models that a label came for."""
    intake.folder.halves.every = settings.labels is not None
    intake.folder.halves.segments = lambda model: settings.model(model).segments


def build_joiner(settings: Settings, store: Store) -> Joiner:
    """Joins labels with predictions."""
    its, lateness = settings.labels, settings.window.lateness
    return Joiner(store, Terms(lateness=lateness) if its is None else Terms(its.wait, lateness, its.max_rows), settings.model)


def weigh_labels(settings: Settings, room: TrialRoom, store: Store) -> None:
    """Trials weigh the labels that have arrived, where labels are configured."""
    if settings.labels is not None:
        room.labels_of, room.labels_wait = store.labels.labels_of, settings.labels.wait
