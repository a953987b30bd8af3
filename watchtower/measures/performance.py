"""How right the model is, by labels that met their predictions."""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.measures._estimates import Estimate, Z, estimates, mean_of, wilson
from watchtower.measures._rankings import ranking_scores
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.labels import CALIBRATION_BINS, CERTAIN_SUMS, NUMBER_SUMS, OTHER, RANKS, Labelled
from watchtower.nouns.score import Scores, View

_WORDS = {PredictionKind.CLASS: "classes", PredictionKind.PROBABILITY: "probabilities", PredictionKind.NUMBER: "numbers"}
_CERTAIN, _SURE = (PredictionKind.PROBABILITY,), (PredictionKind.CLASS, PredictionKind.PROBABILITY)
_NUMBER = (PredictionKind.NUMBER,)
_SMALLEST_CLASS = 1
Ask = Callable[[Labelled], Mapping[str, Estimate | str]]


class Performance(Measure):
    """Estimates from joined labels, each with a 95 % interval; `n` is labelled rows, weighted by 1/sampling and 1/(share of ids kept).

    The windows are those in which the labels *arrived*; rows without a prediction of the model's kind are left out. With weights the rows count as
    n_eff = (Σw)²/Σw² of them in intervals.

    accuracy: share of right classes (Wilson); a probability is positive from ½ on.
    precision, recall, f1: of a class TP/(TP+FP), TP/(TP+FN) (Wilson), 2TP/(2TP+FP+FN); subject "" is their mean over the classes that occur as label or
    prediction (macro; 0 where undefined, as scikit-learn; of more than 100 classes the 100 that occur most), for a probability the positive class's.
    Intervals of f1 and of macro values: delta method on the multinomial confusion table.
    roc_auc: from 1,024 cells of probability, ties count half; at most ½ Σ pos_i neg_i / (P N) from the exact one; interval: DeLong on the same cells.
    log_loss: mean of -ln(probability of what came true), held 2.2e-16 from 0 and 1; brier: mean of (p - y)²; exact.
    ece: Σ_b (n_b/n) |mean p - mean y| over 15 bins of equal width (Guo et al. 2017); at least 0, so biased upwards in small samples.
    mae, rmse, bias (mean of predicted - label), mape (rows whose label is not 0), r2 (1 - SSE/SST): exact; delta method.
    ndcg_at_k, hit_rate_at_k: of rankings, see _rankings.py; k is 10 where it is not said.
    """

    names: ClassVar[tuple[str, ...]] = (
        *("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier", "ece"),
        *("mae", "rmse", "mape", "r2", "bias"),
        *("ndcg_at_k", "hit_rate_at_k"),
    )

    parameters: ClassVar[Mapping[str, Mapping[str, tuple[int, ...]]]] = {name: {"k": RANKS} for name in ("ndcg_at_k", "hit_rate_at_k")}

    def score(self, name: str, view: View) -> Scores:
        """Subject "", and for precision, recall and f1 of classes each class."""
        found = view.profile.labelled
        if found is None or found.rows == 0:
            return Scores.none([""], "no labels")
        if name in self.parameters:
            return ranking_scores(name, found, view.parameters.get("k", 10))
        ask, kinds = _ASKED[name]
        if found.kind not in kinds:
            return Scores.none([""], f"{' and '.join(_WORDS[kind] for kind in kinds)} only")
        return estimates(ask(found), found.rows)


def _effective(it: Labelled) -> float:
    return it.weight**2 / it.weight2 if it.weight2 > 0 else 0.0


def _accuracy(it: Labelled) -> dict[str, Estimate | str]:
    return {"": wilson(it.correct / it.weight, _effective(it))}


# ---------------------------------------------------------------------------------------------------- classes


def _table(it: Labelled) -> tuple[list[str], Floats]:
    """The classes and the weights by (label, answer); of a probability: negative, positive at ½."""
    if it.scores is not None:
        half = it.scores.shape[1] // 2
        return ["0", "1"], np.array([[side[:half].sum(), side[half:].sum()] for side in it.scores])
    classes = sorted({*it.pairs, *(answer for row in it.pairs.values() for answer in row)})
    index = {name: i for i, name in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)))
    for label, row in it.pairs.items():
        for answer, weight in row.items():
            table[index[label], index[answer]] = weight
    return classes, table


