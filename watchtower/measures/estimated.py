"""Performance without labels, from calibrated scores."""

import math
from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.binning import PREDICTION, NumericBins
from watchtower.nouns.score import Scores, View

_NOTE = "if P(label | score) is as in the reference; the interval is of sampling only"
_Z = 1.96


class Estimated(Measure):
    """What a version's performance would be if its scores meant what they mean on the reference, by confidence (CBPE).

    Each prediction cell holds w rows, a share of them ½ or more, P(positive) of those and of the others by the version's isotonic calibration. So
    accuracy = Σ P(right) / n; f1 of the positive class = 2 TP / (2 TP + FP + FN); roc_auc = P(a positive scores above a negative) + ½ P(same cell), of
    the expected counts. It assumes that P(label | score) has not changed: concept drift is invisible to it. `low` and `high` are of sampling only: accuracy's
    and f1's from the multinomial of right and wrong (delta method), roc_auc's of Hanley & McNeil (1982). Source: NannyML, confidence-based
    performance estimation.
    """

    names: ClassVar[tuple[str, ...]] = ("accuracy", "f1", "roc_auc")

    def score(self, name: str, view: View) -> Scores:
        """One score of subject ""; `n` counts predictions that are not missing."""
        reason = _lacking(view)
        calibration = view.calibration
        if reason is not None or isinstance(calibration, str) or view.binning is None:
            return Scores.none([""], reason or str(calibration))
        index = view.binning.subjects.index(PREDICTION)
        if calibration.binning != view.binning.id or not isinstance(view.binning.bins[index], NumericBins):
            return Scores.none([""], "version not calibrated under this binning")
        counts = view.profile.cells[view.binning.offsets[index] : view.binning.offsets[index + 1] - 1].astype(np.float64)
        if not counts.sum():
            return Scores.none([""], "no rows")
        return _scored(_FOUND[name](counts, calibration), int(counts.sum()))


def _lacking(view: View) -> str | None:
    """Why there is nothing to estimate from, whatever the calibration."""
    if view.settings.prediction.kind is not PredictionKind.PROBABILITY:
        return "probabilities only"
    if view.binning is None:
        return view.reason
    if PREDICTION not in view.binning.subjects:
        return "no predictions in the reference"
    if view.profile.rows == 0:
        return "no rows"
    return None if view.profile.binning else view.reason


def _scored(found: tuple[float, float] | str, n: int) -> Scores:
    if isinstance(found, str):
        return Scores.none([""], found, [n])
    value, sd = found
    bounds = np.clip([value - _Z * sd, value + _Z * sd], 0.0, 1.0)
    return Scores(("",), np.array([value]), np.array([np.nan]), np.array([n]), (None,), low=bounds[:1], high=bounds[1:], notes=(_NOTE,))


def _expected(counts: Floats, by: Calibration) -> tuple[float, float, float, float]:
    """Expected true positives, false positives, false negatives, true negatives."""
    over, under = counts * by.high_share, counts * (1 - by.high_share)
    return float(over @ by.high), float(over @ (1 - by.high)), float(under @ by.low), float(under @ (1 - by.low))


def _accuracy(counts: Floats, by: Calibration) -> tuple[float, float]:
    tp, _, _, tn = _expected(counts, by)
    n = float(counts.sum())
    value = (tp + tn) / n
    return value, math.sqrt(max(0.0, value * (1 - value)) / n)


def _f1(counts: Floats, by: Calibration) -> tuple[float, float] | str:
    tp, fp, fn, _ = _expected(counts, by)
    whole = 2 * tp + fp + fn
    if whole <= 0:
        return "no positives expected"
    n = float(counts.sum())
    t, e, d = tp / n, (fp + fn) / n, whole / n
    by_t, by_e = 2 * e / d**2, -2 * t / d**2
    variance = (by_t**2 * t * (1 - t) + by_e**2 * e * (1 - e) - 2 * by_t * by_e * t * e) / n
    return 2 * tp / whole, math.sqrt(max(0.0, variance))


def _roc_auc(counts: Floats, by: Calibration) -> tuple[float, float] | str:
    """Cells in the order of the score, each in two halves around ½."""
    order = np.array([len(counts) - 2, *range(len(counts) - 2), len(counts) - 1])
    halves = np.stack([counts * (1 - by.high_share), counts * by.high_share], axis=1)[order].ravel()
    chance = np.stack([by.low, by.high], axis=1)[order].ravel()
    positive, negative = halves * chance, halves * (1 - chance)
    p, q = float(positive.sum()), float(negative.sum())
    if p <= 0 or q <= 0:
        return "only one class expected"
    area = float(positive @ (np.cumsum(negative) - negative / 2)) / (p * q)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (p - 1) * (first - area**2) + (q - 1) * (second - area**2)) / (p * q)
    return area, math.sqrt(max(0.0, variance))


_FOUND = {"accuracy": _accuracy, "f1": _f1, "roc_auc": _roc_auc}
