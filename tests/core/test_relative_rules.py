"""What rules compare with: as they say, else as the model's settings say."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from watchtower.core.rules import Rule, RuleBook
from watchtower.nouns.score import Need

MINUTE = timedelta(minutes=1)


def rule(when: dict[str, object], model: str = "*") -> Rule:
    return Rule.model_validate({"name": "R", "model": model, "when": when})


def against(book: RuleBook, model: str = "fraud") -> list[tuple[str, str]]:
    needs: list[Need] = list(book.needs(model))
    return [(str(need.measure), need.against) for need in needs]


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("reference", "reference"),
        ("previous_version", "previous_version"),
        (" previous_window ", "previous_window"),
        ("1d", "1d"),
        ("24 h", "24h"),
        ("version:canary*", "version:canary*"),
        ("version: canary*", "version:canary*"),
        ({"version": "canary*"}, "version:canary*"),
        ({"version": 7}, "version:7"),
    ],
)
def test_every_way_to_write_what_is_compared_with(written: object, means: str) -> None:
    book = RuleBook((rule({"kind": "above", "measure": "drift.psi", "value": 0.1, "relative_to": written}),), MINUTE)
    assert against(book) == [("drift.psi", means)]


@pytest.mark.parametrize("written", ["yesterday", "version:", "0d", "-1d", {"versions": "a"}, {"version": "a", "more": 1}, 7])
def test_anything_else_is_refused_with_what_may_stand_there(written: object) -> None:
    with pytest.raises(ValidationError, match="write reference, previous_version, previous_window, version: GLOB, or how long ago"):
        rule({"kind": "above", "measure": "drift.psi", "value": 0.1, "relative_to": written})


def test_a_models_setting_holds_for_statistics_in_rules_that_say_nothing() -> None:
    drift = {"kind": "above", "measure": "drift.psi", "value": 0.1}
    slow = {"kind": "above", "measure": "latency.p99", "value": 0.5}
    said = {**drift, "relative_to": "reference"}
    book = RuleBook((rule({"kind": "any_of", "of": [drift, slow, said]}), rule(drift), rule(said)), MINUTE, relative_to={"fraud": "1d", "churn": "reference"})
    assert against(book) == [("drift.psi", "1d"), ("latency.p99", "reference"), ("drift.psi", "reference"), ("drift.psi", "1d"), ("drift.psi", "reference")]
    assert {each for _, each in against(book, "churn")} == {each for _, each in against(book, "other")} == {"reference"}


def test_models_that_are_not_listed_have_the_setting_of_the_star() -> None:
    book = RuleBook((rule({"kind": "above", "measure": "drift.psi", "value": 0.1}),), MINUTE, relative_to={"*": "previous_window", "fraud": "reference"})
    assert against(book, "another") == [("drift.psi", "previous_window")]
    assert against(book) == [("drift.psi", "reference")]