def _by_class(name: str) -> Ask:
    def ask(it: Labelled) -> dict[str, Estimate | str]:
        classes, table = _table(it)
        p, n = table / table.sum(), _effective(it)
        values, gradients = _RATES[name](p)
        found = {each: _of_class(name, i, p, (values[i], gradients[i]), n) for i, each in enumerate(classes) if each != OTHER}
        if it.kind is PredictionKind.PROBABILITY:
            return {"": found["1"]}
        named = [i for i, each in enumerate(classes) if each != OTHER]  # in a cell of *other* classes right and wrong look alike
        return {"": _delta(float(values[named].mean()), gradients[named].mean(axis=0), p, n), **found}

    return ask


def _of_class(name: str, i: int, p: Floats, rate: tuple[float, Floats], n: float) -> Estimate | str:
    base = {"precision": p[:, i].sum(), "recall": p[i].sum(), "f1": p[:, i].sum() + p[i].sum()}[name]
    if base <= 0:
        return {"precision": "never predicted", "recall": "no such label", "f1": "no such label"}[name]
    return _delta(*rate, p, n) if name == "f1" else wilson(float(rate[0]), n * base)


def _delta(value: float, gradient: Floats, p: Floats, n: float) -> Estimate:
    """Delta method on a multinomial table: var f(p̂) = (Σ p g² - (Σ p g)²) / n (Agresti, Categorical Data Analysis, 16.1)."""
    variance = float((p * gradient**2).sum() - (p * gradient).sum() ** 2)
    reach = Z * sqrt(max(variance, 0.0) / n)
    return Estimate(float(value), max(0.0, value - reach), min(1.0, value + reach))


