"""Rankings: scikit-learn's NDCG on the same rows, hit rates by hand, and what is left out."""

import json
from dataclasses import replace
from math import log2

import numpy as np
import pytest
from sklearn import metrics

from tests.measures.views import view
from watchtower.core.labelled import Met, labelled, merge_labelled
from watchtower.core.merging import empty
from watchtower.core.naming import known
from watchtower.measures.performance import Performance
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.labels import RANKS, Labelled, Values
from watchtower.nouns.score import MeasureName, Scores
from watchtower.store.label_packing import pack_labelled, unpack_labelled


def words(texts: list[str]) -> Values:
    names = tuple(dict.fromkeys(texts))
    return Values(np.full(len(texts), np.nan), names, np.array([names.index(each) for each in texts], dtype=np.int32))


def summed(answers: list[object], labels: list[object], weights: Floats | None = None) -> Labelled:
    n = len(answers)
    whole = Met(words([json.dumps(each) for each in answers]), words([json.dumps(each) if isinstance(each, list | dict) else str(each) for each in labels]),
                np.full(n, 60.0), np.ones(n) if weights is None else weights)  # fmt: skip
    found = merge_labelled([labelled(whole.at(rows), PredictionKind.RANKING) for rows in np.array_split(np.arange(n), 3)])
    assert found is not None
    return found


def score(name: str, it: Labelled, k: int | None = None) -> Scores:
    seen = view(replace(empty(None), labelled=it))
    return Performance().score(name, seen if k is None else replace(seen, parameters={"k": k}))


RNG = np.random.default_rng(11)
ITEMS = 120
GAINS = RNG.integers(0, 4, (500, ITEMS)) * (RNG.random((500, ITEMS)) < 0.1)
GAINS[:, 0] += 1
SCORED = np.argsort(np.argsort(RNG.random((500, ITEMS)) + 0.3 * GAINS, axis=1), axis=1)
ORDERS = np.argsort(-SCORED, axis=1)
MANY = summed([[f"i{j}" for j in row] for row in ORDERS.tolist()], [{f"i{j}": float(gain) for j, gain in enumerate(row)} for row in GAINS.tolist()])


@pytest.mark.parametrize("k", RANKS)
def test_ndcg_agrees_with_scikit_learn(k: int) -> None:
    rows = [metrics.ndcg_score([gains], [scored], k=k) for gains, scored in zip(GAINS, SCORED, strict=True)]
    found = score("ndcg_at_k", MANY, k)
    assert found.values[0] == pytest.approx(np.mean(rows), abs=1e-12)
    assert found.n.tolist() == [500]
    assert found.low is not None
    assert found.low[0] == pytest.approx(np.mean(rows) - 1.9647 * np.std(rows) / np.sqrt(499), abs=1e-4)


@pytest.mark.parametrize("k", RANKS)
def test_the_hit_rate_counts_rows(k: int) -> None:
    hits = [bool((gains[order[:k]] > 0).any()) for gains, order in zip(GAINS, ORDERS, strict=True)]
    assert score("hit_rate_at_k", MANY, k).values[0] == pytest.approx(np.mean(hits), abs=1e-12)


def test_by_hand() -> None:
    it = summed([["a", "b", "c"], ["a", "b", "c"], ["a", "b"]], ["b", ["c", "z"], {"a": 1.0, "b": 3.0}])
    ideal, best = 1 + 1 / log2(3), 3 + 1 / log2(3)
    assert score("ndcg_at_k", it, 3).values[0] == pytest.approx((1 / log2(3) + (1 / 2) / ideal + (1 + 3 / log2(3)) / best) / 3)
    assert score("ndcg_at_k", it, 1).values[0] == pytest.approx((0 + 0 + 1 / 3) / 3)
    assert [score("hit_rate_at_k", it, k).values[0] for k in (1, 3)] == [pytest.approx(1 / 3), 1.0]
    assert score("hit_rate_at_k", it).values[0] == 1.0


def test_weights_weigh() -> None:
    it = summed([["a"], ["b"], ["a"]], ["a", "a", "a"], np.array([1.0, 2.0, 1.0]))
    assert score("hit_rate_at_k", it).values[0] == 0.5
    assert score("ndcg_at_k", it).values[0] == 0.5


def test_repeated_items_count_once_and_rows_without_anything_relevant_not_at_all() -> None:
    it = summed([["b", "a", "a"], ["a"], ["a"], ["a"]], ["a", [], {"a": 0.0}, ["a"]])
    assert it.rows == 2
    assert score("ndcg_at_k", it).values[0] == pytest.approx((1 / log2(3) + 1) / 2)
    nothing = labelled(Met(words(["[]x", "7"]), words(["a", "a"]), np.zeros(2), np.ones(2)), PredictionKind.RANKING)
    assert nothing.rows == 0
    assert score("ndcg_at_k", nothing).reasons == ("no labels",)


def test_gains_of_any_size_are_finite() -> None:
    assert score("ndcg_at_k", summed([["a", "b"]] * 3, [{"a": 1e300, "b": 1e300}] * 3)).values[0] == pytest.approx(1.0)


def test_sums_come_back_from_the_store() -> None:
    back = unpack_labelled(pack_labelled(MANY))
    assert back.ranks is not None
    assert MANY.ranks is not None
    assert np.array_equal(back.ranks, MANY.ranks)


def test_other_kinds_have_reasons() -> None:
    number = Values(np.ones(3), (), np.full(3, -1, dtype=np.int32))
    it = labelled(Met(number, number, np.zeros(3), np.ones(3)), PredictionKind.NUMBER)
    assert score("ndcg_at_k", it).reasons == ("rankings only",)
    assert score("accuracy", MANY).reasons == ("classes and probabilities only",)


def test_a_depth_that_is_not_kept_is_named() -> None:
    assert known(MeasureName.parse("performance.ndcg_at_k")) is None
    assert known(MeasureName.parse("performance.hit_rate_at_k(k=5)")) is None
    assert known(MeasureName.parse("performance.ndcg_at_k(k=7)")) == "measure 'performance.ndcg_at_k(k=7)': k is one of 1, 3, 5, 10, 20, 50, 100"
    assert known(MeasureName.parse("performance.ndcg_at_k(n=5)")) == "measure 'performance.ndcg_at_k(n=5)': it has no parameter n; its parameters: k"
    assert known(MeasureName.parse("performance.accuracy(k=5)")) == "measure 'performance.accuracy' takes no parameters"
