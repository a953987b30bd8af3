"""One spelling for labels and classes, and which output holds the answer."""

import math

import numpy as np
import pytest

from watchtower.core.answers import answers_as_numbers, labels_as_numbers, read_answers, spelled
from watchtower.nouns.batch import NumberColumn, PredictionKind, TextColumn
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.settings import PredictionSettings

CLASS, PROBABILITY, NUMBER = PredictionKind.CLASS, PredictionKind.PROBABILITY, PredictionKind.NUMBER


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1.0", "1"),
        (" 01 ", "1"),
        (True, "1"),
        ("False", "0"),
        (np.int64(3), "3"),
        (0.5, "0.5"),
        ("fraud", "fraud"),
        ("1_000", "1_000"),
        ("", None),
        (None, None),
        (math.nan, None),
        (b"ok", "ok"),
    ],
)
def test_a_label_has_one_spelling_however_it_is_written(value: object, spelling: str | None) -> None:
    assert spelled(value) == spelling


def test_labels_become_what_the_loss_reads() -> None:
    assert labels_as_numbers(["fraud", "ok"], PROBABILITY, "fraud", {}).tolist() == [1.0, 0.0]
    assert labels_as_numbers(["1", "0"], PROBABILITY, None, {}).tolist() == [1.0, 0.0]
    assert np.isnan(labels_as_numbers([None, "much"], NUMBER, None, {})).all()
    classes = {"a": 0}
    assert labels_as_numbers(["b", "a"], CLASS, None, classes).tolist() == [1.0, 0.0]
    assert classes == {"a": 0, "b": 1}


def test_logged_answers_are_coded_like_labels() -> None:
    classes: dict[str, int] = {}
    words = TextColumn(np.array([1, 0, -1], dtype=np.int32), ("1.0", "0"))
    assert np.array_equal(answers_as_numbers(words, CLASS, classes, 3), [0.0, 1.0, np.nan], equal_nan=True)
    assert classes == {"0": 0, "1": 1}
    assert np.isnan(answers_as_numbers(None, PROBABILITY, {}, 2)).all()
    assert np.array_equal(answers_as_numbers(NumberColumn(np.array([0.5, np.inf])), NUMBER, {}, 2), [0.5, np.nan], equal_nan=True)


def settings(kind: PredictionKind, **more: object) -> PredictionSettings:
    return PredictionSettings.model_validate({"kind": kind, **more})


BOTH = {"label": np.array([0, 1]), "probabilities": np.array([[0.8, 0.2], [0.1, 0.9]])}


@pytest.mark.parametrize(
    ("arrays", "wanted", "answers"),
    [
        ({"any": np.array([[0.2], [0.9]])}, settings(PROBABILITY), [0.2, 0.9]),
        ({"any": np.array([0.2, np.inf])}, settings(NUMBER), [0.2, math.nan]),
        (BOTH, settings(PROBABILITY), [0.2, 0.9]),
        (BOTH, settings(PROBABILITY, positive="fraud"), [0.2, 0.9]),
        (BOTH, settings(PROBABILITY, positive=0), [0.8, 0.1]),
        (BOTH, settings(PROBABILITY, index=0), [0.8, 0.1]),
        (BOTH, settings(PROBABILITY, output="label"), [0.0, 1.0]),
    ],
)
def test_the_answer_is_read_from_the_right_output(arrays: dict[str, np.ndarray], wanted: PredictionSettings, answers: list[float]) -> None:
    found = read_answers(arrays, {}, wanted)
    assert np.array_equal(np.asarray(found, dtype=float), answers, equal_nan=True)


def test_a_class_is_read_from_the_label_and_a_map_by_its_keys() -> None:
    assert read_answers(BOTH, {}, settings(CLASS)) == ("0", "1")
    maps = {"output_label": np.array(["ok"]), "output_probability": np.array([[0.7, 0.3]])}
    found = read_answers(maps, {"output_probability": ("fraud", "ok")}, settings(PROBABILITY, positive="fraud"))
    assert np.asarray(found).tolist() == [0.7]


@pytest.mark.parametrize(
    ("arrays", "wanted"),
    [
        ({"a": np.zeros(2), "b": np.zeros(2)}, settings(PROBABILITY)),
        (BOTH, settings(PROBABILITY, output="logits")),
        ({"a": np.zeros((2, 3))}, settings(PROBABILITY, index=3)),
        ({"a": np.array(["x", "y"])}, settings(PROBABILITY)),
        ({"a": np.zeros((2, 3))}, settings(PredictionKind.VECTOR)),
    ],
)
def test_where_no_output_fits_the_error_lists_those_that_there_are(arrays: dict[str, np.ndarray], wanted: PredictionSettings) -> None:
    with pytest.raises(ShadowError, match=r"outputs: \w+ "):
        read_answers(arrays, {}, wanted)
