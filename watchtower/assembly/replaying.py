"""The line over files: state in memory, event time only."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from watchtower.assembly.labels import label_file
from watchtower.assembly.shared import build_analyst, build_evaluator, build_intake, build_references, build_reporter, build_trials, counts_ids
from watchtower.assembly.standings import Standings
from watchtower.config.reader import Loaded
from watchtower.edges.clock import ManualClock
from watchtower.nouns.decision import Decision
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.profile import Delta
from watchtower.nouns.readings import IN_A_REPLAY, Readings
from watchtower.nouns.window import EPOCH, Window
from watchtower.sources import Source
from watchtower.sources._by_time import ByTime
from watchtower.sources.file import ReplaySession
from watchtower.store import Store
from watchtower.workers.actions import Actions
from watchtower.workers.analysis import REPLAY_WAITS
from watchtower.workers.calibrator import Calibrator
from watchtower.workers.evaluator import Evaluator, Heard
from watchtower.workers.intake import Feed, Intake
from watchtower.workers.reports import Reporter


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
    reporter: Reporter | None = None

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
    labels = label_file(loaded)
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
        size=settings.window.size,
    )
    feeds = [Feed(session, source.format), *([labels] if labels is not None else [])]
    intake = build_intake(settings, store, references, feeds, ears.committed, live=False)
    intake.folder.counted = counts_ids(lambda: loaded.book)
    evaluator = build_evaluator(settings, store, references, lambda: loaded.book, evaluated, lambda: False)
    evaluator.readings = lambda _model, _start, _end: Readings(reason=IN_A_REPLAY)
    evaluator.bounded = Calibrator(store, clock.now, at_once=True).bounded
    analyst = build_analyst(settings, store, references, REPLAY_WAITS)
    evaluator.analysed = analyst.analysed
    parts.append(ReplayParts(store, session, intake, evaluator, actions, clock, trial=trial, reporter=build_reporter(settings, store, references)))
    try:
        intake.begin()
        if labels is not None:
            intake.drain(labels, EPOCH)
        yield parts[0]
    finally:
        room.rest()
        analyst.rest()
        session.close()
        if labels is not None:
            labels.session.close()
        store.close()
