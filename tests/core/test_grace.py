"""Grace: after a version change a rule is scored and told, and responds only once it is over."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchtower import line
from watchtower.core import versions
from watchtower.core.rules import Rule, RuleBook
from watchtower.core.versions import Standing
from watchtower.nouns.decision import DecisionKind
from watchtower.nouns.facts import Fired
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.window import Window

START = datetime(2026, 5, 11, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def follow(lives: str, bad: str, grace: str = "3 windows", respond: Sequence[str] = ("rollback", "retrain")) -> list[Evaluation]:
    """One evaluation a window: who is live, and whether its errors are above the bound (x) or not (-)."""
    when = {"kind": "above", "measure": "errors.share", "value": 0.1}
    rule = Rule.model_validate({"name": "Errors", "model": "*", "when": when, "grace": grace, "respond": list(respond)})
    book, memory, found = RuleBook((rule,), MINUTE, ("ops",)), Memory("fraud", served=Served()), []
    for n, (live, what) in enumerate(zip(lives, bad, strict=True)):
        window = Window(START + n * MINUTE, START + (n + 1) * MINUTE)
        memory = replace(memory, served=versions.follow(memory.served, {live: 300.0}, window))
        scores = {Slot(live, "", Need(MeasureName("errors", "share"))): Scores.one(0.5 if what == "x" else 0.01, 300)}
        evaluation = line.apply(Board("fraud", window, live, scores, {live: 1.0}), memory, book, line.Response(Standing(healthy=("1", "2"))))
        memory = evaluation.memory
        found.append(evaluation)
    return found


def responses(found: Sequence[Evaluation], kind: DecisionKind) -> list[int]:
    return [n for n, each in enumerate(found) if any(decision.kind is kind for decision in each.decisions)]


@pytest.mark.parametrize(
    ("lives", "bad", "grace", "told", "responds"),
    [
        ("1112222222", "---xxxxxxx", "3 windows", [3], [6]),
        ("1112222222", "---xxxxxxx", "0 windows", [3], [3]),
        ("1112222222", "---xxxxxxx", "90s", [3], [5]),
        ("1112222222", "----x-----", "3 windows", [4], []),
        ("1112222222", "-------x--", "3 windows", [7], [7]),
        ("1111111111", "-x--------", "3 windows", [1], [1]),
    ],
)
def test_a_rule_still_firing_when_grace_ends_responds_then(lives: str, bad: str, grace: str, told: list[int], responds: list[int]) -> None:
    found = follow(lives, bad, grace)
    assert [n for n, each in enumerate(found) if any(change.alert.state == "firing" for change in each.changes)] == told
    assert responses(found, DecisionKind.NOTIFY)[0] == told[0]
    assert [n for n, each in enumerate(found) if any(fact.kind == "fired" for fact in each.facts)] == responds
    assert responses(found, DecisionKind.RETRAIN) == responds


def test_an_alert_that_fired_before_the_change_may_be_tried_again_after_grace_and_asks_for_no_second_retraining() -> None:
    found = follow("1111222222", "-xxxxxxxxx")
    fired = [(n, fact.live) for n, each in enumerate(found) for fact in each.facts if isinstance(fact, Fired)]
    assert fired == [(1, "1"), (7, "2")]
    assert responses(found, DecisionKind.RETRAIN) == [1]