def _ratios(p: Floats, bases: Floats, factor: float, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """Factor p_kk / base_k of each class k (0 where the base is), and its gradient by cell; *rows*, *columns*: whether a cell (k, ·), (·, k) is in the base."""
    k = len(p)
    right = np.diag(p)
    safe = np.where(bases > 0, bases, 1.0)
    values = np.where(bases > 0, factor * right / safe, 0.0)
    gradients = np.zeros((k, k, k))
    for i in range(k):
        slope = -factor * right[i] / safe[i] ** 2 if bases[i] > 0 else 0.0
        gradients[i, i, :] += slope * rows
        gradients[i, :, i] += slope * columns
        gradients[i, i, i] += factor / safe[i] if bases[i] > 0 else 0.0
    return values, gradients


def _precision(p: Floats) -> tuple[Floats, Floats]:
    return _ratios(p, p.sum(axis=0), 1.0, np.array(0.0), np.array(1.0))


def _recall(p: Floats) -> tuple[Floats, Floats]:
    return _ratios(p, p.sum(axis=1), 1.0, np.array(1.0), np.array(0.0))


def _f1(p: Floats) -> tuple[Floats, Floats]:
    return _ratios(p, p.sum(axis=0) + p.sum(axis=1), 2.0, np.array(1.0), np.array(1.0))


_RATES: Mapping[str, Callable[[Floats], tuple[Floats, Floats]]] = {"precision": _precision, "recall": _recall, "f1": _f1}


# ---------------------------------------------------------------------------------------------------- probabilities


def _roc_auc(it: Labelled) -> dict[str, Estimate | str]:
    """DeLong, DeLong & Clarke-Pearson (1988) on cells: the placements of a cell's rows are equal."""
    if it.scores is None or it.counts is None or it.counts.min() < _SMALLEST_CLASS:
        return {"": "labels of one class only"}
    negative, positive = (side / side.sum() for side in it.scores)
    above = np.cumsum(negative) - negative / 2
    below = 1 - (np.cumsum(positive) - positive / 2)
    auc = float(positive @ above)
    scale = _effective(it) / it.rows
    counts = np.maximum(it.counts * scale - 1, 1.0)
    variance = float((positive @ above**2 - auc**2) / counts[1] + (negative @ below**2 - auc**2) / counts[0])
    reach = Z * sqrt(max(variance, 0.0))
    return {"": Estimate(auc, max(0.0, auc - reach), min(1.0, auc + reach))}


def _certain(name: str) -> Ask:
    first, second = CERTAIN_SUMS.index(name), CERTAIN_SUMS.index(f"{name}2")

    def ask(it: Labelled) -> dict[str, Estimate | str]:
        sums = it.sums if it.sums is not None else np.zeros(len(CERTAIN_SUMS))
        return {"": mean_of(sums[first], sums[second], it.weight, _effective(it), low=0.0)}

    return ask


def _ece(it: Labelled) -> dict[str, Estimate | str]:
    table = it.calibration if it.calibration is not None else np.zeros((CALIBRATION_BINS, 4))
    weight, p, y, square = table[table[:, 0] > 0].T
    gap = (p - y) / weight
    share = weight / weight.sum()
    value = float(share @ np.abs(gap))
    spread = np.maximum(square / weight - gap**2, 0.0)
    reach = Z * sqrt(float(share @ spread) / _effective(it))
    return {"": Estimate(value, max(0.0, value - reach), min(1.0, value + reach))}


# ---------------------------------------------------------------------------------------------------- numbers


def _sums(it: Labelled) -> dict[str, float]:
    """Means of NUMBER_SUMS but for the last three, which are sums."""
    sums = dict(zip(NUMBER_SUMS, it.sums.tolist() if it.sums is not None else [0.0] * len(NUMBER_SUMS), strict=True))
    return {name: value if name.startswith("ape") else value / it.weight for name, value in sums.items()}


def _spread(value: float, variance: float, n: float, low: float = -np.inf, high: float = np.inf) -> dict[str, Estimate | str]:
    reach = Z * sqrt(max(variance, 0.0) / n)
    return {"": Estimate(value, max(low, value - reach), min(high, value + reach))}


def _mae(it: Labelled) -> dict[str, Estimate | str]:
    m = _sums(it)
    return _spread(m["e_abs"], m["e2"] - m["e_abs"] ** 2, _effective(it), 0.0)


def _bias(it: Labelled) -> dict[str, Estimate | str]:
    m = _sums(it)
    return _spread(m["e"], m["e2"] - m["e"] ** 2, _effective(it))


def _rmse(it: Labelled) -> dict[str, Estimate | str]:
    m = _sums(it)
    value = sqrt(m["e2"])
    return _spread(value, (m["e4"] - m["e2"] ** 2) / (4 * m["e2"]) if value else 0.0, _effective(it), 0.0)


def _mape(it: Labelled) -> dict[str, Estimate | str]:
    m = _sums(it)
    if m["ape_weight"] <= 0:
        return {"": "every label is 0"}
    value = m["ape"] / m["ape_weight"]
    return _spread(value, m["ape2"] / m["ape_weight"] - value**2, _effective(it) * m["ape_weight"] / it.weight, 0.0)


def _r2(it: Labelled) -> dict[str, Estimate | str]:
    """1 - A/B, A = mean e², B = var y; its influence function is -(e² - A)/B + A ((y - ȳ)² - B)/B²."""
    m = _sums(it)
    shift, wrong = m["d"], m["e2"]
    total = m["d2"] - shift**2
    if total <= 1e-12 * max(m["d2"], 1e-300) or it.rows < 2:
        return {"": "constant labels"}
    fourth = m["d4"] - 4 * shift * m["d3"] + 6 * shift**2 * m["d2"] - 3 * shift**4
    both = m["e2d2"] - 2 * shift * m["e2d"] + shift**2 * wrong
    ratio = wrong / total
    variance = (m["e4"] - wrong**2 - 2 * ratio * (both - wrong * total) + ratio**2 * (fourth - total**2)) / total**2
    return _spread(1 - ratio, variance, _effective(it), high=1.0)


_ASKED: Mapping[str, tuple[Ask, tuple[PredictionKind, ...]]] = {
    "accuracy": (_accuracy, _SURE),
    "precision": (_by_class("precision"), _SURE),
    "recall": (_by_class("recall"), _SURE),
    "f1": (_by_class("f1"), _SURE),
    "roc_auc": (_roc_auc, _CERTAIN),
    "log_loss": (_certain("log_loss"), _CERTAIN),
    "brier": (_certain("brier"), _CERTAIN),
    "ece": (_ece, _CERTAIN),
    "mae": (_mae, _NUMBER),
    "rmse": (_rmse, _NUMBER),
    "mape": (_mape, _NUMBER),
    "r2": (_r2, _NUMBER),
    "bias": (_bias, _NUMBER),
}
