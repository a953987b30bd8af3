"""Settings to running parts: the only file that knows every room. One build_* function a floor."""

import hashlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from watchtower.config.reader import Loaded
from watchtower.config.settings import ModelSettings, Settings
from watchtower.core.profiling import Folder
from watchtower.core.rules import RuleBook
from watchtower.core.versions import Standing
from watchtower.edges.clock import Clock, ManualClock
from watchtower.edges.metrics import Metrics
from watchtower.line import Response
from watchtower.model_stores import ModelStoreSession
from watchtower.nouns.plan import Decision, Evaluation, Fact, Move, Plan
from watchtower.nouns.profile import Delta
from watchtower.nouns.score import MeasureName, Need
from watchtower.nouns.window import EPOCH, Partition, Window
from watchtower.sources import Rereadable, Source
from watchtower.sources._by_time import ByTime
from watchtower.sources.file import ReplaySession
from watchtower.sources.kafka import Kafka as KafkaSource
from watchtower.store import Store
from watchtower.workers.actions import Actions, Steering
from watchtower.workers.evaluator import Evaluator, Heard
from watchtower.workers.intake import Feed, Intake
from watchtower.workers.outbox import LetterWriter, Outbox
from watchtower.workers.references import References
from watchtower.workers.rows import RowReader
from watchtower.workers.trials import Terms, TrialRoom

LEAST_VERIFY = timedelta(minutes=1)
SHOWN = frozenset(
    Need(MeasureName.parse(name))
    for name in (
        *("traffic.rate", "traffic.share", "latency.p50", "latency.p95", "latency.p99", "errors.share"),
        *("drift.psi", "quality.missing_share", "prediction.psi", "prediction.mean", "gpu.utilization", "gpu.memory_used"),
    )
)
"""What metrics, pages and dashboards show of every model, whatever its rules ask for."""


@dataclass(frozen=True, slots=True)
class Standings:
    """What a model's settings say about acting, read from settings and from the artefacts' metadata."""

    settings: Settings

    def response(self, model: str) -> Response:
        """For the line: who is healthy, which target, who must approve."""
        its = self.settings.model(model)
        return Response(
            standing=Standing(its.healthy, its.unhealthy, self._created(its)),
            target=its.rollback.target.kind_name() if its.rollback is not None else "",
            approval_required=its.rollback is not None and its.rollback.approval == "required",
            quiet=self.settings.incidents.quiet,
        )

    @staticmethod
    def _created(its: ModelSettings) -> dict[str, datetime]:
        if its.artifacts is None or not its.healthy:
            return {}
        store: ModelStoreSession = its.artifacts.open()
        made = {version: store.created(version) for version in its.healthy}
        return {version: when for version, when in made.items() if when is not None}

    def steering(self, model: str) -> Steering:
        """For the actions: target, guards, deadlines."""
        its = self.settings.model(model)
        if its.rollback is None:
            return Steering()
        verify = its.rollback.verify_within or max(LEAST_VERIFY, 10 * self.settings.window.size)
        return Steering(its.rollback.target.open, its.rollback.guards, verify)


def build_references(settings: Settings, store: Store, sources: Sequence[Rereadable], *, lenient: bool = False) -> References:
    """Where binnings and references come from; *lenient*: one bad file must not end a daemon that watches other models too."""
    return References(store, settings.model, RowReader(sources), settings.window.size, lenient=lenient)


def build_intake(settings: Settings, store: Store, references: References, feeds: Sequence[Feed], committed: Callable[[Delta], None], *, live: bool) -> Intake:  # noqa: PLR0913  the parts, once
    """*live* False: replay, in which only event time moves and every read is committed at once."""
    return Intake(
        store=store,
        feeds=feeds,
        folder=Folder(settings.window),
        references=references,
        watched=settings.model,
        models=tuple(settings.models),
        checkpoint_every=settings.store.checkpoint if live else timedelta(0),
        committed=committed,
        now_moves=live,
        max_ahead=settings.window.max_ahead,
    )


def build_evaluator(  # noqa: PLR0913, PLR0917  the parts, once
    settings: Settings, store: Store, references: References, book: Callable[[], RuleBook], heard: Heard, stopping: Callable[[], bool]
) -> Evaluator:
    """Scores what has closed."""
    return Evaluator(
        store=store,
        references=references,
        rows=references.rows,
        window=settings.window,
        watched=settings.model,
        book=book,
        response=Standings(settings).response,
        heard=heard,
        stopping=stopping,
    )


def build_trials(settings: Settings, store: Store, references: References) -> TrialRoom:
    """Looks at trials."""

    def terms(model: str) -> Terms:
        its = settings.model(model)
        return Terms(its, its.artifacts, its.shadow.rows, its.shadow.device, its.shadow.time_limit)

    return TrialRoom(store, references.rows, terms, settings.window.size)


