"""The same line over files: state in memory, event time only, nothing is acted upon."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from watchtower import assembly
from watchtower.config.reader import Loaded
from watchtower.nouns.alert import AlertState
from watchtower.nouns.decision import Decision
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.place import Place
from watchtower.nouns.profile import Delta
from watchtower.nouns.window import EPOCH, Window
from watchtower.programs import reporting
from watchtower.sources import Source


@dataclass(slots=True)
class Summary:
    """What a replay counted."""

    predictions: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    late: int = 0
    windows: int = 0
    seconds: float = 0.0
    fired: bool = False


Heard = Callable[[str, Window, Evaluation, Sequence[Decision]], None]


@dataclass(slots=True)
class Replay:
    """One replay. *heard* gets every evaluation with the decisions that followed, trials' outcomes among them."""

    loaded: Loaded
    files: Sequence[Path]
    heard: Heard
    source: str | None = None
    trial: bool = False
    by_time: bool = False
    report: Path | None = None
    """Where a page about every model is written at the end."""
    progress: Callable[[int, int], None] = lambda _done, _all: None
    summary: Summary = field(default_factory=Summary)
    _windows: dict[str, Window] = field(default_factory=dict)
    """Model -> the last window in which something fired, else its last one."""
    _fired: set[str] = field(default_factory=set)
    _held: dict[str, tuple[Window, Evaluation, list[Decision]]] = field(default_factory=dict)

    def run(self) -> Summary:
        """Reads all files and closes all windows; ConfigError where a file or the source's name is wrong."""
        began = monotonic()
        self._look_for_files()
        total = sum(file.stat().st_size for file in self.files)
        with assembly.build_replay(
            self.loaded,
            self._source(),
            self.files,
            by_time=self.by_time,
            trial=self.trial,
            ears=assembly.ReplayEars(self._committed, self._evaluated, self._decided),
        ) as parts:
            while not parts.session.caught_up():
                parts.intake.step(EPOCH)
                parts.evaluator.step(EPOCH)
                self.progress(parts.session.position(), total)
            parts.intake.step(EPOCH)
            parts.intake.folder.close_all()
            parts.intake.finish(EPOCH)
            while parts.evaluator.step(EPOCH):
                pass
            parts.end()
            self._flush()
            if self.report is not None and parts.reporter is not None:
                reporting.write(self.report, parts.reporter, self._windows)
        self.summary.seconds = round(monotonic() - began, 3)
        return self.summary

    def _evaluated(self, model: str, window: Window, evaluation: Evaluation) -> None:
        """One window is over. It is told when the next one is, so that what the end of the input decides still stands with the last."""
        self.summary.windows += 1
        fires = any(alert.state is AlertState.FIRING for alert in evaluation.memory.alerts)
        if fires or model not in self._fired:
            self._windows[model] = window
        self._fired |= {model} if fires else set()
        self.summary.fired |= any(change.alert.state is AlertState.FIRING for change in evaluation.changes)
        if any(held[0].end < window.end for held in self._held.values()):
            self._flush()
        self._held[model] = (window, evaluation, list(evaluation.decisions))

    def _decided(self, decision: Decision) -> None:
        """A trial had its outcome."""
        if decision.model in self._held:
            self._held[decision.model][2].append(decision)

    def _flush(self) -> None:
        for model, (window, evaluation, decisions) in sorted(self._held.items()):
            self.heard(model, window, evaluation, decisions)
        self._held.clear()

    def _committed(self, delta: Delta) -> None:
        self.summary.predictions += sum(totals.predictions for totals in delta.totals.values())
        self.summary.late += sum(totals.late for totals in delta.totals.values())
        self.summary.rejected += len(delta.rejected)
        self.summary.reasons.update(str(each.reason) for each in delta.rejected)

    def _source(self) -> Source:
        sources = self.loaded.settings.sources
        if self.source is None and len(sources) == 1:
            return sources[0]
        for each in sources:
            if self.source is not None and each.name == self.source:
                return each
        names = ", ".join(each.name for each in sources)
        raise ConfigError([Problem(Place(str(self.loaded.path)), "which source's format do the files have?", f"say --source NAME, one of: {names}")])

    def _look_for_files(self) -> None:
        missing = [Problem(Place(str(file)), "no such file") for file in self.files if not file.is_file()]
        if missing:
            raise ConfigError(missing)
