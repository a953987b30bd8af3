"""Quality."""

import numpy as np
import pytest

from tests.measures.views import folded, served, told, view
from watchtower.core.binning import make_binning
from watchtower.measures.quality import Quality
from watchtower.nouns.batch import Column, NumberColumn, TextColumn

NAN = float("nan")


def texts(*codes: int) -> TextColumn:
    return TextColumn(np.array(codes, dtype=np.int32), ("a", "b", "new"))


REFERENCE: dict[str, Column] = {"amount": NumberColumn(np.array([1.0, 2.0, 3.0, 10.0])), "country": texts(0, 1, 0, 0)}
BINNING = make_binning(REFERENCE, {}, None, ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing_share", {"amount": 0.4, "country": 0.2}),
        ("nonfinite_share", {"amount": 0.2, "country": 0.0}),
        ("type_error_share", {"amount": 0.2, "country": 0.0}),
        ("out_of_range_share", {"amount": 2 / 3, "country": "numeric features only"}),
        ("unseen_share", {"amount": "categorical features only", "country": 0.5}),
        ("constant", {"amount": 0.0, "country": 0.0}),
    ],
)
def test_shares_by_hand(name: str, expected: dict[str, float | str]) -> None:
    columns: dict[str, Column] = {
        "amount": NumberColumn(np.array([0.5, 2.0, 11.0, NAN, NAN]), np.array([0, 0, 0, 1, 2], dtype=np.int8)),
        "country": texts(0, 2, -1, 2, 1),
    }
    assert told(Quality().score(name, view(folded(BINNING, columns, 5), binning=BINNING))) == {key: pytest.approx(value) for key, value in expected.items()}


@pytest.mark.parametrize(
    ("amount", "country", "expected"), [([7.3] * 3, (1, 1, -1), {"amount": 1.0, "country": 1.0}), ([7.3, 7.3, 7.4], (2, 2, 2), {"amount": 0.0, "country": 0.0})]
)
def test_a_stuck_feature_is_constant(amount: list[float], country: tuple[int, ...], expected: dict[str, float]) -> None:
    columns: dict[str, Column] = {"amount": NumberColumn(np.array(amount)), "country": texts(*country)}
    assert told(Quality().score("constant", view(folded(BINNING, columns, 3), binning=BINNING))) == expected


def test_a_share_of_no_values_is_a_reason() -> None:
    columns: dict[str, Column] = {"amount": NumberColumn(np.array([NAN, NAN]))}
    scores = Quality().score("out_of_range_share", view(folded(BINNING, columns, 2), binning=BINNING))
    assert told(scores)["amount"] == "no rows"


def test_without_a_reference_or_rows_the_reason_says_so() -> None:
    assert told(Quality().score("missing_share", view(served(9), reason="reference: 7 of 15 windows"))) == {"": "reference: 7 of 15 windows"}
    assert told(Quality().score("missing_share", view(served(0), binning=BINNING))) == {"amount": "no rows", "country": "no rows"}
    assert told(Quality().score("missing_share", view(served(9), binning=BINNING, reason="early"))) == {"amount": "early", "country": "early"}
