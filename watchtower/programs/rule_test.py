"""Rule unit tests: scores in, alerts and decisions expected, window by window."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from pydantic import Field

from watchtower import line
from watchtower.config.reader import read_model
from watchtower.config.rulebook import read_rules
from watchtower.core import versions
from watchtower.core.remembering import lookback
from watchtower.core.rules import RuleBook
from watchtower.core.versions import Standing
from watchtower.line import Response
from watchtower.nouns.alert import AlertState
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.place import Place
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.window import EPOCH, Window
from watchtower.nouns.written import Duration, Frozen

_TOKEN = re.compile(r"(?P<value>_|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?:@(?P<p>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?))?(?:x(?P<times>\d+))?")
_ENOUGH = 1_000_000
Series = Sequence[tuple[float | None, float]]
"""(value or None for no score, p-value) by window."""


class Case(Frozen):
    """One test: scores by measure and subject, and what is expected in some windows (counted from 1)."""

    name: str
    model: str = "fraud"
    live: str = "7"
    """The live version."""
    healthy: tuple[str, ...] = ("6",)
    """Versions that may be gone back to."""
    scores: dict[str, dict[str, str]]
    """measure -> subject (or segment|subject) -> "0.05x2 0.31@0.02 _": already merged scores, one a window."""
    expect: dict[int, dict[str, str | list[str]]]
    """window -> alert -> state, and `decisions:` with the window's decisions."""


class TestFile(Frozen):
    """A ``*.test.yaml``."""

    __test__ = False

    rules: str
    """The rule file, beside this one."""
    window: Duration = timedelta(minutes=1)
    notifiers: tuple[str, ...] = ()
    """What `notify:` left out means."""
    tests: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that was not as expected."""

    file: Path
    case: str
    window: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.case!r}, window {self.window}: {self.what}"


def test_files(path: Path) -> list[Path]:
    """The test files under *path* (a folder or one file); ConfigError where there are none."""
    found = sorted(path.rglob("*.test.yaml")) if path.is_dir() else [path]
    if not found or not all(file.is_file() for file in found):
        raise ConfigError([Problem(Place(str(path)), "no *.test.yaml here", "write one beside the rules; docs/rules.md shows how")])
    return found


def run_file(path: Path) -> tuple[int, list[Failure]]:
    """How many tests a file has, and what failed; ConfigError where it or its rules cannot be read."""
    loaded = read_model(path, TestFile)
    book = replace(read_rules([path.parent / loaded.rules], loaded.window), notifiers=loaded.notifiers)
    return len(loaded.tests), [failure for case in loaded.tests for failure in _failures(path, case, book)]


def _failures(path: Path, case: Case, book: RuleBook) -> Iterator[Failure]:
    series = {(MeasureName.parse(measure), key): read_series(text) for measure, each in case.scores.items() for key, text in each.items()}
    last = max([*case.expect, *(len(each) for each in series.values())])
    memory = Memory(case.model)
    for number in range(1, last + 1):
        evaluation = _evaluate(case, series, number, memory, book)
        memory = evaluation.memory
        for what in _differences(case.expect.get(number, {}), evaluation):
            yield Failure(path, case.name, number, what)


def _evaluate(case: Case, series: Mapping[tuple[MeasureName, str], Series], number: int, memory: Memory, book: RuleBook) -> Evaluation:
    window = Window(EPOCH + (number - 1) * book.size, EPOCH + number * book.size)
    memory = replace(memory, served=versions.follow(memory.served, {case.live: 1.0}, window))
    needs = line.watched(book, case.model)
    scores = {slot: each for need in needs for slot, each in _scores(case.live, need, series, number)}
    seen = frozenset((measure, segment, subject) for measure, segment, subject in (key.split("|", 2) for key in memory.seen))
    board = Board(case.model, window, case.live, scores, {case.live: 1.0}, seen, history=_earlier(case, series, number, book))
    return line.apply(board, memory, book, Response(Standing(case.healthy)))


def _earlier(case: Case, series: Mapping[tuple[MeasureName, str], Series], number: int, book: RuleBook) -> tuple[Mapping[Slot, Scores], ...]:
    """The scores of the windows before, for conditions that look back."""
    wanted = lookback(book.needs(case.model))
    before = range(max(1, number - max(wanted.values(), default=0)), number)
    return tuple({slot: each for need in wanted for slot, each in _scores(case.live, need, series, past)} for past in before)


def _scores(live: str, need: Need, series: Mapping[tuple[MeasureName, str], Series], number: int) -> Iterator[tuple[Slot, Scores]]:
    by_segment: dict[str, dict[str, tuple[float | None, float]]] = {}
    for (measure, key), each in series.items():
        if measure == need.measure:
            segment, _, subject = key.rpartition("|")
            by_segment.setdefault(segment, {})[subject] = each[number - 1] if number <= len(each) else (None, 0.0)
    for segment, subjects in by_segment.items():
        values = np.array([np.nan if value is None else value for value, _ in subjects.values()])
        p_values = np.array([p if need.measure.is_tested or need.against != "reference" else np.nan for _, p in subjects.values()])
        reasons = tuple("no score" if value is None else None for value, _ in subjects.values())
        yield Slot(live, segment, need), Scores(tuple(subjects), values, p_values, np.full(len(subjects), _ENOUGH), reasons)


def read_series(text: str) -> Series:
    """Reads ``0.05x2 0.31@0.02 _``; ValueError names what is wrong."""
    found: list[tuple[float | None, float]] = []
    for token in text.split():
        match = _TOKEN.fullmatch(token)
        if match is None:
            msg = f"{token!r} is no score: write 0.31, 0.31@0.02 (with a p-value), 0.31x6 (six times) or _ (no score)"
            raise ValueError(msg)
        value = None if match["value"] == "_" else float(match["value"])
        found += [(value, float(match["p"] or 0.0))] * int(match["times"] or 1)
    return found


def _differences(expected: Mapping[str, str | list[str]], evaluation: Evaluation) -> Iterator[str]:
    states = {str(change.alert.id): str(change.alert.state) for change in evaluation.changes}
    states |= {str(alert.id): str(alert.state) for alert in evaluation.memory.alerts}
    for key, wanted in expected.items():
        got = [said(each) for each in evaluation.decisions] if key == "decisions" else states.get(key, str(AlertState.INACTIVE))
        if got != wanted:
            yield f"{key} {'are' if key == 'decisions' else 'is'} {got}, expected {wanted}"


def said(decision: Decision) -> str:
    """A decision as tests write it: ``notify ml_oncall``, ``begin_trial 6``."""
    what = decision.notifier if decision.kind is DecisionKind.NOTIFY else decision.candidate
    return f"{decision.kind} {what}" if what else str(decision.kind)
