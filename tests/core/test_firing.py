"""How often a rule would begin to fire: the same as the rules themselves do."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from watchtower.core.alerting import evaluate
from watchtower.core.firing import peaks, runs, transitions
from watchtower.core.rules import Rule, RuleBook
from watchtower.nouns.alert import Alert, AlertState
from watchtower.nouns.batch import Floats
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.window import Window

START, SIZE = datetime(2026, 5, 11, tzinfo=UTC), timedelta(minutes=1)


def by_the_rules(values: Floats, keys: Mapping[str, object], bound: float) -> int:
    """How often the rule itself begins to fire over *values* (windows x subjects)."""
    when = {"kind": "above", "measure": "quality.missing_share", "value": bound}
    book = RuleBook((Rule.model_validate({"name": "R", "model": "*", "when": when, **keys}),), SIZE)
    alerts: tuple[Alert, ...] = ()
    fired = 0
    for i, row in enumerate(values):
        subjects = tuple(str(j) for j in range(len(row)))
        reasons = tuple("no rows" if np.isnan(each) else None for each in row)
        scores = Scores(subjects, row, np.full(len(row), np.nan), np.full(len(row), 500), reasons)
        window = Window(START + i * SIZE, START + (i + 1) * SIZE)
        board = Board("m", window, "1", {Slot("1", "", Need(MeasureName.parse("quality.missing_share"))): scores}, {"1": 1.0})
        alerts, changes = evaluate(board, alerts, book, live_changed=False)
        fired += sum(change.alert.state is AlertState.FIRING for change in changes)
    return fired


@pytest.mark.parametrize("no_data", ["keep", "fire", "resolve"])
@pytest.mark.parametrize(("hold", "keep"), [(1, 0), (2, 0), (3, 2), (1, 3)])
def test_it_counts_what_the_rules_do(hold: int, keep: int, no_data: str) -> None:
    values = np.random.default_rng(hold * 10 + keep).uniform(size=(60, 4))
    values[np.random.default_rng(1).uniform(size=values.shape) < 0.2] = np.nan
    keys = {"hold": f"{hold} windows", "keep_firing": f"{keep} windows", "no_data": no_data}
    them = runs(values[:, None, :], hold=hold, keep=keep, no_data=no_data)  # type: ignore[arg-type]
    for bound in (0.2, 0.5, 0.8):
        assert transitions(them, bound).tolist() == [by_the_rules(values, keys, bound)]


def test_runs_are_counted_apart() -> None:
    values = np.array([[[1.0], [0.0]], [[0.0], [1.0]], [[1.0], [1.0]]])  # 1 0 1 and 0 1 1
    assert transitions(runs(values, hold=1, keep=0, no_data="keep"), 0.5).tolist() == [2, 1]


def test_the_peak_of_an_alarm_is_the_bound_that_it_would_still_have_passed() -> None:
    values = np.array([0.6, 0.9, 0.7, 0.1, 0.8, 0.1])[:, None, None]
    tops, owners = peaks(runs(values, hold=1, keep=0, no_data="keep"), 0.5)
    assert (tops.tolist(), owners.tolist()) == ([0.9, 0.8], [0, 0])
    tops, _ = peaks(runs(values, hold=2, keep=0, no_data="keep"), 0.5)
    assert tops.tolist() == [0.7]  # of two in a row the smaller one must pass: 0.6, then 0.7


def test_what_is_not_significant_never_counts() -> None:
    values = np.array([-np.inf, 0.9, -np.inf])[:, None, None]
    assert transitions(runs(values, hold=1, keep=0, no_data="keep"), -1.0).tolist() == [1]
