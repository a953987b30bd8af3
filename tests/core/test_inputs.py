"""Logged features as the inputs that a model wants."""

import numpy as np
import pytest

from watchtower.core.inputs import InputSpec, feed, rows_at_once
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, TextColumn, VectorColumn
from watchtower.nouns.errors import ShadowError

TYPES = {"amount": FeatureType.NUMERIC, "country": FeatureType.CATEGORICAL, "age": FeatureType.NUMERIC, "face": FeatureType.EMBEDDING}
COLUMNS: dict[str, Column] = {
    "amount": NumberColumn(np.array([1.5, np.nan, 3.0])),
    "country": TextColumn(np.array([0, -1, 1], dtype=np.int32), ("DE", "FR")),
    "age": NumberColumn(np.array([40.0, 41.0, 42.0])),
    "face": VectorColumn(np.array([[0.1, 0.2], [0.3, 0.4], [np.nan, np.nan]])),
}
FLOAT, TEXT = "tensor(float)", "tensor(string)"


def test_the_only_other_input_takes_all_numeric_features_in_order() -> None:
    x = feed([InputSpec("X", FLOAT, ("N", 2))], COLUMNS, TYPES, {}, 3)["X"]
    assert x.dtype == np.float32
    assert np.array_equal(x, np.array([[1.5, 40], [np.nan, 41], [3, 42]], dtype=np.float32), equal_nan=True)


def test_inputs_named_like_features_take_them_flat_or_as_a_column() -> None:
    specs = [
        InputSpec("amount", FLOAT, (None,)),
        InputSpec("country", TEXT, (None, 1)),
        InputSpec("age", "tensor(int64)", (None, 1)),
        InputSpec("face", "tensor(double)", (None, 2)),
    ]
    filled = feed(specs, COLUMNS, TYPES, {}, 3)
    assert filled["amount"].shape == (3,)
    assert filled["country"].tolist() == [["DE"], [""], ["FR"]]
    assert filled["age"].tolist() == [[40], [41], [42]]
    assert filled["face"].shape == (3, 2)


def test_the_setting_stacks_features_in_its_order() -> None:
    filled = feed([InputSpec("X", FLOAT, (None, 2)), InputSpec("S", TEXT, (None, 1))], COLUMNS, TYPES, {"X": ["age", "amount"], "S": ["country"]}, 3)
    assert filled["X"][0].tolist() == [40.0, 1.5]
    assert filled["S"].tolist() == [["DE"], [""], ["FR"]]


def test_a_feature_that_was_never_logged_is_missing_in_every_row() -> None:
    filled = feed([InputSpec("amount", FLOAT, (None, 1)), InputSpec("country", TEXT, (None,))], {}, TYPES, {}, 2)
    assert np.isnan(filled["amount"]).all()
    assert filled["country"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("spec", "stacked", "says"),
    [
        (InputSpec("X", FLOAT, (None, 7)), {}, r"input X \(tensor\(float\), shape \[\?, 7\]\) does not fit the logged features, which are of shape \[N, 2\]"),
        (InputSpec("X", FLOAT, (None, 3, 2)), {}, "does not fit"),
        (InputSpec("X", FLOAT, (None, 1)), {"X": ["income"]}, "takes feature income"),
        (InputSpec("country", FLOAT, (None, 1)), {}, "wants numbers, and feature country holds texts"),
        (InputSpec("age", TEXT, (None, 1)), {}, "wants texts, and feature age holds numbers"),
        (InputSpec("amount", "tensor(int64)", (None, 1)), {}, "2 of 3 logged values"),
        (InputSpec("age", "seq(tensor(float))", (None, 1)), {}, "of a type that"),
    ],
)
def test_what_does_not_fit_names_the_input_its_type_and_its_shape(spec: InputSpec, stacked: dict[str, list[str]], says: str) -> None:
    with pytest.raises(ShadowError, match=says) as error:
        feed([spec], COLUMNS, TYPES, stacked, 3)
    assert str(error.value).startswith(str(spec))


def test_two_inputs_that_no_feature_is_named_like_ask_for_the_setting() -> None:
    with pytest.raises(ShadowError, match=r"inputs: \{X: \[…\]\}"):
        feed([InputSpec("X", FLOAT, (None, 2)), InputSpec("Z", FLOAT, (None, 2))], COLUMNS, TYPES, {}, 3)


def test_a_fixed_first_dimension_says_how_many_rows_go_at_once() -> None:
    assert rows_at_once([InputSpec("X", FLOAT, ("N", 2))]) is None
    assert rows_at_once([InputSpec("X", FLOAT, (1, 2))]) == 1
