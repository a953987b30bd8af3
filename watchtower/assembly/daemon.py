"""A daemon's parts, not yet moving."""

import hashlib
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from watchtower.assembly.desks import build_freeze_series
from watchtower.assembly.drills import build_drills, build_ready
from watchtower.assembly.labels import LABELLED, label_feeds
from watchtower.assembly.metering import Regularly, build_meters, build_readings
from watchtower.assembly.shared import build_analyst, build_evaluator, build_intake, build_references, build_reporter, build_trials, counts_ids
from watchtower.assembly.standings import Standings
from watchtower.config.reader import Loaded
from watchtower.config.settings import Settings
from watchtower.core.rules import RuleBook
from watchtower.edges.clock import Clock
from watchtower.edges.metrics import Metrics
from watchtower.notifiers import NotifierSession
from watchtower.nouns.facts import Fact
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.profile import Delta
from watchtower.nouns.score import MeasureName, Need
from watchtower.nouns.window import Partition
from watchtower.sources import Source
from watchtower.sources.kafka import Kafka as KafkaSource
from watchtower.store import Store
from watchtower.store.retrainings import trainer
from watchtower.workers.actions import Actions
from watchtower.workers.analysis import WAITS, Analyst
from watchtower.workers.calibrator import Calibrator
from watchtower.workers.drills import Drills
from watchtower.workers.evaluator import Evaluator, Heard
from watchtower.workers.intake import Feed, Intake
from watchtower.workers.looking import Looking
from watchtower.workers.outbox import LetterWriter, Outbox
from watchtower.workers.reports import Reporter

SHOWN = frozenset(
    Need(MeasureName.parse(name))
    for name in (
        *("traffic.rate", "traffic.share", "latency.p50", "latency.p95", "latency.p99", "errors.share"),
        *("drift.psi", "quality.missing_share", "prediction.psi", "prediction.mean", "gpu.utilization", "gpu.memory_used"),
    )
)
"""What metrics, pages and dashboards show of every model, whatever its rules ask for."""


@dataclass(slots=True)
class DaemonParts:
    """A daemon's parts, not yet moving."""

    store: Store
    feeds: Sequence[Feed]
    intake: Intake
    evaluator: Evaluator
    actions: Actions
    room: Looking
    analyst: Analyst
    outbox: Outbox
    metrics: Metrics
    calibrator: Calibrator
    reporter: Reporter
    drills: Drills
    meters: Sequence[Regularly] = ()


@dataclass(slots=True)
class Ears:
    """Who is told what happened: the daemon fills these in before anything moves."""

    committed: Callable[[Delta], None]
    evaluated: Heard
    moved: Callable[[Plan, Fact, Move], None]
    stopping: Callable[[], bool]
    book: Callable[[], RuleBook]
    took: Callable[[str, float], None]
    seen: Callable[[Mapping[Partition, int], Mapping[Partition, int]], None]


def build_daemon(loaded: Loaded, clock: Clock, ears: Ears) -> DaemonParts:
    """Everything but threads; holds the store's file lock. Unavailable where another daemon does, or a part cannot be opened."""
    settings = loaded.settings
    store = Store.open(settings.store.url, now=clock.now)
    store.hold_file_lock()
    feeds = [*(_feed(source, settings, loaded) for source in settings.sources), *label_feeds(settings, store, _instance(settings, loaded))]
    references = build_references(settings, store, settings.sources, lenient=True)
    room = build_trials(settings, store, references)
    looking = Looking(room.look, room.end)
    metrics = build_metrics(settings, loaded.book)
    metrics.registry.register(build_freeze_series(settings, store, clock.now))
    intake = build_intake(settings, store, references, feeds, ears.committed, live=True)
    intake.took, intake.seen = ears.took, ears.seen
    intake.folder.counted = counts_ids(ears.book)
    evaluator = build_evaluator(settings, store, references, ears.book, ears.evaluated, ears.stopping)
    evaluator.settings, evaluator.ready = loaded.digest, build_ready(settings, store)
    store.evaluations.hearers = tuple(settings.notifiers) if settings.tell.deployments else None
    evaluator.took, evaluator.always = ears.took, SHOWN | (LABELLED if settings.labels is not None else frozenset())
    analyst = build_analyst(settings, store, references, WAITS)
    analyst.allowance.together = settings.window.size / 2
    evaluator.analysed = analyst.analysed
    calibrator = Calibrator(store, clock.now)
    evaluator.bounded = calibrator.bounded
    evaluator.readings = build_readings(settings, store).within
    return DaemonParts(
        store=store,
        feeds=feeds,
        intake=intake,
        evaluator=evaluator,
        actions=Actions(store, Standings(settings).steering, looking, heard=ears.moved, clock=clock.now, size=settings.window.size),
        room=looking,
        analyst=analyst,
        outbox=_outbox(settings, store, metrics),
        metrics=metrics,
        calibrator=calibrator,
        reporter=build_reporter(settings, store, references),
        meters=build_meters(settings, store, metrics),
        drills=build_drills(settings, store, metrics),
    )


def _outbox(settings: Settings, store: Store, metrics: Metrics) -> Outbox:
    notifiers = {name: each.open() for name, each in settings.notifiers.items()}
    trainers = {name: its.retrain.open() for name, its in settings.models.items() if its.retrain is not None}

    def of(model: str) -> NotifierSession | None:
        return trainers.get(model if model in settings.models else "*")

    return Outbox(store, notifiers, _letter_writers(settings), metrics.told, of)


def _feed(source: Source, settings: Settings, loaded: Loaded) -> Feed:
    if isinstance(source, KafkaSource):
        keep = source.dead_letters is not None and source.dead_letters.keep == "raw"
        return Feed(source.open(_instance(settings, loaded)), source.format, keep_original=keep)
    return Feed(source.open(), source.format)


def _instance(settings: Settings, loaded: Loaded) -> str:
    return settings.instance or f"{socket.gethostname()}-{hashlib.sha256(str(loaded.path).encode()).hexdigest()[:12]}"


def _letter_writers(settings: Settings) -> dict[str, LetterWriter]:
    """By the topic that the rejected messages came from."""
    return {source.topic: source.dead_letter_writer() for source in settings.sources if isinstance(source, KafkaSource) and source.dead_letters is not None}


def build_metrics(settings: Settings, book: RuleBook) -> Metrics:
    """With the zeros that are there from the start."""
    metrics = Metrics(CollectorRegistry(), max_series=settings.server.max_series)
    for model, its in settings.models.items():
        if model != "*":
            metrics.expect(model, target=its.rollback.target.kind_name() if its.rollback is not None else "")
    metrics.expect_notifiers([*settings.notifiers, *(trainer(name) for name, its in settings.models.items() if its.retrain is not None and name != "*")])
    metrics.rules(book.digest, success=True)
    metrics.leads(leading=True)
    return metrics
