"""What every condition must do; a new kind fails here until it says how one of it is written."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pytest

from tests.conditions.boards import WINDOW
from watchtower.conditions import Condition
from watchtower.conditions._reading import Reading
from watchtower.nouns.alert import Finding
from watchtower.nouns.score import Board, Need, Over, Scores, Slot
from watchtower.nouns.written import Frozen

MINUTE = timedelta(minutes=1)
ABOVE: Mapping[str, object] = {"kind": "above", "measure": "quality.missing_share", "value": 0.1}
WRITTEN: Mapping[str, Mapping[str, object]] = {
    "above": ABOVE,
    "below": {**ABOVE, "kind": "below"},
    "outside": {"kind": "outside", "measure": "quality.missing_share", "low": 0.1, "high": 0.2},
    "absent": {"kind": "absent", "measure": "quality.missing_share"},
    "change": {"kind": "change", "measure": "quality.missing_share", "by": 0.1},
    "cumulative": {"kind": "cumulative", "measure": "quality.missing_share", "target": 0.0, "slack": 0.0, "value": 0.1},
    "burn_rate": {"kind": "burn_rate", "measure": "quality.missing_share", "objective": 0.9, "long": "1h", "short": "5m", "factor": 1},
    "all_of": {"kind": "all_of", "of": [ABOVE, {**ABOVE, "over": "3 windows"}]},
    "any_of": {"kind": "any_of", "of": [ABOVE, {**ABOVE, "over": "3 windows"}]},
    "share_of": {"kind": "share_of", "value": 0.5, "of": ABOVE},
}


class Holder(Frozen):
    """Something with a condition in it."""

    when: Condition


def conditions() -> list[Condition]:
    return [Holder.model_validate({"when": WRITTEN[kind]}).when for kind in Condition.kinds()]


def name(condition: Condition) -> str:
    return condition.kind_name()


def board(condition: Condition, scores: Scores) -> Board:
    """A board that has *scores* wherever *condition* looks, now and before."""
    needs = [*condition.needs(Over(), MINUTE)]
    slots = {Slot("7", "", need): scores for need in needs}
    return Board("fraud", WINDOW, "7", slots, history=(slots,) * 3)


@pytest.mark.parametrize("condition", conditions(), ids=name)
def test_an_empty_board_is_unknown_or_nothing(condition: Condition) -> None:
    assert {each.finding for each in condition.check(Reading(Board("fraud", WINDOW, "7", {})))} <= {Finding.UNKNOWN}


@pytest.mark.parametrize("condition", conditions(), ids=name)
def test_no_score_is_unknown_and_says_why(condition: Condition) -> None:
    outcomes = condition.check(Reading(board(condition, Scores.none(("a", "b"), "12 of 200 rows"))))
    assert outcomes
    assert {(each.finding, each.reason) for each in outcomes} == {(Finding.UNKNOWN, "12 of 200 rows")}


@pytest.mark.parametrize("condition", conditions(), ids=name)
def test_what_is_no_number_is_never_found(condition: Condition) -> None:
    nothing = np.array([np.nan, np.nan])
    outcomes = condition.check(Reading(board(condition, Scores(("a", "b"), nothing, nothing, np.array([500, 500]), (None, None)))))
    assert Finding.FOUND not in {each.finding for each in outcomes}


@pytest.mark.parametrize("condition", conditions(), ids=name)
def test_every_subject_has_one_outcome_of_the_live_version(condition: Condition) -> None:
    outcomes = condition.check(Reading(board(condition, Scores.of(("a", "b"), [(0.5, 500), (0.0, 500)]))))
    subjects = [each.subject for each in outcomes]
    assert subjects in (["a", "b"], [""])
    assert {each.version for each in outcomes} == {"7"}


@pytest.mark.parametrize("condition", conditions(), ids=name)
def test_it_asks_for_what_it_reads(condition: Condition) -> None:
    needs = [*condition.needs(Over(4), MINUTE)]
    assert needs
    assert all(isinstance(need, Need) for need in needs)
    assert not condition.check(Reading(Board("fraud", WINDOW, "7", {Slot("7", "", Need(need.measure, Over(99))): Scores.one(9.0, 500, "a") for need in needs})))


@pytest.mark.parametrize("condition", conditions(), ids=name)
def test_it_reads_back_what_it_writes(condition: Condition) -> None:
    again = Holder.model_validate({"when": {"kind": condition.kind_name(), **WRITTEN[condition.kind_name()]}}).when
    assert again == condition
    assert repr(again) == repr(condition)
