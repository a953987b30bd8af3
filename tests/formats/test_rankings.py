"""Rankings and their labels, as the native format reads them."""

import json

import numpy as np
import pytest

from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Decoded, Messages, PredictionKind, Reason, Schema, TextColumn
from watchtower.nouns.window import Partition

CATALOG = Catalog({"shop": Schema(prediction=PredictionKind.RANKING), "fraud": Schema(prediction=PredictionKind.CLASS)})


def decoded(*values: object) -> Decoded:
    n = len(values)
    raw = [json.dumps(value).encode() for value in values]
    return WatchtowerJson().decode([Messages(Partition("t"), raw, np.arange(n), n, np.full(n, 1_760_000_000_000_000))], CATALOG)


def column(*answers: object) -> TextColumn:
    (batch,) = decoded(*({"model": "shop", "prediction": answer} for answer in answers)).predictions
    assert isinstance(batch.prediction, TextColumn)
    return batch.prediction


def read(answer: object) -> str | None:
    found = column(answer)
    return found.names[found.codes[0]] if found.codes[0] >= 0 else None


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (["b", "a"], '["b","a"]'),
        ([7, "7b", 8.0, 0.5], '["7","7b","8","0.5"]'),
        ([], "[]"),
        (list(range(300)), json.dumps([str(i) for i in range(100)], separators=(",", ":"))),
        (None, None),
    ],
)
def test_a_ranking_is_its_first_hundred_ids(answer: object, text: str | None) -> None:
    assert read(answer) == text
    assert column(answer).bad is None


@pytest.mark.parametrize("answer", ["a", 7, {"a": 1}, [["a"]], [True], [None], [""], ["a", {}]])
def test_what_is_no_list_of_ids_is_a_type_error(answer: object) -> None:
    found = column(["a"], answer)
    assert found.codes.tolist() == [0, -1]
    assert found.bad is not None
    assert found.bad.tolist() == [0, 1]


def test_long_ids_are_bounded_alike_on_both_sides() -> None:
    long = "x" * 10_000
    text = read([long])
    assert text is not None
    assert len(text) == 36
    labels = decoded({"model": "shop", "id": "r", "label": long}).labels
    assert labels is not None
    assert labels.labels == [text]


def test_rows_of_one_message_have_a_ranking_each() -> None:
    (batch,) = decoded({"model": "shop", "rows": 2, "prediction": [["a", "b"], ["b"]]}).predictions
    assert isinstance(batch.prediction, TextColumn)
    assert batch.prediction.names == ('["a","b"]', '["b"]')


def test_a_label_is_an_id_or_several_or_gains() -> None:
    many = {str(i): float(i) for i in range(3_000)}
    found = decoded(
        {"model": "shop", "id": "a", "label": 7.0},
        {"model": "shop", "id": "b", "label": ["x", 7]},
        {"model": "shop", "id": "c", "label": {"x": 3, "y": 0}},
        {"model": "shop", "id": "d", "label": []},
        {"model": "fraud", "id": "e", "label": 7.0},
        {"model": "shop", "rows": 2, "id": ["f", "g"], "label": [["x"], "[y"]},
        {"model": "shop", "id": "h", "label": many},
    )
    assert found.rejected == []
    assert found.labels is not None
    assert found.labels.labels[:-1] == ['["7"]', '["x","7"]', '{"x":3.0}', "[]", "7", '["x"]', '["[y"]']
    kept = json.loads(found.labels.labels[-1])
    assert (len(kept), min(kept.values())) == (1_000, 2_000.0)


@pytest.mark.parametrize("label", [[["x"]], [None], {"x": -1}, {"x": "much"}, {"x": True}, {"": 1}, True, {"x": None}], ids=str)
def test_other_labels_of_a_ranking_are_rejected(label: object) -> None:
    found = decoded({"model": "shop", "id": "a", "label": label}, {"model": "shop", "id": "b", "label": "x"})
    assert [each.reason for each in found.rejected] == [Reason.BAD_TYPE]
    assert found.labels is not None
    assert found.labels.ids == ["b"]


@pytest.mark.parametrize("label", [["x"], {"x": 1}])
def test_other_models_take_no_lists(label: object) -> None:
    assert [each.reason for each in decoded({"model": "fraud", "id": "a", "label": label}).rejected] == [Reason.BAD_TYPE]
