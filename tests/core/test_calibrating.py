"""Isotonic calibration by prediction cells."""

import numpy as np
import pytest

from watchtower.core.binning import make_binning
from watchtower.core.calibrating import calibrate, isotonic
from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import Floats, NumberColumn, PredictionKind
from watchtower.nouns.binning import PREDICTION, Binning, NumericBins


def binned(scores: Floats) -> Binning:
    """The cells of probabilities."""
    return make_binning({PREDICTION: NumberColumn(scores)}, {}, PredictionKind.PROBABILITY, ())


def test_neighbours_in_the_wrong_order_are_pooled() -> None:
    scores, values = isotonic(np.array([0.1, 0.2, 0.3, 0.4, 0.4]), np.array([0.0, 1.0, 0.0, 1.0, 0.0]))
    assert scores.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert values.tolist() == [0.0, 0.5, 0.5, 0.5]


def test_it_is_scikit_learns_regression() -> None:
    sklearn = pytest.importorskip("sklearn.isotonic")
    random = np.random.default_rng(1)
    for _ in range(20):
        scores = np.round(random.random(300), 2)
        labels = (random.random(300) < scores).astype(float)
        at = np.linspace(-0.1, 1.1, 50)
        theirs = sklearn.IsotonicRegression(out_of_bounds="clip").fit(scores, labels).predict(at)
        assert np.interp(at, *isotonic(scores, labels)) == pytest.approx(theirs, abs=1e-12)


def test_scores_that_mean_what_they_say_are_left_alone() -> None:
    random = np.random.default_rng(2)
    scores = random.random(20_000)
    made = calibrate(binned(scores), scores, (random.random(20_000) < scores).astype(float))
    assert isinstance(made, Calibration)
    bins = binned(scores).bins[0]
    assert isinstance(bins, NumericBins)
    edges = bins.edges
    middle = (edges[1:] + edges[:-1]) / 2
    found = made.high_share[:-2] * made.high[:-2] + (1 - made.high_share[:-2]) * made.low[:-2]
    assert np.abs(found - middle).max() < 0.06
    assert made.rows.sum() == made.labelled == 20_000


def test_the_cell_that_holds_one_half_is_kept_in_two() -> None:
    scores = np.repeat([0.2, 0.45, 0.55, 0.9], 100)
    labels = np.concatenate([np.zeros(100), np.repeat([1.0, 0.0], [30, 70]), np.repeat([1.0, 0.0], [60, 40]), np.ones(100)])
    binning = make_binning({PREDICTION: NumberColumn(np.array([0.0, 0.4, 0.6, 1.0]))}, {}, PredictionKind.PROBABILITY, ())
    made = calibrate(binning, scores, labels)
    assert isinstance(made, Calibration)
    cell = next(i for i in range(len(made.rows)) if made.rows[i] == 200)
    assert (made.high_share[cell], made.low[cell], made.high[cell]) == (0.5, pytest.approx(0.3), pytest.approx(0.6))


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [
        (np.linspace(0, 1, 150), np.tile([0.0, 1.0], 75), "150 of 200 labelled reference rows"),
        (np.linspace(0, 1, 300), np.ones(300), "all labels of the reference are alike"),
        (np.full(300, np.nan), np.tile([0.0, 1.0], 150), "0 of 200 labelled reference rows"),
    ],
)
def test_too_little_is_no_calibration(scores: Floats, labels: Floats, says: str) -> None:
    assert calibrate(binned(np.linspace(0, 1, 300)), scores, labels) == f"version not calibrated: {says}"
