"""Predictions."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from tests.measures.views import folded, served, told, view
from watchtower.core.binning import make_binning
from watchtower.measures.prediction import Prediction
from watchtower.nouns.batch import NumberColumn, PredictionKind, TextColumn, VectorColumn
from watchtower.nouns.settings import PredictionSettings, Watched

NUMBERS = {"": NumberColumn(np.array([0.1, 0.2, 0.6]))}
CLASSES = {"": TextColumn(np.array([0, 0, 1], dtype=np.int32), ("cat", "dog"))}


def test_the_mean_is_of_predictions_that_are_there() -> None:
    binning = make_binning(NUMBERS, {}, PredictionKind.PROBABILITY, ())
    profile = folded(binning, {"": NumberColumn(np.array([0.5, 0.8, np.nan]))}, 3)
    scores = Prediction().score("mean", view(profile, binning=binning))
    assert told(scores) == {"": pytest.approx(0.65)}
    assert scores.n.tolist() == [2]
    assert told(Prediction().score("class_share", view(profile, binning=binning))) == {"": "classes only"}


def test_classes_have_shares() -> None:
    binning = make_binning(CLASSES, {}, PredictionKind.CLASS, ())
    profile = folded(binning, {"": TextColumn(np.array([0, 1, 1, 2, -1], dtype=np.int32), ("cat", "dog", "fox"))}, 5)
    assert told(Prediction().score("class_share", view(profile, binning=binning))) == {"cat": 0.25, "dog": 0.5}
    assert told(Prediction().score("mean", view(profile, binning=binning))) == {"": "probabilities and numbers only"}


def test_what_cannot_be_had_has_a_reason() -> None:
    binning = make_binning(NUMBERS, {}, PredictionKind.NUMBER, ())
    assert told(Prediction().score("mean", view(served(3), reason="reference: 1 of 2 windows"))) == {"": "reference: 1 of 2 windows"}
    assert told(Prediction().score("mean", view(served(0), binning=binning))) == {"": "no rows"}
    assert told(Prediction().score("mean", view(folded(binning, {}, 4), binning=binning))) == {"": "no rows"}
    assert told(Prediction().score("mean", view(served(3), binning=make_binning({}, {}, None, ())))) == {"": "no predictions in the reference"}


def test_confidence_and_entropy_of_probabilities_with_students_interval() -> None:
    """max(p, 1 - p) of 0.5, 0.8, 0.1 is 0.5, 0.8, 0.9: mean 0.7333, sd 0.2082, t 4.3027."""
    binning = make_binning(NUMBERS, {}, PredictionKind.PROBABILITY, ())
    at = view(folded(binning, {"": NumberColumn(np.array([0.5, 0.8, 0.1, np.nan]))}, 4), binning=binning)
    scores = Prediction().score("confidence", at)
    assert told(scores) == {"": pytest.approx(2.2 / 3)}
    assert scores.n.tolist() == [3]
    assert scores.more(0) == {"low": pytest.approx(0.7333 - 4.3027 * 0.20817 / 3**0.5, abs=1e-4), "high": 1.0}
    entropies = [log(2), -(0.8 * log(0.8) + 0.2 * log(0.2)), -(0.1 * log(0.1) + 0.9 * log(0.9))]
    assert told(Prediction().score("entropy", at)) == {"": pytest.approx(sum(entropies) / 3)}


def test_vectors_have_confidence_entropy_and_shares_of_their_classes() -> None:
    vectors = {"": VectorColumn(np.array([[3.0, 1.0], [0.0, 2.0], [1.0, 3.0]]))}
    binning = make_binning(vectors, {}, PredictionKind.VECTOR, ())
    at = view(folded(binning, vectors, 3), binning=binning)
    assert told(Prediction().score("confidence", at)) == {"": pytest.approx(2.5 / 3)}
    assert told(Prediction().score("entropy", at)) == {"": pytest.approx(2 / 3 * (0.75 * log(4 / 3) + 0.25 * log(4)))}
    assert told(Prediction().score("class_share", at)) == {"1": pytest.approx(2 / 3), "0": pytest.approx(1 / 3)}
    assert Prediction().score("class_share", at).more(0)["low"] == pytest.approx(0.2077, abs=5e-5)


def test_other_predictions_have_no_confidence_and_old_references_none_either() -> None:
    binning = make_binning(NUMBERS, {}, PredictionKind.NUMBER, ())
    at = view(folded(binning, NUMBERS, 3), binning=binning)
    assert told(Prediction().score("confidence", at)) == {"": "probabilities and vectors only"}
    old = replace(at, settings=Watched(prediction=PredictionSettings(kind=PredictionKind.PROBABILITY)))
    assert told(Prediction().score("entropy", old)) == {"": "the reference was made without prediction.entropy"}
