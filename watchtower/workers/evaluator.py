"""Evaluates windows as they close: references, scores, rules, incident, plan, in one transaction each."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

from watchtower import __version__, line
from watchtower.core import retraining, versions
from watchtower.core.closing import close
from watchtower.core.profiling import Bound, Folder
from watchtower.core.proving import proven
from watchtower.core.remembering import lookback, with_history
from watchtower.core.rules import RuleBook
from watchtower.core.spanning import Profiles, reach
from watchtower.line import Response
from watchtower.nouns.batch import Decoded, PredictionBatch
from watchtower.nouns.drill import NO_DRILL
from watchtower.nouns.errors import Fenced, Unavailable
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.readings import Readings
from watchtower.nouns.score import Closed, Need
from watchtower.nouns.settings import Watched, WindowSettings
from watchtower.nouns.window import Window, micros
from watchtower.store import Store, StoredReference
from watchtower.workers.earlier import earlier
from watchtower.workers.first_windows import is_complete
from watchtower.workers.labels import Joiner, with_labels
from watchtower.workers.references import References, schema_of
from watchtower.workers.rows import RowReader

log = logging.getLogger(__name__)
_OF_MACHINES = frozenset({"gpu", "resource", "cost"})
"""Families of measures that meters are read for."""
Heard = Callable[[str, Window, Evaluation], None]


@dataclass(slots=True)
class Evaluator:
    """One model's window after the other.

    Attributes:
        book: the present rules, asked for at each evaluation.
        response: a model's standing, target, approval.
        heard: told of every committed evaluation (metrics, replay's printing, waking other workers).
        stopping: whether to leave off between two windows.
        always: scores that are made whether or not a rule asks for them (metrics and pages show them).
        attribute: puts what moved beside alerts that begin to fire.
        bounded: puts calibrated bounds into the rules, as far as there are any.
        readings: what meters read of the machines that serve a model, in the windows between two moments.
        joiner: puts labels into the window in which they arrive; None: labels are not joined.
        took: told how many seconds an evaluation took.
        analysed: adds what slow scores need; waits a while where some are asked for.
        settings: SHA-256 of the settings' files, for the audit.
        ready: what the last drill of a model found.
    """

    store: Store
    references: References
    rows: RowReader
    window: WindowSettings
    watched: Callable[[str], Watched]
    book: Callable[[], RuleBook]
    response: Callable[[str], Response]
    heard: Heard
    stopping: Callable[[], bool] = field(default=lambda: False)
    always: frozenset[Need] = frozenset()
    attribute: Callable[[Evaluation, Closed, RuleBook], Evaluation] = field(default=lambda evaluation, _closed, _book: evaluation)
    bounded: Callable[[RuleBook, Closed], RuleBook] = field(default=lambda book, _closed: book)
    readings: Callable[[str, datetime, datetime], Readings] = field(default=lambda _model, _start, _end: Readings())
    joiner: Joiner | None = None
    took: Callable[[str, float], None] = field(default=lambda _what, _seconds: None)
    analysed: Callable[[Closed, frozenset[Need], StoredReference | None], Closed] = field(default=lambda closed, _needs, _stored: closed)
    settings: str = ""
    ready: Callable[[str], float | str] = field(default=lambda _model: NO_DRILL)

    def step(self, now: datetime) -> bool:
        """Evaluates every window that is due, by end, then model; False too where somebody else was faster, so that the loop waits."""
        due = self.store.windows.due(self.window.size)
        for model, window in due:
            if self.stopping():
                break
            try:
                self.evaluate(model, window, now)
            except Fenced:
                log.info("evaluation_repeated model=%s window=%s", model, window.end)
                return False
        merged = self.store.windows.merge_late() if due else 0
        return bool(due) or merged > 0

    def evaluate(self, model: str, window: Window, now: datetime) -> Evaluation:
        """Scores one closed window, applies the rules and commits what follows; Fenced where somebody else moved the model meanwhile."""
        began = monotonic()
        memory = self.store.evaluations.memory(model)
        opened: Profiles = self.store.windows.open_profiles(model, window)
        weights = {version: profile.weight for (version, segment), profile in opened.items() if segment == ""}
        memory = replace(memory, served=versions.follow(memory.served, weights, window))
        stored, comparison = self.references.comparison(model, memory, window.start)
        if stored is not None and window.start >= stored.valid_from:
            opened = self._binned(model, window, opened, stored)
        binning = stored.binning if stored is not None and window.start >= stored.valid_from else None
        joined = self.joiner.join(model, window, binning) if self.joiner is not None else None
        opened = with_labels(opened, joined, binning)
        book = self.book()
        needs = line.watched(book, model) | self.always
        closed = close(model, window, opened, earlier(self.store, model, window, memory.served, needs), memory, comparison, needs, self.watched(model))
        closed = replace(closed, readings=self._metered(model, window, needs))
        closed = replace(self.analysed(closed, needs, stored), rollback_ready=self.ready(model))
        past = self.store.scores.past(model, window.start, lookback(book.needs(model)))
        board = with_history(line.score(closed, needs), past, None if stored is None else stored.valid_from)
        bounded = self.bounded(book, closed)
        complete = stored is not None or is_complete(self.watched(model), memory.reference_windows, memory.reference_rows)
        response = replace(self.response(model), age=now - window.end)
        evaluation = line.apply(board, _counted(memory, opened, complete=complete), bounded, response)
        evaluation = self.attribute(evaluation, closed, book)
        evaluation = replace(evaluation, facts=proven(evaluation.facts, book, self.settings, __version__))
        if response.retrains:
            compared = ("", None) if stored is None else (stored.binning.id, stored.valid_from)
            evaluation = replace(evaluation, retraining=retraining.asked(evaluation, *compared))
        self.store.evaluations.commit(model, window, dict(opened), evaluation, now=now, joined=joined)
        if self.joiner is not None:
            self.joiner.done(model)
        self.took("scoring", monotonic() - began)
        self.heard(model, window, evaluation)
        return evaluation

    def _metered(self, model: str, window: Window, needs: frozenset[Need]) -> Readings:
        """What was read in the windows that needs of machines reach."""
        wanted = [need for need in needs if need.measure.family in _OF_MACHINES]
        return self.readings(model, window.start - reach(wanted) * self.window.size, window.end) if wanted else Readings()

    def _binned(self, model: str, window: Window, opened: Profiles, stored: StoredReference) -> Profiles:
        """*opened* under the binning: what was folded without one is read and folded again."""
        if all(profile.binning == stored.binning.id for profile in opened.values()):
            return opened
        spans = [span for (_, segment), profile in opened.items() if segment == "" for span in profile.spans]
        try:
            rows = self.rows.read(model, spans, window.start, window.end, schema_of(stored, self.watched(model)), whole=True)
        except Unavailable as away:
            log.warning("window_not_refolded model=%s window=%s reason=%s", model, window.end, away)
            return opened
        return opened if rows is None else refolded(rows, window, stored, self.window, counted=any(profile.ids is not None for profile in opened.values()))


def refolded(rows: PredictionBatch, window: Window, stored: StoredReference, settings: WindowSettings, *, counted: bool = False) -> Profiles:
    """The profiles of *window* under the binning, from its rows; *counted*: with their ids."""
    folder = Folder(settings, counted=lambda _model: counted)
    folder.bound[rows.model] = Bound(stored.binning, micros(stored.valid_from))
    folder.add([], Decoded([rows]), now=None, ended=True)
    delta = folder.take(None)
    return {(key.version, key.segment): profile for key, profile in delta.profiles.items() if key.window == window}


def _counted(memory: Memory, opened: Profiles, *, complete: bool) -> Memory:
    """Counts the windows and rows that a reference by first windows waits for, until there are enough, whenever their rows can be read."""
    if complete:
        return memory
    rows = sum(profile.rows for (_, segment), profile in opened.items() if segment == "")
    return replace(memory, reference_windows=memory.reference_windows + 1, reference_rows=memory.reference_rows + rows)
