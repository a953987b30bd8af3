"""What features matter to a version."""

import math

import numpy as np
import pytest

from watchtower.core.importance import change, harm, ndcg, weighted
from watchtower.nouns.batch import PredictionKind
from watchtower.nouns.score import Scores


def test_change_is_the_loss_of_the_moved_answers_where_the_first_are_taken_for_true() -> None:
    before, after = np.array([0.5, 0.2, np.nan]), np.array([0.7, 0.2, 0.9])
    assert change(PredictionKind.PROBABILITY, before, after, 1) == pytest.approx(0.04 / 2)
    assert change(PredictionKind.CLASS, np.array([0.0, 1.0]), np.array([0.0, 2.0]), 1) == 0.5
    assert change(PredictionKind.NUMBER, np.array([0.0, 8.0]), np.array([2.0, 8.0]), 2.0) == pytest.approx(0.25 / 2)
    assert change(PredictionKind.NUMBER, np.array([np.nan]), np.array([2.0]), 2.0) == 0


def test_harm_is_by_how_much_the_loss_rose_and_never_negative() -> None:
    labels, before = np.array([1.0, 0.0, np.nan]), np.array([0.9, 0.2, 0.5])
    assert harm(PredictionKind.PROBABILITY, before, np.array([0.5, 0.2, 0.0]), labels, 1) == pytest.approx((0.25 - 0.01) / 2)
    assert harm(PredictionKind.PROBABILITY, before, np.array([1.0, 0.0, 0.0]), labels, 1) == 0
    assert harm(PredictionKind.PROBABILITY, before, before, np.full(3, np.nan), 1) == 0


def test_ndcg_by_hand() -> None:
    reference = {"a": 3.0, "b": 2.0, "c": 1.0}
    best = 3 + 2 / math.log2(3) + 1 / 2
    assert ndcg(reference, {"a": 9.0, "b": 5.0, "c": 1.0}) == 1
    assert ndcg(reference, {"c": 9.0, "a": 5.0, "b": 1.0}) == pytest.approx((1 + 3 / math.log2(3) + 2 / 2) / best)


def test_without_any_importance_there_is_no_ranking() -> None:
    assert ndcg({"a": 0.0}, {"a": 1.0}) == "no feature matters in the reference"
    assert ndcg({}, {}) == "no feature matters in the reference"


def test_drift_is_weighted_over_the_features_that_have_both() -> None:
    scores = Scores.of(["a", "b", "c", "d"], [(0.5, 100), (0.1, 90), ("constant reference", 80), (9.0, 70)])
    value, n = weighted(scores, {"a": 3.0, "b": 1.0, "c": 5.0, "d": 0.0})
    assert value == pytest.approx(0.4)  # (3 · 0.5 + 0.1) / 4
    assert n == 90
    assert weighted(scores, {"x": 1.0}) == ("no importance", 0)
    assert weighted(Scores.none(["a"], "12 of 200 rows"), {"a": 1.0}) == ("12 of 200 rows", 0)
