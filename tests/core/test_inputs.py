"""Logged features as the inputs that a model wants."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from watchtower.core.inputs import InputSpec, feed, rows_at_once
from watchtower.core.pictures import Pictures
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, TextColumn, VectorColumn
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.inputs import ImageSettings, Input, InputSettings

TYPES = {"amount": FeatureType.NUMERIC, "country": FeatureType.CATEGORICAL, "age": FeatureType.NUMERIC, "face": FeatureType.EMBEDDING}
COLUMNS: dict[str, Column] = {
    "amount": NumberColumn(np.array([1.5, np.nan, 3.0])),
    "country": TextColumn(np.array([0, -1, 1], dtype=np.int32), ("DE", "FR")),
    "age": NumberColumn(np.array([40.0, 41.0, 42.0])),
    "face": VectorColumn(np.array([[0.1, 0.2], [0.3, 0.4], [np.nan, np.nan]])),
}
FLOAT, TEXT = "tensor(float)", "tensor(string)"


def said(**inputs: object) -> dict[str, InputSettings]:
    """The setting `inputs:`."""
    return TypeAdapter(dict[str, Input]).validate_python(inputs)


def fed(
    specs: Sequence[InputSpec], columns: Mapping[str, Column], types: Mapping[str, FeatureType], own: Mapping[str, InputSettings], rows: int
) -> dict[str, NDArray[Any]]:
    """Filled with tensors alone."""
    filled = feed(specs, columns, types, own, rows)
    return {name: each for name, each in filled.items() if not isinstance(each, Pictures)}


def test_the_only_other_input_takes_all_numeric_features_in_order() -> None:
    x = fed([InputSpec("X", FLOAT, ("N", 2))], COLUMNS, TYPES, {}, 3)["X"]
    assert x.dtype == np.float32
    assert np.array_equal(x, np.array([[1.5, 40], [np.nan, 41], [3, 42]], dtype=np.float32), equal_nan=True)


def test_inputs_named_like_features_take_them_flat_or_as_a_column() -> None:
    specs = [
        InputSpec("amount", FLOAT, (None,)),
        InputSpec("country", TEXT, (None, 1)),
        InputSpec("age", "tensor(int64)", (None, 1)),
        InputSpec("face", "tensor(double)", (None, 2)),
    ]
    filled = fed(specs, COLUMNS, TYPES, {}, 3)
    assert filled["amount"].shape == (3,)
    assert filled["country"].tolist() == [["DE"], [""], ["FR"]]
    assert filled["age"].tolist() == [[40], [41], [42]]
    assert filled["face"].shape == (3, 2)


def test_the_setting_stacks_features_in_its_order() -> None:
    filled = fed([InputSpec("X", FLOAT, (None, 2)), InputSpec("S", TEXT, (None, 1))], COLUMNS, TYPES, said(X=["age", "amount"], S=["country"]), 3)
    assert filled["X"][0].tolist() == [40.0, 1.5]
    assert filled["S"].tolist() == [["DE"], [""], ["FR"]]


def test_a_feature_that_was_never_logged_is_missing_in_every_row() -> None:
    filled = fed([InputSpec("amount", FLOAT, (None, 1)), InputSpec("country", TEXT, (None,))], {}, TYPES, {}, 2)
    assert np.isnan(filled["amount"]).all()
    assert filled["country"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("spec", "stacked", "says"),
    [
        (InputSpec("X", FLOAT, (None, 7)), {}, r"input X \(tensor\(float\), shape \[\?, 7\]\) does not fit the logged features, which are of shape \[N, 2\]"),
        (InputSpec("X", FLOAT, (None, 3, 2)), {}, "does not fit"),
        (InputSpec("X", FLOAT, (None, 7)), {"X": {"features": ["face"], "shape": [7]}}, r"of shape \[N, 7\]"),
        (InputSpec("face", FLOAT, (None, None, None)), {}, r"leaves 2 axes free.*inputs: \{face: \{features: \[…\], shape: \[…, …\]\}\}"),
        (InputSpec("age", "tensor(uint8)", (None, 1)), {"age": ["amount"]}, "holds whole numbers from 0 to 255 only, and 2 of 3"),
        (InputSpec("age", "tensor(bool)", (None, 1)), {}, "holds 0 and 1 only, and 3 of 3 logged values"),
        (InputSpec("limit", FLOAT, ()), {"limit": ["age"]}, r"takes one value for all rows.*inputs: \{limit: \{value: …\}\}"),
        (InputSpec("limit", FLOAT, (None, 1)), {"limit": {"value": "much"}}, "cannot take 'much'"),
        (InputSpec("X", FLOAT, (None, 1)), {"X": ["income"]}, "takes feature income"),
        (InputSpec("country", FLOAT, (None, 1)), {}, "wants numbers, and feature country holds texts"),
        (InputSpec("age", TEXT, (None, 1)), {}, "wants texts, and feature age holds numbers"),
        (InputSpec("amount", "tensor(int64)", (None, 1)), {}, "2 of 3 logged values"),
        (InputSpec("age", "seq(tensor(float))", (None, 1)), {}, "is a sequence, which logged features cannot fill"),
        (InputSpec("age", "map(int64,tensor(float))", (None, 1)), {}, "is a map"),
        (InputSpec("X", FLOAT, (None, 3, 4, 4)), {"X": {"image": {"feature": "photo", "size": [4, 4], "roots": "/data"}}}, "read for trials only"),
    ],
)
def test_what_does_not_fit_names_the_input_its_type_and_its_shape(spec: InputSpec, stacked: dict[str, object], says: str) -> None:
    with pytest.raises(ShadowError, match=says) as error:
        fed([spec], COLUMNS, TYPES, said(**stacked), 3)
    assert str(error.value).startswith(str(spec))


def test_two_inputs_that_no_feature_is_named_like_ask_for_the_setting() -> None:
    with pytest.raises(ShadowError, match=r"inputs: \{X: \[…\]\}"):
        fed([InputSpec("X", FLOAT, (None, 2)), InputSpec("Z", FLOAT, (None, 2))], COLUMNS, TYPES, {}, 3)


def test_a_fixed_first_dimension_says_how_many_rows_go_at_once() -> None:
    assert rows_at_once([InputSpec("X", FLOAT, ("N", 2))]) is None
    assert rows_at_once([InputSpec("X", FLOAT, (1, 2))]) == 1


def test_a_vector_takes_the_shape_that_the_model_declares_row_major() -> None:
    pixels = np.arange(24.0).reshape(2, 12)
    filled = fed([InputSpec("photo", "tensor(uint8)", ("N", 3, None, 2))], {"photo": VectorColumn(pixels)}, {"photo": FeatureType.EMBEDDING}, {}, 2)["photo"]
    assert (filled.shape, filled.dtype.name) == ((2, 3, 2, 2), "uint8")
    assert filled[1, 2].tolist() == [[20, 21], [22, 23]]


def test_a_vector_that_no_row_has_is_missing_as_wide_as_the_input() -> None:
    types = {"face": FeatureType.EMBEDDING, "amount": FeatureType.NUMERIC}
    spec = InputSpec("face", "tensor(float)", (None, 2, 3))
    assert np.isnan(filled := feed([spec], {}, types, {}, 4)["face"][:]).all()
    assert filled.shape == (4, 2, 3)
    said = {"face": InputSettings(features=("face",), shape=(5, 2))}
    assert feed([InputSpec("face", "tensor(float)", (None, None, None))], {}, types, said, 4)["face"][:].shape == (4, 5, 2)
    with pytest.raises(ShadowError, match="does not fit"):
        feed([spec], {}, types, {"face": InputSettings(features=("amount",))}, 4)


def test_two_free_axes_take_what_was_said() -> None:
    columns: dict[str, Column] = {"photo": VectorColumn(np.arange(12.0)[None, :])}
    spec = InputSpec("X", "tensor(float16)", ("N", 3, "h", "w"))
    filled = fed([spec], columns, {"photo": FeatureType.EMBEDDING}, said(X={"features": ["photo"], "shape": [3, 1, 4]}), 1)["X"]
    assert (filled.shape, filled.dtype.name) == ((1, 3, 1, 4), "float16")


def test_what_no_feature_holds_is_the_same_for_every_row() -> None:
    specs = [InputSpec("t", FLOAT, (None, 1)), InputSpec("s", TEXT, (None,)), InputSpec("k", "tensor(int64)", ()), InputSpec("v", "tensor(double)", (None, 2))]
    filled = fed(specs, {}, {}, said(t={"value": 0.5}, s={"value": "EUR"}, k={"value": 3}, v={"value": [1, 2]}), 2)
    assert {name: np.asarray(each).tolist() for name, each in filled.items()} == {"t": [[0.5], [0.5]], "s": ["EUR", "EUR"], "k": 3, "v": [[1, 2], [1, 2]]}


def test_a_flag_is_a_flag_and_an_empty_text_a_text() -> None:
    columns: dict[str, Column] = {"is_new": NumberColumn(np.array([0.0, 1.0]))}
    filled = fed([InputSpec("is_new", "tensor(bool)", (None,))], columns, {"is_new": FeatureType.NUMERIC}, {}, 2)["is_new"]
    assert (filled.tolist(), filled.dtype.name) == ([False, True], "bool")


def pictured(spec: InputSpec, **settings: object) -> Pictures:
    """Two pictures of 1 x 2 pixels: red and green, blue and white."""
    pixels = np.array([[[[255, 0, 0], [0, 255, 0]]], [[[0, 0, 255], [255, 255, 255]]]], dtype=np.uint8)
    image = {"feature": "photo", "size": [1, 2], "roots": "/data", **settings}
    filled = feed([spec], {}, {}, said(X={"image": image}), 2, {"X": pixels})["X"]
    assert isinstance(filled, Pictures)
    return filled


def test_pictures_are_scaled_and_laid_out_as_the_model_wants_them() -> None:
    filled = pictured(InputSpec("X", FLOAT, ("N", 3, 1, 2)), mean=[0.5, 0.5, 0.0], std=[0.5, 0.25, 1.0])
    assert filled[0:1].tolist() == [[[[1.0, -1.0]], [[-2.0, 2.0]], [[0.0, 0.0]]]]  # by channel: red, green, blue of the two pixels
    as_they_are = pictured(InputSpec("X", "tensor(uint8)", (None, None, None, 3)), layout="nhwc")
    assert (as_they_are[1:2].tolist(), len(as_they_are)) == ([[[[0, 0, 255], [255, 255, 255]]]], 2)


def test_an_input_that_takes_no_such_pictures_is_named() -> None:
    with pytest.raises(ShadowError, match=r"input X \(tensor\(float\), shape \[N, 1, 1, 2\]\) does not take pictures of shape \[N, 3, 1, 2\] \(nchw\)"):
        pictured(InputSpec("X", FLOAT, ("N", 1, 1, 2)))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "say one of features, image and value"),
        ({"features": ["a"], "value": 1}, "say one of features, image and value"),
        ({"value": 1, "shape": [2]}, "shape goes with features"),
        ({"image": {"feature": "photo", "size": [4, 4], "roots": "/d", "mean": [0.1, 0.2]}}, "one number, or 3"),
        ({"image": {"feature": "photo", "size": [4, 4]}}, "roots"),
    ],
)
def test_what_makes_no_input_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        said(X=settings)


def test_a_list_is_short_for_features() -> None:
    assert said(X=["a", "b"])["X"] == InputSettings(features=("a", "b"))
    assert ImageSettings.model_validate({"feature": "f", "size": [2, 3], "roots": "s3://b/x"}).roots == ("s3://b/x",)
