"""Several conditions, and many subjects, at once."""

from datetime import timedelta

import pytest

from tests.conditions.boards import Score
from tests.conditions.histories import outcomes
from watchtower.conditions.all_of import AllOf
from watchtower.conditions.any_of import AnyOf
from watchtower.conditions.share_of import ShareOf
from watchtower.nouns.score import Over

MISSING, SLOW = {"kind": "above", "measure": "quality.missing_share", "value": 0.1}, {"kind": "above", "measure": "latency.p99", "value": 0.5}
UNSEEN = {"kind": "above", "measure": "quality.unseen_share", "value": 0.1}
VALUES: dict[str, Score] = {"FOUND": 0.9, "CLEAR": 0.01, "UNKNOWN": "no rows"}


@pytest.mark.parametrize(
    ("one", "other", "all_of", "any_of"),
    [
        ("FOUND", "FOUND", "FOUND", "FOUND"),
        ("FOUND", "CLEAR", "CLEAR", "FOUND"),
        ("FOUND", "UNKNOWN", "UNKNOWN", "FOUND"),
        ("CLEAR", "UNKNOWN", "CLEAR", "UNKNOWN"),
        ("CLEAR", "CLEAR", "CLEAR", "CLEAR"),
        ("UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN"),
    ],
)
def test_three_values_are_joined_as_kleene_did(one: str, other: str, all_of: str, any_of: str) -> None:
    for first, second in ((one, other), (other, one)):
        board = {"quality.missing_share": {"a": VALUES[first]}, "quality.unseen_share": {"a": VALUES[second]}}
        assert outcomes(AllOf.model_validate({"of": [MISSING, UNSEEN]}), board)["a"].finding.name == all_of
        assert outcomes(AnyOf.model_validate({"of": [MISSING, UNSEEN]}), board)["a"].finding.name == any_of


def test_what_has_no_subject_joins_with_every_one() -> None:
    board: dict[str, dict[str, Score]] = {"quality.missing_share": {"a": 0.9, "b": 0.01}, "latency.p99": {"": 0.9}}
    assert {key: each.finding.name for key, each in outcomes(AllOf.model_validate({"of": [MISSING, SLOW]}), board).items()} == {"a": "FOUND", "b": "CLEAR"}
    assert {key: each.finding.name for key, each in outcomes(AnyOf.model_validate({"of": [MISSING, SLOW]}), board).items()} == {"a": "FOUND", "b": "FOUND"}


def test_without_any_subject_the_empty_one_is_told() -> None:
    board: dict[str, dict[str, Score]] = {"latency.p99": {"": 0.9}}
    assert outcomes(AllOf.model_validate({"of": [SLOW, SLOW]}), board)[""].finding.name == "FOUND"


def test_a_subject_that_one_condition_says_nothing_of_is_unknown_to_all_and_no_matter_to_any() -> None:
    board: dict[str, dict[str, Score]] = {"quality.missing_share": {"a": 0.9}, "quality.unseen_share": {"b": 0.01}}
    both = {"of": [MISSING, UNSEEN]}
    assert {key: each.finding.name for key, each in outcomes(AllOf.model_validate(both), board).items()} == {"a": "UNKNOWN", "b": "CLEAR"}
    assert {key: each.finding.name for key, each in outcomes(AnyOf.model_validate(both), board).items()} == {"a": "FOUND", "b": "CLEAR"}


def test_segments_are_joined_apart() -> None:
    board: dict[str, dict[str, Score]] = {"quality.missing_share": {"c=DE|a": 0.9, "c=FR|a": 0.9}, "quality.unseen_share": {"c=DE|a": 0.9, "c=FR|a": 0.0}}
    found = outcomes(AllOf.model_validate({"of": [MISSING, UNSEEN]}), board, segment="c=*")
    assert {key: each.finding.name for key, each in found.items()} == {"c=DE|a": "FOUND", "c=FR|a": "CLEAR"}


def test_the_value_of_the_condition_that_decided_is_told() -> None:
    board: dict[str, dict[str, Score]] = {"quality.missing_share": {"a": 0.3}, "quality.unseen_share": {"a": 0.2}}
    assert outcomes(AllOf.model_validate({"of": [MISSING, UNSEEN]}), board)["a"].value == 0.3
    assert outcomes(AnyOf.model_validate({"of": [UNSEEN, MISSING]}), board)["a"].value == 0.2


def test_what_was_found_bears_the_measures_that_found_it() -> None:
    board: dict[str, dict[str, Score]] = {"quality.missing_share": {"a": 0.3}, "quality.unseen_share": {"a": 0.01}, "latency.p99": {"": 0.9}}
    either = {"kind": "any_of", "of": [UNSEEN, MISSING]}
    assert outcomes(AnyOf.model_validate({"of": [SLOW, UNSEEN, MISSING]}), board)["a"].measures == ("latency.p99", "quality.missing_share")
    assert outcomes(AllOf.model_validate({"of": [SLOW, either]}), board)["a"].measures == ("latency.p99", "quality.missing_share")
    assert outcomes(ShareOf.model_validate({"value": 0.5, "of": either}), board)[""].measures == ("quality.missing_share",)
    assert outcomes(AllOf.model_validate({"of": [SLOW, UNSEEN]}), board)["a"].measures == ()


@pytest.mark.parametrize(
    ("subjects", "finding", "share"),
    [
        ({"a": 0.9, "b": 0.9, "c": 0.0, "d": 0.0}, "FOUND", 0.5),
        ({"a": 0.9, "b": 0.0, "c": 0.0}, "CLEAR", 1 / 3),
        ({"a": 0.9, "b": 0.0, "c": "no rows", "d": "no rows"}, "FOUND", 0.5),  # unknown ones do not count
        ({"a": "no rows", "b": "no rows"}, "UNKNOWN", None),
    ],
)
def test_a_share_is_of_the_subjects_that_are_known(subjects: dict[str, Score], finding: str, share: float | None) -> None:
    found = outcomes(ShareOf.model_validate({"value": 0.5, "of": MISSING}), {"quality.missing_share": subjects})
    assert list(found) == [""]
    assert found[""].finding.name == finding
    assert found[""].value == pytest.approx(share)


def test_conditions_stand_inside_each_other() -> None:
    condition = AllOf.model_validate({"of": [{"kind": "share_of", "value": 0.5, "of": MISSING}, {"kind": "any_of", "of": [SLOW, UNSEEN]}]})
    board: dict[str, dict[str, Score]] = {"quality.missing_share": {"a": 0.9, "b": 0.0}, "latency.p99": {"": 0.9}, "quality.unseen_share": {"a": 0.0}}
    assert {key: each.finding.name for key, each in outcomes(condition, board).items()} == {"a": "FOUND"}


def test_each_may_look_over_its_own_windows() -> None:
    condition = AnyOf.model_validate({"of": [MISSING | {"over": "10m"}, SLOW]})
    assert [need.over for need in condition.needs(Over(2), timedelta(minutes=5))] == [Over(2), Over(2)]
    assert [need.over for need in condition.needs(Over(3), timedelta(minutes=1))] == [Over(10), Over(3)]
