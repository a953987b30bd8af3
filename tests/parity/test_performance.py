"""Performance from joined labels beside scikit-learn's, and the rank sum beside scipy's, fed the same rows or counts."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tests.measures.views import view
from watchtower.core.labelled import Met, labelled
from watchtower.core.merging import empty
from watchtower.core.two_samples import mann_whitney
from watchtower.measures.performance import Performance
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.labels import SCORE_EDGES, Labelled, Values


def numbers(values: Floats) -> Values:
    return Values(values, (), np.full(len(values), -1, dtype=np.int32))


def met(answers: Values, labels: Values) -> Met:
    return Met(answers, labels, np.zeros(len(answers)), np.ones(len(answers)))


def measured(name: str, found: Labelled) -> dict[str, float]:
    scores = Performance().score(name, view(replace(empty(None), rows=found.rows, labelled=found)))
    assert set(scores.reasons) == {None}
    return dict(zip(scores.subjects, scores.values.tolist(), strict=True))


def probabilities(seed: int, rate: float) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    y = (rng.random(5_000) < rate).astype(np.float64)
    return y, 1 / (1 + np.exp(-(rng.normal(0, 1.5, 5_000) + 2 * y + np.log(rate))))


@pytest.mark.parametrize(("seed", "rate"), [(1, 0.5), (2, 0.1), (3, 0.01)])
def test_roc_auc_within_its_cells(seed: int, rate: float) -> None:
    y, p = probabilities(seed, rate)
    found = labelled(met(numbers(p), numbers(y)), PredictionKind.PROBABILITY)
    positive, negative = (np.histogram(p[y == side], SCORE_EDGES)[0] for side in (1, 0))
    bound = float(positive @ negative) / (2 * positive.sum() * negative.sum())
    assert measured("roc_auc", found)[""] == pytest.approx(metrics.roc_auc_score(y, p), abs=bound + 1e-12)
    assert bound < 0.01
    cell = np.searchsorted(SCORE_EDGES, p, side="right")
    assert measured("roc_auc", found)[""] == pytest.approx(metrics.roc_auc_score(y, cell), rel=1e-12)  # of the same cells exactly


@pytest.mark.parametrize(("seed", "rate"), [(1, 0.5), (2, 0.1), (3, 0.01)])
def test_log_loss_brier_and_f1_of_probabilities(seed: int, rate: float) -> None:
    y, p = probabilities(seed, rate)
    p[:3] = 0.0, 1.0, 0.5
    found = labelled(met(numbers(p), numbers(y)), PredictionKind.PROBABILITY)
    assert measured("log_loss", found)[""] == pytest.approx(metrics.log_loss(y, p), rel=1e-12)
    assert measured("brier", found)[""] == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-12)
    assert measured("f1", found)[""] == pytest.approx(metrics.f1_score(y, p >= 0.5), rel=1e-12)
    assert measured("accuracy", found)[""] == pytest.approx(metrics.accuracy_score(y, p >= 0.5), rel=1e-12)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
@pytest.mark.parametrize("seed", range(3))
def test_classes_macro_and_each(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 5, 2_000).astype(np.float64)
    said = np.where(rng.random(2_000) < 0.7, y, rng.integers(0, 5, 2_000)).astype(np.float64)
    theirs = getattr(metrics, f"{name}_score")
    found = measured(name, labelled(met(numbers(said), numbers(y)), PredictionKind.CLASS))
    assert found[""] == pytest.approx(theirs(y, said, average="macro"), rel=1e-12)
    assert [found[f"{i}"] for i in range(5)] == pytest.approx(theirs(y, said, average=None).tolist(), rel=1e-12)


def test_errors_of_numbers() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(50, 10, 3_000)
    said = y + rng.normal(1, 4, 3_000)
    found = labelled(met(numbers(said), numbers(y)), PredictionKind.NUMBER, centre=45.0)
    assert measured("mae", found)[""] == pytest.approx(metrics.mean_absolute_error(y, said), rel=1e-9)
    assert measured("rmse", found)[""] == pytest.approx(metrics.root_mean_squared_error(y, said), rel=1e-9)
    assert measured("mape", found)[""] == pytest.approx(metrics.mean_absolute_percentage_error(y, said), rel=1e-9)
    assert measured("r2", found)[""] == pytest.approx(metrics.r2_score(y, said), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_mann_whitney_of_the_same_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 30, 700), np.minimum(rng.integers(0, 32, 400), 29)
    counts, others = (np.bincount(each, minlength=30).astype(np.float64) for each in (one, other))
    assert mann_whitney(counts, others) == pytest.approx(stats.mannwhitneyu(one, other, method="asymptotic").pvalue, rel=1e-9)
