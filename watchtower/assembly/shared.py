"""The parts that a daemon and a replay both have. One build_* function a floor."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from watchtower.assembly.labels import build_joiner, expect_labels, weigh_labels
from watchtower.assembly.standings import Standings
from watchtower.config.settings import Settings
from watchtower.core.profiling import Folder
from watchtower.core.rules import RuleBook
from watchtower.nouns.profile import Delta
from watchtower.nouns.score import MeasureName
from watchtower.sources import Rereadable
from watchtower.store import Store
from watchtower.workers._allowance import Allowance
from watchtower.workers.analysis import Analyst
from watchtower.workers.attributing import Attributor
from watchtower.workers.evaluator import Evaluator, Heard
from watchtower.workers.intake import Feed, Intake
from watchtower.workers.references import References
from watchtower.workers.reports import Reporter
from watchtower.workers.rerunning import Reruns, known_weights
from watchtower.workers.rows import RowReader
from watchtower.workers.trials import Terms, TrialRoom

DUPLICATES = MeasureName("quality", "duplicate_share")


def build_references(settings: Settings, store: Store, sources: Sequence[Rereadable], *, lenient: bool = False) -> References:
    """Where binnings and references come from; *lenient*: one bad file must not end a daemon that watches other models too."""
    return References(store, settings.model, RowReader(sources, store.kept_rows), settings.window.size, lenient=lenient)


def build_intake(settings: Settings, store: Store, references: References, feeds: Sequence[Feed], committed: Callable[[Delta], None], *, live: bool) -> Intake:  # noqa: PLR0913  the parts, once
    """*live* False: replay, in which only event time moves and every read is committed at once."""
    intake = Intake(
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
    expect_labels(settings, intake)
    if live:
        intake.folder.rows.terms = lambda model: settings.model(model).kept
    return intake


def counts_ids(book: Callable[[], RuleBook]) -> Callable[[str], bool]:
    """Whether some rule of *book*, asked for each window, looks for ids of a model that came twice."""

    def asked(model: str) -> bool:
        return any(need.measure == DUPLICATES for need in book().needs(model))

    return asked


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
        attribute=Attributor(references.rows, references.schema, known_weights(store, settings.model)).attribute,
        joiner=build_joiner(settings, store),
    )


def build_reporter(settings: Settings, store: Store, references: References) -> Reporter:
    """Makes reports."""
    return Reporter(store, references.rows, references, settings.model)


def build_trials(settings: Settings, store: Store, references: References) -> TrialRoom:
    """Looks at trials."""
    room = TrialRoom(store, references.rows, _terms(settings), settings.window.size)
    weigh_labels(settings, room, store)
    return room


def build_analyst(settings: Settings, store: Store, references: References, limit: timedelta) -> Analyst:
    """Finds slow scores; a window waits at most *limit* for its own."""
    return Analyst(store, references.rows, Reruns(store, references.rows, _terms(settings)), settings.window.size, Allowance(limit))


def _terms(settings: Settings) -> Callable[[str], Terms]:
    def terms(model: str) -> Terms:
        its = settings.model(model)
        return Terms(its, its.artifacts, its.shadow.rows, its.shadow.device, its.shadow.time_limit, its.shadow.runner)

    return terms
