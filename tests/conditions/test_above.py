"""A score above a bound."""

import pytest

from tests.conditions.boards import Score, checked, findings
from watchtower.conditions.above import Above


def above(**keys: object) -> Above:
    """The condition with these YAML keys."""
    return Above.model_validate({"measure": "drift.psi", "value": 0.2} | keys)


@pytest.mark.parametrize(
    ("score", "finding"),
    [
        ((0.3, 1e-9), "FOUND"),
        ((0.2, 1e-9), "CLEAR"),  # the bound itself
        ((0.1, 1e-9), "CLEAR"),
        ((0.3, 0.01), "CLEAR"),  # by chance
        (0.3, "CLEAR"),  # a tested measure without a p-value
        ("112 of 200 rows", "UNKNOWN"),
    ],
)
def test_a_tested_measure_is_found_by_effect_and_significance(score: Score, finding: str) -> None:
    assert findings(above(), {"amount": score}) == {"amount": finding}


def test_significance_null_leaves_the_effect_alone() -> None:
    assert findings(above(significance=None), {"a": (0.3, 0.9), "b": 0.3, "c": 0.1}) == {"a": "FOUND", "b": "FOUND", "c": "CLEAR"}


def test_an_untested_measure_is_found_by_its_value() -> None:
    assert findings(above(measure="latency.p99", value=0.5), {"": 0.6}) == {"": "FOUND"}


def test_p_values_are_corrected_over_the_subjects_of_one_evaluation() -> None:
    # Benjamini-Hochberg by hand: 0.0009 is the smallest of three, so it counts as 0.0009 x 3 = 0.0027; alone it stays 0.0009
    many = checked(above(), {"": {"a": (0.3, 0.0009), "b": (0.3, 0.5), "c": (0.3, 0.7)}})
    assert (many["|a"].finding.name, many["|a"].p_value) == ("CLEAR", 0.0009)
    assert many["|a"].p_adjusted == pytest.approx(0.0027)
    assert findings(above(), {"a": (0.3, 0.0009)}) == {"a": "FOUND"}


def test_a_glob_chooses_subjects_and_the_others_are_not_told() -> None:
    assert findings(above(feature="am*"), {"amount": (0.3, 0.0), "age": (0.3, 0.0)}) == {"amount": "FOUND"}


def test_the_whole_is_read_unless_segments_are_asked_for() -> None:
    board: dict[str, dict[str, Score]] = {"": {"amount": (0.3, 0.0)}, "country=DE": {"amount": (0.1, 0.0)}, "country=FR": {"amount": "12 of 200 rows"}}
    assert list(checked(above(), board)) == ["|amount"]
    asked = checked(above(), board, segment="country=*")
    assert {key: each.finding.name for key, each in asked.items()} == {"country=DE|amount": "CLEAR", "country=FR|amount": "UNKNOWN"}


def test_an_unknown_outcome_keeps_its_reason() -> None:
    assert checked(above(), {"": {"amount": "112 of 200 rows"}})["|amount"].reason == "112 of 200 rows"


def test_an_empty_board_finds_nothing() -> None:
    assert checked(above(), {}) == {}
