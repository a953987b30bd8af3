"""What the model answers. Statistics on the prediction (`prediction.psi`) are statistics of subject ""."""

from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.nouns.binning import PREDICTION, Binning, CategoryBins, NumericBins
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Scores, View


class Prediction(Measure):
    """Predictions that are not missing; `n` counts them.

    mean (subject "", probabilities and numbers): their mean. class_share (classes): each of the reference's classes' share of them.
    """

    names: ClassVar[tuple[str, ...]] = ("mean", "class_share")

    def score(self, name: str, view: View) -> Scores:
        """One score, or one for each class; before there is a binning the reason why."""
        if view.binning is None:
            return Scores.none([""], view.reason)
        if PREDICTION not in view.binning.subjects:
            return Scores.none([""], "no predictions in the reference")
        if view.profile.rows == 0 or not view.profile.binning:
            return Scores.none([""], "no rows" if view.profile.rows == 0 else view.reason)
        return _mean(view.binning, view.profile) if name == "mean" else _class_share(view.binning, view.profile)


def _mean(binning: Binning, profile: Profile) -> Scores:
    i = binning.subjects.index(PREDICTION)
    bins = binning.bins[i]
    if not isinstance(bins, NumericBins):
        return Scores.none([""], "probabilities and numbers only")
    n, first = profile.moments[i, :2].tolist()
    if not n:
        return Scores.none([""], "no rows")
    value = bins.mean + first / n
    return Scores.one(value, int(n)) if np.isfinite(value) else Scores.none([""], "values too large", [int(n)])


def _class_share(binning: Binning, profile: Profile) -> Scores:
    i = binning.subjects.index(PREDICTION)
    bins = binning.bins[i]
    if not isinstance(bins, CategoryBins):
        return Scores.none([""], "classes only")
    cells = profile.cells[binning.offsets[i] : binning.offsets[i + 1]]
    n = int(cells[:-1].sum())
    if not n:
        return Scores.none([""], "no rows")
    return Scores.of(bins.names, [(share, n) for share in (cells[:-3] / n).tolist()])
