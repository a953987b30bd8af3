"""Ours over the same windows: real binning, folding, scoring and rules. The rules are those that are shipped, each window judged alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.benchmarks import detection_cases as cases
from tests.benchmarks.detection_cases import CATEGORIES, Case, Table
from watchtower import line
from watchtower.conditions._reading import Reading
from watchtower.config.rulebook import read_rules
from watchtower.core.binning import empty_counts, fold_columns, make_binning, make_reference_profile
from watchtower.core.rules import Rule
from watchtower.nouns.alert import Finding
from watchtower.nouns.batch import Codes, Column, NumberColumn, TextColumn
from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, Need, Over
from watchtower.nouns.window import Window

RULES = Path(__file__).parents[2] / "rules"
FILES = ("default.yaml", "sensitive.yaml")
JUDGED = ("drift", "quality")
"""Families of measures that say something of features."""
MIN_ROWS = 50
"""In windows of fewer than 200 rows."""
PIECE = 100_000
"""Rows that are drawn and folded at once."""
NAMES = tuple(f"v{i}" for i in range(cases.RARE + 2))
SIZE = timedelta(hours=1)
WINDOW = Window(datetime(2026, 5, 11, 12, tzinfo=UTC), datetime(2026, 5, 11, 12, tzinfo=UTC) + SIZE)
LIVE, DAY = "1", "1d"


def columns(table: Table) -> dict[str, Column]:
    """As a format would hand them out."""

    def text(codes: cases.Array) -> TextColumn:
        found: Codes = codes.astype(np.int32)
        return TextColumn(found, NAMES)

    return {name: text(values) if name in CATEGORIES else NumberColumn(values) for name, values in table.items()}


@dataclass(frozen=True)
class Folded:
    """One window beside what it is compared with."""

    binning: Binning
    reference: Profile
    window: Profile
    drifted: tuple[str, ...]
    yesterday: Profile | None = None


def reference_number(case: Case, window: int) -> int:
    """Windows of one number share a reference."""
    return (window // cases.STRETCH if case.slow else window) % cases.REFERENCES


def folded(case: Case, windows: Sequence[int]) -> Iterator[Folded]:
    """Every window, in order; those that share a reference should follow one another."""
    fitted: int | None = None
    for window in windows:
        if reference_number(case, window) != fitted:
            fitted, ((_, rows, _), table) = reference_number(case, window), cases.reference(case, window)
            there = columns(table)
            binning = make_binning(there, {}, None, ())
            reference = make_reference_profile(binning, there, rows)
        profile, drifted = _profile(case, window, binning)
        before = _of(binning, cases.yesterday(case, window), case.rows) if case.yesterday else None
        yield Folded(binning, reference, profile, drifted, before)


def _of(binning: Binning, table: Table, rows: int) -> Profile:
    return make_reference_profile(binning, columns(table), rows)


def _profile(case: Case, window: int, binning: Binning) -> tuple[Profile, tuple[str, ...]]:
    """Large windows are folded in pieces that add up, as the daemon folds them."""
    if case.rows <= PIECE:
        table, drifted = cases.windowed(case, window)
        return _of(binning, table, case.rows), drifted
    drifted = ()
    cells, moments, oddities = empty_counts(binning)
    for part in range(case.rows // PIECE):
        table, drifted = cases.windowed(case, window, PIECE, part)
        more = fold_columns(binning, columns(table), PIECE)
        cells, moments, oddities = cells + more[0], moments + more[1], oddities + more[2]
    return Profile(binning.id, case.rows, float(case.rows), cells, moments, oddities), drifted


def rules(case: Case) -> dict[str, tuple[Rule, ...]]:
    """By file, the rules on features, as they judge one window of *case* alone: without `over`, as the peers judge it."""
    found = {}
    for file in FILES:
        about = [rule for rule in read_rules([RULES / file], SIZE).rules if all(need.measure.family in JUDGED for need in _needs(rule))]
        found[file] = tuple(_suited(rule, case) for rule in about)
    return found


def _needs(rule: Rule) -> tuple[Need, ...]:
    return tuple(rule.when.needs(Over(), SIZE))


def _suited(rule: Rule, case: Case) -> Rule:
    """The rule with what a case asks for: fewer rows, or the same time a day ago."""
    change: dict[str, object] = {}
    if case.rows < 200:
        change["min_rows"] = MIN_ROWS
    if case.yesterday and all(need.measure.is_tested for need in _needs(rule)):
        change["relative_to"] = DAY
    return rule.model_copy(update={"over": None, "when": rule.when.model_copy(update=change)})


@dataclass(frozen=True)
class Verdict:
    """What the rules of each file find in one window, and how many features have no score of any drift rule."""

    found: dict[str, set[str]]
    without: int


def judged(window: Folded, book: dict[str, tuple[Rule, ...]]) -> Verdict:
    """Score the window once, and hold every rule against the board."""
    needs = frozenset(need for rules_of in book.values() for rule in rules_of for need in _needs(rule))
    board = line.score(closed(window, needs), needs)
    found: dict[str, set[str]] = {file: set() for file in book}
    scored: set[str] = set()
    for file, rules_of in book.items():
        for rule in rules_of:
            outcomes = rule.when.check(Reading(board, Over()))
            found[file] |= {each.subject for each in outcomes if each.finding is Finding.FOUND}
            if all(need.measure.is_tested for need in _needs(rule)):
                scored |= {each.subject for each in outcomes if each.finding is not Finding.UNKNOWN}
    return Verdict(found, len(window.binning.subjects) - len(scored))


def closed(window: Folded, needs: frozenset[Need]) -> Closed:
    """The window as the evaluator would hand it to scoring."""
    compared = {(LIVE, "", need.over, need.against): window.yesterday for need in needs if need.against == DAY and window.yesterday is not None}
    return Closed(
        model="bench",
        window=WINDOW,
        live=LIVE,
        profiles={(LIVE, "", Over()): window.window},
        spans={(LIVE, Over()): 1},
        references={("", ""): window.reference},
        binning=window.binning,
        reason="",
        compared=compared,
    )
