"""Performance without labels."""

import math
from dataclasses import replace

import numpy as np
import pytest

from watchtower.core.binning import make_reference_profile
from watchtower.core.merging import empty
from watchtower.measures.estimated import Estimated
from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import FeatureType, NumberColumn
from watchtower.nouns.binning import PREDICTION, Binning, NumericBins
from watchtower.nouns.score import Scores, View
from watchtower.nouns.settings import Watched

BINNING = Binning("b", (PREDICTION,), (FeatureType.NUMERIC,), (NumericBins(np.array([0.0, 0.4, 0.6, 1.0]), np.zeros(3), 0.5, 0.3),), (0, 6), {})
PROBABILITY = Watched.model_validate({"prediction": {"kind": "probability"}})


def calibration() -> Calibration:
    """Low scores are positive in 1 of 10, high ones in 8 of 10; between 0.4 and 0.6 half of the scores are over ½, positive in 6 of 10, the others in 3."""
    share, high, low = [0.0, 0.5, 1.0, 0.0, 1.0], [0.6, 0.6, 0.8, 0.6, 0.8], [0.1, 0.3, 0.3, 0.1, 0.3]
    return Calibration(BINNING.id, np.array(share), np.array(high), np.array(low), np.ones(5, dtype=np.int64), 300)


def view(scores: list[float], **changes: object) -> View:
    """Of a window with these scores."""
    profile = make_reference_profile(BINNING, {PREDICTION: NumberColumn(np.array(scores))}, len(scores))
    return replace(View("m", "1", "", profile, {}, 60.0, BINNING, None, settings=PROBABILITY, calibration=calibration()), **changes)  # type: ignore[arg-type]


WINDOW = view([0.1] * 50 + [0.5] * 20 + [0.9] * 30 + [math.nan] * 7)


def only(scores: Scores) -> tuple[float, float, float, int]:
    """Value, low, high and rows of the one subject."""
    assert scores.low is not None
    assert scores.high is not None
    return float(scores.values[0]), float(scores.low[0]), float(scores.high[0]), int(scores.n[0])


def test_accuracy_by_hand() -> None:
    # 50 low: 45 right; 20 between: 10 over a half, 6 right, 10 under, 7 right; 30 high: 24 right. 82 of 100
    value, low, high, n = only(Estimated().score("accuracy", WINDOW))
    assert value == pytest.approx(0.82)
    assert (low, high) == pytest.approx((0.82 - 1.96 * math.sqrt(0.82 * 0.18 / 100), 0.82 + 1.96 * math.sqrt(0.82 * 0.18 / 100)))
    assert n == 100


def test_f1_by_hand() -> None:
    # true positives 24 + 6, false positives 6 + 4, false negatives 5 + 3
    value, low, high, _ = only(Estimated().score("f1", WINDOW))
    assert value == pytest.approx(60 / 78)
    assert low < value < high


def test_roc_auc_by_hand() -> None:
    # positives 5, 3, 6, 24 and negatives 45, 7, 4, 6 in the order of the scores
    above = 3 * 45 + 6 * 52 + 24 * 56 + (5 * 45 + 3 * 7 + 6 * 4 + 24 * 6) / 2
    value, low, high, _ = only(Estimated().score("roc_auc", WINDOW))
    assert value == pytest.approx(above / (38 * 62))
    assert 0 <= low < value < high <= 1


def test_intervals_narrow_with_the_root_of_the_rows() -> None:
    for name in Estimated.names:
        _, low, high, _ = only(Estimated().score(name, WINDOW))
        _, tighter, closer, _ = only(Estimated().score(name, view([0.1] * 5_000 + [0.5] * 2_000 + [0.9] * 3_000)))
        assert (high - low) / (closer - tighter) == pytest.approx(10, rel=0.1)


def test_an_estimate_says_what_it_assumes() -> None:
    assert Estimated().score("f1", WINDOW).more(0)["note"] == "if P(label | score) is as in the reference; the interval is of sampling only"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (view([0.1], calibration="version not calibrated: the reference has no labels"), "version not calibrated: the reference has no labels"),
        (view([0.1], calibration=replace(calibration(), binning="other")), "version not calibrated under this binning"),
        (view([0.1], settings=Watched()), "probabilities only"),
        (view([0.1], binning=None, reason="reference: 1 of 5 windows"), "reference: 1 of 5 windows"),
        (view([0.1], profile=empty(BINNING)), "no rows"),
        (view([math.nan]), "no rows"),
    ],
)
def test_what_cannot_be_estimated_says_why(changed: View, reason: str) -> None:
    for name in Estimated.names:
        assert Estimated().score(name, changed).reasons == (reason,)


def test_one_expected_class_has_no_area() -> None:
    sure = replace(calibration(), high=np.zeros_like(calibration().high), low=np.zeros_like(calibration().low))
    assert Estimated().score("roc_auc", view([0.1], calibration=sure)).reasons == ("only one class expected",)
    assert Estimated().score("f1", view([0.1], calibration=sure)).reasons == ("no positives expected",)