def _each(tell: Callable[[Decision], None], decisions: Sequence[Decision]) -> None:
    for decision in decisions:
        tell(decision)


@dataclass(slots=True)
class ReplayParts:
    """A replay's parts; *look* lets the open trials have their last look."""

    store: Store
    session: ReplaySession | ByTime
    intake: Intake
    evaluator: Evaluator
    actions: Actions
    clock: ManualClock
    ended: bool = False
    trial: bool = False

    def look(self) -> None:
        """Every open trial is looked at until nothing moves."""
        while self.trial and self.actions.step(self.clock.now()):
            pass

    def end(self) -> None:
        """No row will come any more."""
        self.ended = True
        self.look()


@dataclass(frozen=True, slots=True)
class ReplayEars:
    """Who is told what was read, evaluated and decided."""

    committed: Callable[[Delta], None]
    evaluated: Heard
    decided: Callable[[Decision], None]


@contextmanager
def build_replay(loaded: Loaded, source: Source, files: Sequence[Path], *, by_time: bool, trial: bool, ears: ReplayEars) -> Iterator[ReplayParts]:  # noqa: PLR0913  what a replay is asked for
    """The line over files: state in memory, event time only."""
    settings, clock = loaded.settings, ManualClock(EPOCH)
    session = ByTime(files, source.format) if by_time else ReplaySession(files, source.format)
    store = Store.open("sqlite://", now=clock.now)
    references = build_references(settings, store, [session])
    room = build_trials(settings, store, references)
    parts: list[ReplayParts] = []

    def evaluated(model: str, window: Window, evaluation: Evaluation) -> None:
        clock.set(window.end)
        ears.evaluated(model, window, evaluation)
        parts[0].look()

    actions = Actions(
        store,
        Standings(settings).steering,
        room.look,
        act=False,
        input_ended=lambda: parts[0].ended,
        heard=lambda _plan, _fact, move: _each(ears.decided, move.decisions),
    )
    intake = build_intake(settings, store, references, [Feed(session, source.format)], ears.committed, live=False)
    evaluator = build_evaluator(settings, store, references, lambda: loaded.book, evaluated, lambda: False)
    parts.append(ReplayParts(store, session, intake, evaluator, actions, clock, trial=trial))
    try:
        intake.begin()
        yield parts[0]
    finally:
        room.rest()
        session.close()
        store.close()


@dataclass(slots=True)
class DaemonParts:
    """A daemon's parts, not yet moving."""

    store: Store
    feeds: Sequence[Feed]
    intake: Intake
    evaluator: Evaluator
    actions: Actions
    room: TrialRoom
    outbox: Outbox
    metrics: Metrics


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
    feeds = [_feed(source, settings, loaded) for source in settings.sources]
    references = build_references(settings, store, settings.sources, lenient=True)
    room = build_trials(settings, store, references)
    metrics = build_metrics(settings, loaded.book)
    intake = build_intake(settings, store, references, feeds, ears.committed, live=True)
    intake.took, intake.seen = ears.took, ears.seen
    evaluator = build_evaluator(settings, store, references, ears.book, ears.evaluated, ears.stopping)
    evaluator.took, evaluator.always = ears.took, SHOWN
    return DaemonParts(
        store=store,
        feeds=feeds,
        intake=intake,
        evaluator=evaluator,
        actions=Actions(store, Standings(settings).steering, room.look, heard=ears.moved),
        room=room,
        outbox=Outbox(store, {name: each.open() for name, each in settings.notifiers.items()}, _letter_writers(settings), heard=metrics.told),
        metrics=metrics,
    )


def _feed(source: Source, settings: Settings, loaded: Loaded) -> Feed:
    if isinstance(source, KafkaSource):
        instance = settings.instance or f"{socket.gethostname()}-{hashlib.sha256(str(loaded.path).encode()).hexdigest()[:12]}"
        keep = source.dead_letters is not None and source.dead_letters.keep == "raw"
        return Feed(source.open(instance), source.format, keep_original=keep)
    return Feed(source.open(), source.format)


def _letter_writers(settings: Settings) -> dict[str, LetterWriter]:
    """By the topic that the rejected messages came from."""
    return {source.topic: source.dead_letter_writer() for source in settings.sources if isinstance(source, KafkaSource) and source.dead_letters is not None}


def build_metrics(settings: Settings, book: RuleBook) -> Metrics:
    """With the zeros that are there from the start."""
    metrics = Metrics(CollectorRegistry(), max_series=settings.server.max_series)
    for model, its in settings.models.items():
        if model != "*":
            metrics.expect(model, target=its.rollback.target.kind_name() if its.rollback is not None else "")
    metrics.expect_notifiers(settings.notifiers)
    metrics.rules(book.digest, success=True)
    metrics.leads(leading=True)
    return metrics
