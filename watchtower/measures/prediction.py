"""What the model answers. Statistics on the prediction (`prediction.psi`) are statistics of subject ""."""

from math import inf, log
from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.measures._estimates import Estimate, student, told, wilson
from watchtower.nouns.batch import PredictionKind
from watchtower.nouns.binning import PREDICTION, Binning, CategoryBins, Derivation, NumericBins
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Scores, View

_MADE = {"confidence": Derivation.CONFIDENCE, "entropy": Derivation.ENTROPY}


class Prediction(Measure):
    """Predictions that are not missing; `n` counts them. Means have Student's interval (population variance of the same rows), shares Wilson's.

    mean (subject "", probabilities and numbers): their mean. confidence (probabilities, vectors): mean of max(p, 1 - p), or of the largest share.
    entropy (probabilities, vectors): mean of -Σ p ln p over the answers, in nats: 0 is certain, ln 2 a coin.
    class_share (classes, and vectors by the class with the largest score): each of the reference's classes' share of them.
    """

    names: ClassVar[tuple[str, ...]] = ("mean", "confidence", "entropy", "class_share")

    def score(self, name: str, view: View) -> Scores:
        """One score, or one for each class; before there is a binning the reason why."""
        if view.binning is None:
            return Scores.none([""], view.reason)
        if PREDICTION not in view.binning.subjects:
            return Scores.none([""], "no predictions in the reference")
        if view.profile.rows == 0 or not view.profile.binning:
            return Scores.none([""], "no rows" if view.profile.rows == 0 else view.reason)
        if name == "class_share":
            return _class_share(view.binning, view.profile)
        return told([""], [_mean(view.binning, view.profile) if name == "mean" else _of_shares(_MADE[name], view.binning, view.profile, view)])


def _mean(binning: Binning, profile: Profile) -> tuple[Estimate | str, int]:
    i = binning.subjects.index(PREDICTION)
    if not isinstance(binning.bins[i], NumericBins):
        return "probabilities and numbers only", 0
    return _mean_of(binning, profile, i, -inf, inf)


def _of_shares(how: Derivation, binning: Binning, profile: Profile, view: View) -> tuple[Estimate | str, int]:
    made = [subject for subject, each in binning.derived.items() if each.source == PREDICTION and each.how is how]
    if made:
        return _mean_of(binning, profile, binning.subjects.index(made[0]), 0.0, 1.0 if how is Derivation.CONFIDENCE else _most(binning))
    wanted = view.settings.prediction.kind in {PredictionKind.PROBABILITY, PredictionKind.VECTOR}
    return f"the reference was made without prediction.{how.value}" if wanted else "probabilities and vectors only", 0


def _most(binning: Binning) -> float:
    """The largest entropy: of as many classes as there are."""
    return log(max(2, binning.widths.get(PREDICTION, 2)))


def _mean_of(binning: Binning, profile: Profile, i: int, low: float, high: float) -> tuple[Estimate | str, int]:
    bins = binning.bins[i]
    n, first, second = profile.moments[i, :3].tolist()
    if not n or not isinstance(bins, NumericBins):
        return "no rows", 0
    with np.errstate(over="ignore", invalid="ignore"):
        value, variance = bins.mean + first / n, second / n - (first / n) ** 2
    if not (np.isfinite(value) and np.isfinite(variance)):
        return "values too large", int(n)
    return student(min(max(value, low), high), variance, n, low, high), int(n)


def _class_share(binning: Binning, profile: Profile) -> Scores:
    i = binning.subjects.index(PREDICTION)
    bins = binning.bins[i]
    if not isinstance(bins, CategoryBins):
        return Scores.none([""], "classes only")
    cells = profile.cells[binning.offsets[i] : binning.offsets[i + 1]]
    n = int(cells[:-1].sum())
    if not n:
        return Scores.none([""], "no rows")
    return told(bins.names, [(wilson(share, n), n) for share in (cells[:-3] / n).tolist()])
