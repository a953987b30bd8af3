"""A score that moved."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from tests.conditions.histories import Series, of_one
from watchtower.conditions.change import Change
from watchtower.nouns.score import Over


def change(**keys: object) -> Change:
    return Change.model_validate({"measure": "traffic.rate"} | keys)


@pytest.mark.parametrize(
    ("keys", "values", "finding"),
    [
        ({"by": 2.0}, [5.0, 7.0], "FOUND"),  # at least that
        ({"by": 2.0}, [5.0, 3.0], "FOUND"),  # down as well as up
        ({"by": 2.0}, [5.0, 6.9], "CLEAR"),
        ({"ratio": 0.5}, [4.0, 6.0], "FOUND"),  # a half more
        ({"ratio": 0.5}, [4.0, 2.1], "CLEAR"),
        ({"ratio": 0.5}, [0.0, 0.1], "FOUND"),  # from nothing to something
        ({"ratio": 0.5}, [0.0, 0.0], "CLEAR"),
        ({"by": 2.0}, [5.0, "no rows", 7.0], "UNKNOWN"),  # the window before has no score
        ({"by": 2.0}, [5.0, "no rows"], "UNKNOWN"),
        ({"by": 2.0}, [7.0], "UNKNOWN"),  # there is no window before
        ({"by": 2.0, "against": "3 windows"}, [9.0, 1.0, 2.0, 3.0, 4.0], "FOUND"),  # their mean is 2
        ({"by": 2.0, "against": "3 windows"}, [1.0, 2.0, 3.0, 3.9], "CLEAR"),
        ({"by": 2.0, "against": "3 windows"}, [1.0, "no rows", 2.0, 3.5], "FOUND"),  # those that are there: 1.5
        ({"by": 2.0, "against": 3}, ["no rows", "no rows", 3.5], "UNKNOWN"),
    ],
)
def test_it_is_found_where_it_moved_by_at_least_that(keys: dict[str, object], values: Series, finding: str) -> None:
    assert of_one(change(**keys), "traffic.rate", values).finding.name == finding


def test_it_compares_with_windows_that_it_shares_none_with() -> None:
    # over 3 windows the boards one and two before hold two and one of the same windows; the one three before holds none
    assert of_one(change(by=2.0), "traffic.rate", [1.0, 2.0, 3.0, 3.0], over=3).finding.name == "FOUND"
    assert of_one(change(by=2.0), "traffic.rate", [2.0, 3.0, 3.0], over=3).finding.name == "UNKNOWN"
    for boards in range(1, 6):  # over 5 windows the first score to compare with is there at the sixth board
        assert of_one(change(by=2.0), "traffic.rate", [1.0] * (boards - 1) + [9.0], over=5).finding.name == "UNKNOWN"


def test_it_says_why_it_cannot_tell() -> None:
    assert of_one(change(by=1.0), "traffic.rate", [1.0]).reason == "no earlier score"
    assert of_one(change(by=1.0), "traffic.rate", [1.0, "no rows"]).reason == "no rows"


@pytest.mark.parametrize("keys", [{}, {"by": 1.0, "ratio": 0.5}, {"by": 1.0, "against": "often"}, {"by": 0}, {"by": 1.0, "against": "501 windows"}])
def test_exactly_one_size_and_a_known_past_are_asked_for(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        change(**keys)


def test_it_looks_back_no_further_than_windows_are_merged() -> None:
    (need,) = change(by=1.0, over="7d").needs(Over(), timedelta(minutes=1))
    assert (need.over.windows, need.history) == (10_080, 120)
