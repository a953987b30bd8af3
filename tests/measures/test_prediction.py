"""Predictions."""

import numpy as np
import pytest

from tests.measures.views import folded, served, told, view
from watchtower.core.binning import make_binning
from watchtower.measures.prediction import Prediction
from watchtower.nouns.batch import NumberColumn, PredictionKind, TextColumn

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
