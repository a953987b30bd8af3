"""Shares of positive predictions of one group."""

from dataclasses import dataclass

from watchtower.nouns.batch import PredictionKind
from watchtower.nouns.binning import PREDICTION, Binning, CategoryBins, Derivation
from watchtower.nouns.labels import Labelled
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import View

_TRUTH = {"true": "1", "false": "0"}
UNNAMED = "no positive class: set prediction.positive"


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of *rows* logged rows; *effective* are those that weights leave for intervals."""

    share: float
    rows: int
    effective: float


def positive_share(view: View, profile: Profile) -> Rate | str:
    """The share of positive ones of the group's valid predictions."""
    binning = view.binning
    if binning is None or PREDICTION not in binning.subjects:
        return "no predictions in the reference"
    bins = binning.bins[binning.subjects.index(PREDICTION)]
    if isinstance(bins, CategoryBins):
        return _of_classes(binning, bins, view, profile)
    made = [i for i, subject in enumerate(binning.subjects) if subject in binning.derived and binning.derived[subject].how is Derivation.POSITIVE]
    if not made:
        return "classes and probabilities only"
    numeric = binning.bins[made[0]]
    n, first = profile.moments[made[0], :2].tolist()
    if not n or isinstance(numeric, CategoryBins):
        return "no rows"
    return Rate(min(1.0, max(0.0, numeric.mean + first / n)), int(n), n)


def _of_classes(binning: Binning, bins: CategoryBins, view: View, profile: Profile) -> Rate | str:
    positive = view.settings.prediction.positive
    if positive is None:
        return UNNAMED
    known = spellings(positive) & {*bins.names}
    if not known:
        return f"the reference has no class {positive}"
    i = binning.subjects.index(PREDICTION)
    cells = profile.cells[binning.offsets[i] : binning.offsets[i + 1]]
    n = int(cells[:-1].sum())
    count = sum(int(cells[bins.names.index(name)]) for name in known)
    return Rate(count / n, n, float(n)) if n else "no rows"


def true_positive_share(view: View, profile: Profile) -> Rate | str:
    """The share of positive predictions of the group's labelled rows whose label is positive."""
    it = profile.labelled
    if it is None or not it.rows:
        return "no labels"
    if it.kind is PredictionKind.PROBABILITY and it.scores is not None:
        positives = it.scores[1]
        return _rate(it, float(positives[len(positives) // 2 :].sum()), float(positives.sum()))
    if it.kind is not PredictionKind.CLASS:
        return "classes and probabilities only"
    if view.settings.prediction.positive is None:
        return UNNAMED
    names = spellings(view.settings.prediction.positive)
    rows = [answers for label, answers in it.pairs.items() if label in names]
    right = sum(weight for answers in rows for answer, weight in answers.items() if answer in names)
    return _rate(it, right, sum(sum(answers.values()) for answers in rows))


def _rate(it: Labelled, right: float, weight: float) -> Rate | str:
    """Weights are of labelled rows; rows are the same part of all labelled rows."""
    if weight <= 0:
        return "no positive labels"
    part = weight / it.weight
    return Rate(right / weight, round(it.rows * part), it.weight**2 / it.weight2 * part)


def spellings(value: object) -> frozenset[str]:
    """How a class may be written: 1, 1.0, true and "1" alike."""
    if isinstance(value, bool):
        return frozenset({"true", "1"} if value else {"false", "0"})
    if isinstance(value, float) and value.is_integer():
        return frozenset({str(int(value))})
    text = str(value)
    return frozenset({text, _TRUTH.get(text.lower(), text)})
