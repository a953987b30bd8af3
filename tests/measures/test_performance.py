"""Performance: scikit-learn's numbers on the same rows, intervals that hold the truth, and reasons."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from tests.measures.views import told, view
from watchtower.core.labelled import Met, labelled, merge_labelled
from watchtower.core.merging import empty
from watchtower.measures.labels import Labels
from watchtower.measures.performance import Performance
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.labels import Labelled, Values
from watchtower.nouns.score import Scores


def values(array: Floats) -> Values:
    return Values(np.asarray(array, dtype=np.float64), (), np.full(len(array), -1, dtype=np.int32))


def summed(answers: Floats, labels: Floats, kind: PredictionKind, weights: Floats | None = None) -> Labelled:
    """In three parts, as windows bring them."""
    whole = Met(values(answers), values(labels), np.full(len(answers), 60.0), np.ones(len(answers)) if weights is None else weights)
    found = merge_labelled([labelled(whole.at(rows), kind, centre=i * 10.0) for i, rows in enumerate(np.array_split(np.arange(len(answers)), 3))])
    assert found is not None
    return found


def score(name: str, it: Labelled | None) -> Scores:
    return Performance().score(name, view(replace(empty(None), labelled=it)))


RNG = np.random.default_rng(5)
P = RNG.beta(0.6, 2.0, 4000)
Y = (RNG.random(4000) < P).astype(np.float64)
CERTAIN = summed(P, Y, PredictionKind.PROBABILITY)
CLASSES = RNG.integers(0, 4, 3000).astype(np.float64)
SAID = np.where(RNG.random(3000) < 0.7, CLASSES, RNG.integers(0, 5, 3000)).astype(np.float64)
SURE = summed(SAID, CLASSES, PredictionKind.CLASS)
AMOUNT = RNG.normal(100.0, 20.0, 3000)
GUESS = AMOUNT + RNG.normal(2.0, 8.0, 3000)
NUMBERS = summed(GUESS, AMOUNT, PredictionKind.NUMBER)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("accuracy", lambda: metrics.accuracy_score(Y, P >= 0.5)),
        ("precision", lambda: metrics.precision_score(Y, P >= 0.5)),
        ("recall", lambda: metrics.recall_score(Y, P >= 0.5)),
        ("f1", lambda: metrics.f1_score(Y, P >= 0.5)),
        ("log_loss", lambda: metrics.log_loss(Y, P)),
        ("brier", lambda: metrics.brier_score_loss(Y, P)),
    ],
)
def test_probabilities_agree_with_scikit_learn(name: str, theirs: Callable[[], float]) -> None:
    found = score(name, CERTAIN)
    assert told(found) == {"": pytest.approx(theirs(), abs=1e-12)}
    assert found.n.tolist() == [4000]


def test_roc_auc_agrees_within_the_cells() -> None:
    assert CERTAIN.scores is not None
    negative, positive = CERTAIN.scores
    bound = 0.5 * float(negative @ positive) / (negative.sum() * positive.sum())
    assert score("roc_auc", CERTAIN).values[0] == pytest.approx(metrics.roc_auc_score(Y, P), abs=bound)
    assert bound < 0.002


def test_roc_auc_resolves_rare_classes() -> None:
    p = 10 ** RNG.uniform(-6, -2, 20_000)
    y = (RNG.random(20_000) < 20 * p).astype(np.float64)
    assert score("roc_auc", summed(p, y, PredictionKind.PROBABILITY)).values[0] == pytest.approx(metrics.roc_auc_score(y, p), abs=2e-3)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_classes_agree_with_scikit_learn(name: str) -> None:
    theirs = getattr(metrics, f"{name}_score")
    found = told(score(name, SURE))
    assert found[""] == pytest.approx(theirs(CLASSES, SAID, average="macro", zero_division=0))
    single = theirs(CLASSES, SAID, average=None, zero_division=0)
    assert [found[str(i)] for i in range(4)] == pytest.approx(single[:4].tolist())
    assert found["4"] == ("no such label" if name == "recall" else pytest.approx(0.0))


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("mae", lambda: metrics.mean_absolute_error(AMOUNT, GUESS)),
        ("rmse", lambda: metrics.root_mean_squared_error(AMOUNT, GUESS)),
        ("mape", lambda: metrics.mean_absolute_percentage_error(AMOUNT, GUESS)),
        ("r2", lambda: metrics.r2_score(AMOUNT, GUESS)),
        ("bias", lambda: float((GUESS - AMOUNT).mean())),
    ],
)
def test_numbers_agree_with_scikit_learn(name: str, theirs: Callable[[], float]) -> None:
    assert told(score(name, NUMBERS)) == {"": pytest.approx(theirs(), rel=1e-9)}


def test_calibration_error_by_hand() -> None:
    found = summed(np.array([0.1, 0.1, 0.9, 0.9]), np.array([0.0, 1.0, 1.0, 1.0]), PredictionKind.PROBABILITY)
    assert score("ece", found).values[0] == pytest.approx(0.5 * 0.4 + 0.5 * 0.1)


def test_a_half_is_positive_and_f1_by_hand() -> None:
    found = summed(np.array([0.5, 0.9, 0.6, 0.2, 0.1]), np.array([1.0, 1.0, 0.0, 1.0, 0.0]), PredictionKind.PROBABILITY)
    assert {name: float(score(name, found).values[0]) for name in ("accuracy", "precision", "recall", "f1")} == pytest.approx(
        {"accuracy": 0.6, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3}
    )
    low, high = score("accuracy", found).low, score("accuracy", found).high
    assert low is not None
    assert high is not None
    assert (low[0], high[0]) == pytest.approx((0.2307, 0.8824), abs=1e-4)  # Wilson's interval of 3 in 5


def _covered(name: str, draw: Callable[[np.random.Generator], tuple[Floats, Floats]], kind: PredictionKind, truth: float) -> float:
    rng, hits = np.random.default_rng(17), 0
    for _ in range(150):
        answers, labels = draw(rng)
        found = score(name, labelled(Met(values(answers), values(labels), np.zeros(len(answers)), np.ones(len(answers))), kind))
        assert found.low is not None
        assert found.high is not None
        hits += bool(found.low[0] <= truth <= found.high[0])
    return hits / 150


def _probabilities(rng: np.random.Generator) -> tuple[Floats, Floats]:
    p = rng.uniform(0, 1, 400)
    return p, (rng.random(400) < p).astype(np.float64)


def _numbers(rng: np.random.Generator) -> tuple[Floats, Floats]:
    y = rng.normal(0, 2, 300)
    return y + rng.normal(0.5, 1, 300), y


def _classes(rng: np.random.Generator) -> tuple[Floats, Floats]:
    y = rng.integers(0, 2, 400).astype(np.float64)
    return np.where(rng.random(400) < 0.8, y, 1 - y), y


@pytest.mark.parametrize(
    ("name", "draw", "kind", "truth"),
    [
        ("accuracy", _probabilities, PredictionKind.PROBABILITY, 0.75),
        ("f1", _probabilities, PredictionKind.PROBABILITY, 0.75),
        ("roc_auc", _probabilities, PredictionKind.PROBABILITY, 5 / 6),
        ("brier", _probabilities, PredictionKind.PROBABILITY, 1 / 6),
        ("log_loss", _probabilities, PredictionKind.PROBABILITY, 0.5),
        ("f1", _classes, PredictionKind.CLASS, 0.8),
        ("precision", _classes, PredictionKind.CLASS, 0.8),
        ("mae", _numbers, PredictionKind.NUMBER, 0.8956),
        ("rmse", _numbers, PredictionKind.NUMBER, np.sqrt(1.25)),
        ("bias", _numbers, PredictionKind.NUMBER, 0.5),
        ("r2", _numbers, PredictionKind.NUMBER, 1 - 1.25 / 4),
    ],
)
def test_intervals_hold_the_truth_in_95_percent(
    name: str, draw: Callable[[np.random.Generator], tuple[Floats, Floats]], kind: PredictionKind, truth: float
) -> None:
    assert 0.90 <= _covered(name, draw, kind, truth) <= 0.99


def test_weights_widen_intervals_as_fewer_rows_do() -> None:
    weights = np.where(np.arange(4000) < 2000, 1.0, 9.0)
    plain, weighed = score("accuracy", CERTAIN), score("accuracy", summed(P, Y, PredictionKind.PROBABILITY, weights))
    assert plain.low is not None
    assert plain.high is not None
    assert weighed.low is not None
    assert weighed.high is not None
    assert weighed.values[0] == pytest.approx(metrics.accuracy_score(Y, P >= 0.5, sample_weight=weights))
    effective = weights.sum() ** 2 / (weights**2).sum()
    assert (weighed.high[0] - weighed.low[0]) / (plain.high[0] - plain.low[0]) == pytest.approx(np.sqrt(4000 / effective), rel=0.05)


@pytest.mark.parametrize(
    ("name", "it", "reason"),
    [
        ("accuracy", None, "no labels"),
        ("accuracy", Labelled(PredictionKind.CLASS), "no labels"),
        ("accuracy", NUMBERS, "classes and probabilities only"),
        ("mae", CERTAIN, "numbers only"),
        ("roc_auc", SURE, "probabilities only"),
        ("roc_auc", summed(np.array([0.1, 0.2]), np.array([0.0, 0.0]), PredictionKind.PROBABILITY), "labels of one class only"),
        ("precision", summed(np.array([0.1, 0.2]), np.array([0.0, 1.0]), PredictionKind.PROBABILITY), "never predicted"),
        ("mape", summed(np.array([1.0, 2.0]), np.array([0.0, 0.0]), PredictionKind.NUMBER), "every label is 0"),
        ("r2", summed(np.array([1.0, 2.0]), np.array([3.0, 3.0]), PredictionKind.NUMBER), "constant labels"),
    ],
)
def test_what_cannot_be_said_has_a_reason(name: str, it: Labelled | None, reason: str) -> None:
    assert told(score(name, it)) == {"": reason}


def test_every_measure_is_finite_whatever_came() -> None:
    odd = [np.array([0.0]), np.array([1.0]), np.array([1e300, -1e300]), np.array([0.5] * 3)]
    for kind in (PredictionKind.PROBABILITY, PredictionKind.NUMBER, PredictionKind.CLASS):
        for answers in odd:
            for labels in (np.zeros(len(answers)), np.ones(len(answers)), -answers):
                it = summed(answers, labels, kind)
                for name in Performance.names:
                    found = score(name, it)
                    assert all(np.isfinite(value) or reason for value, reason in zip(found.values, found.reasons, strict=True)), (kind, name, answers, labels)


def test_coverage_and_delay() -> None:
    it = replace(CERTAIN, expired=1000.0, settled_rows=5000)
    found = view(replace(empty(None), labelled=it))
    assert told(Labels().score("coverage", found)) == {"": 0.8}
    assert told(Labels().score("delay", found)) == {"": pytest.approx(60.0, rel=0.02)}
    young = view(replace(empty(None), labelled=replace(it, unsettled=1)))
    assert told(Labels().score("coverage", young)) == {"": "no prediction has waited for `labels.wait` yet"}
    assert told(Labels().score("delay", view(empty(None)))) == {"": "no labels"}
    nobody = replace(Labelled(PredictionKind.CLASS), expired=10.0, settled_rows=10)
    assert told(Labels().score("coverage", view(replace(empty(None), labelled=nobody)))) == {"": 0.0}


def test_of_many_classes_the_mean_is_of_those_that_have_names() -> None:
    labels = RNG.integers(0, 150, 6000).astype(np.float64)
    said = np.where(RNG.random(6000) < 0.3, labels, RNG.integers(0, 150, 6000)).astype(np.float64)
    it = labelled(Met(values(said), values(labels), np.full(6000, 60.0), np.ones(6000)), PredictionKind.CLASS)
    found = told(score("f1", it))
    named = [float(subject) for subject in found if subject]
    assert len(named) == 100
    assert found[""] == pytest.approx(metrics.f1_score(labels, said, labels=named, average="macro"))
