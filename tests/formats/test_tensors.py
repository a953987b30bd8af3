"""Nested lists in a feature: a picture in the message itself."""

import json

import numpy as np

from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, FeatureType, Messages, Schema, VectorColumn
from watchtower.nouns.window import Partition

CATALOG = Catalog({"eyes": Schema({"photo": FeatureType.EMBEDDING})})
PHOTO = [[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]]


def photo(*messages: object) -> VectorColumn:
    values = [json.dumps(each).encode() for each in messages]
    read = Messages(Partition("t"), values, np.arange(len(values)), len(values), np.zeros(len(values), dtype=np.int64))
    (batch,) = WatchtowerJson().decode([read], CATALOG).predictions
    column = batch.features["photo"]
    assert isinstance(column, VectorColumn)
    return column


def test_a_tensor_is_laid_out_row_major() -> None:
    flat, nested = ({"model": "eyes", "features": {"photo": each}} for each in ([*range(1, 13)], PHOTO))
    column = photo(flat, nested)
    assert column.values.tolist() == [[*range(1, 13)]] * 2
    assert column.bad is None


def test_tensors_of_a_message_with_rows_are_told_apart_by_their_first_axis() -> None:
    column = photo({"model": "eyes", "rows": 2, "features": {"photo": [PHOTO, PHOTO[::-1]]}})
    assert column.values[:, 0].tolist() == [1, 9]
    assert column.values.shape == (2, 12)


def test_a_ragged_one_and_one_with_words_inside_are_type_errors_and_missing() -> None:
    ragged = [[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11]]]
    words = [[["1", 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]]
    said: list[object] = [PHOTO, ragged, words, None, [[]]]
    column = photo(*({"model": "eyes", "features": {"photo": each}} for each in said))
    assert np.isnan(column.values[1:]).all()
    assert column.bad is not None
    assert column.bad.tolist() == [0, 1, 1, 0, 1]
