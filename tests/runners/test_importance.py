"""Which features matter to a model, by running it again on shuffled ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.runners.models import logistic, placed, two_outputs
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, PredictionKind, TextColumn
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.inputs import InputSettings
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners._importance import Permuter, Question
from watchtower.runners.onnx import Onnx

pytest.importorskip("onnxruntime")
RANDOM = np.random.default_rng(1)
ROWS = 400
X = RANDOM.normal(size=(ROWS, 3))


@pytest.fixture
def question(tmp_path: Path) -> Question:
    """A probability of three numbers, of which the last one does nothing."""
    return Question(
        runner=Onnx(),
        artefact=placed(tmp_path, "1", logistic([2.0, -0.5, 0.0])),
        columns={name: NumberColumn(X[:, i]) for i, name in enumerate("abc")},
        rows=ROWS,
        types=dict.fromkeys("abc", FeatureType.NUMERIC),
        inputs={},
        prediction=PredictionSettings(kind=PredictionKind.PROBABILITY),
        device="cpu",
        shuffles=3,
    )


def test_answers_move_most_with_what_the_model_reads_most(question: Question) -> None:
    reply = Permuter()(question)
    assert reply.answers == pytest.approx(1 / (1 + np.exp(-(X @ [2.0, -0.5, 0.0]))), abs=1e-5)
    assert reply.change["a"] > reply.change["b"] > reply.change["c"] == 0
    assert reply.harm is None


def test_labels_say_by_how_much_the_loss_rises(question: Question) -> None:
    labels = (X[:, 0] > 0).astype(float)
    reply = Permuter()(replace(question, labels=labels))
    assert reply.harm is not None
    assert reply.harm["a"] > 0.1 > reply.harm["b"]
    assert reply.harm["c"] == 0


def test_without_shuffles_there_are_only_answers(question: Question) -> None:
    reply = Permuter()(replace(question, shuffles=0))
    assert len(reply.answers) == ROWS
    assert reply.change == {}


def test_classes_change_or_not(tmp_path: Path) -> None:
    amounts, codes = RANDOM.normal(size=ROWS), RANDOM.integers(0, 2, ROWS).astype(np.int32)
    columns: dict[str, Column] = {"amount": NumberColumn(amounts), "country": TextColumn(codes, ("de", "fr"))}
    asked = Question(
        runner=Onnx(),
        artefact=placed(tmp_path, "1", two_outputs(0.0, ["de", "fr"], [-1.0, 1.0])),
        columns=columns,
        rows=ROWS,
        types={"amount": FeatureType.NUMERIC, "country": FeatureType.CATEGORICAL},
        inputs={},
        prediction=PredictionSettings(kind=PredictionKind.CLASS),
        device="cpu",
        shuffles=5,
    )
    reply = Permuter()(asked)
    assert reply.change == {"amount": 0.0, "country": pytest.approx(0.5, abs=0.06)}  # two even classes: a shuffle changes half of the rows


def test_a_model_that_does_not_fit_the_rows_says_so(question: Question) -> None:
    with pytest.raises(ShadowError, match="does not fit the logged features"):
        Permuter()(replace(question, inputs={"X": InputSettings(features=("a",))}))
