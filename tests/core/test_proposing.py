"""Rules that a reference suggests, and cells that a model has outgrown."""

import numpy as np
import pytest

from tests.measures.views import folded
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.proposing import Outgrown, outgrown, quality_rules, ranges
from watchtower.core.rules import Rule
from watchtower.nouns.batch import Column, NumberColumn, PredictionKind, TextColumn

ROWS = 1_000


def columns(shift: float = 0.0, unseen: int = 0, missing: float = 0.0) -> dict[str, Column]:
    codes = np.tile([0, 1], ROWS // 2).astype(np.int32)
    codes[:unseen] = 2
    amount = np.linspace(0, 1, ROWS) + shift
    amount[: int(missing * ROWS)] = np.nan
    return {"amount": NumberColumn(amount), "country": TextColumn(codes, ("DE", "FR", "XX")), "": NumberColumn(np.linspace(0, 1, ROWS))}


BINNING = make_binning(columns(), {}, PredictionKind.PROBABILITY, ())


@pytest.mark.parametrize(
    ("there", "proposed"),
    [
        (columns(), ()),
        (columns(shift=0.2, unseen=200), ()),
        (columns(shift=0.25), (Outgrown("amount", 0.25, "above"),)),
        (columns(shift=-0.25), (Outgrown("amount", 0.25, "below"),)),
        (columns(unseen=201), (Outgrown("country", 0.201, "unseen"),)),
        (columns(missing=0.9), ()),
    ],
)
def test_new_cells_are_proposed_where_over_a_fifth_of_the_values_has_none(there: dict[str, Column], proposed: tuple[Outgrown, ...]) -> None:
    assert outgrown(BINNING, folded(BINNING, there, ROWS)) == proposed


def test_one_rule_for_all_features_where_one_bound_does() -> None:
    rules = quality_rules("fraud", BINNING, make_reference_profile(BINNING, columns(), ROWS))
    assert [(rule["name"], rule["when"]["feature"], rule["when"]["value"]) for rule in rules] == [  # type: ignore[index]
        ("OutOfRange-fraud", "*", 0.01),
        ("UnseenCategory-fraud", "*", 0.01),
        ("Missing-fraud", "*", 0.01),
    ]


def test_a_feature_that_is_often_missing_has_a_bound_of_its_own_above_its_share() -> None:
    """0.1 + 3 sqrt(0.1 · 0.9 / 200) = 0.1636, rounded up to half a percent."""
    rules = quality_rules("fraud", BINNING, folded(BINNING, columns(missing=0.1), ROWS))
    missing = {rule["name"]: rule["when"]["value"] for rule in rules if "Missing" in str(rule["name"])}  # type: ignore[index]
    assert missing == {"Missing-fraud-amount": 0.165, "Missing-fraud-country": 0.01}


def test_names_are_matched_exactly_and_every_rule_is_one() -> None:
    odd: dict[str, Column] = {"a[0]*": NumberColumn(np.append(np.arange(99.0), np.nan)), "b?": NumberColumn(np.arange(100.0))}
    binning = make_binning(odd, {}, None, ())
    profile = folded(binning, {**odd, "b?": NumberColumn(np.full(100, np.nan))}, 100)
    rules = [Rule.model_validate(rule) for rule in quality_rules("m*", binning, profile)]
    assert {rule.model for rule in rules} == {"m[*]"}
    assert {rule.when.feature for rule in rules if "Missing" in rule.name} == {"a[[]0][*]", "b[?]"}  # type: ignore[attr-defined]
    assert max(rule.when.value for rule in rules) == 0.995  # type: ignore[attr-defined]


def test_what_a_reference_holds_is_told_feature_by_feature() -> None:
    assert ranges(BINNING) == ["amount: 0 to 1", "country: 2 categories"]
