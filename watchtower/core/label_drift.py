"""Drift of what came true, and of how far predictions were off: the statistics over joined labels. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from watchtower.core.comparing import REFERENCE, other_side, when
from watchtower.core.labelled import named
from watchtower.core.naming import statistic_of
from watchtower.core.spreads import bounds, coarser
from watchtower.nouns.batch import FeatureType, Floats, PredictionKind
from watchtower.nouns.binning import Binning, CategoryBins, NumericBins
from watchtower.nouns.labels import OTHER, SCORE_EDGES, Labelled, Spread
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, Need, Pair, Scores

LABELS, RESIDUAL = "", "residual"
"""The subjects: labels, and predictions less labels."""
_GROUPS = 64
_TAILS = (0.001, 0.01, 0.99, 0.999)
_RESIDUALS: Floats = np.concatenate([SCORE_EDGES - 1, SCORE_EDGES[1:]])
"""Edges of the residuals of probabilities: those of positive labels below 0, of negative ones from 0 on."""


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """One side: weights of cells between ascending edges, and Σ w x, Σ w x² about *centre*."""

    edges: Floats
    weights: Floats
    first: float
    second: float
    centre: float


def label_scores(closed: Closed, need: Need, place: tuple[str, str], profile: Profile) -> Scores:
    """The statistic *need* over the labels that arrived (subject ""), and over residuals, against the other side's; `n` is labelled rows.

    Rows weigh as in `performance.*`, and count as n_eff = (Σw)²/Σw² of them. Cells are made of the other side alone, and frozen with it: categories, or 64
    groups of equal mass. Against the reference that is the labelled rows of its file.
    """
    here, other = profile.labelled, other_side(closed, need, *place)
    subjects = (LABELS, RESIDUAL)
    if here is None or not here.rows:
        return Scores.none(subjects, "no labels")
    if here.kind is PredictionKind.RANKING:
        return Scores.none(subjects, "classes, probabilities and numbers only")
    if isinstance(other, str):
        return Scores.none(subjects, other)
    there = other.labelled
    if there is None or not there.rows:
        return Scores.none(subjects, "no labels in the reference" if need.against == REFERENCE else f"no labels {when(need.against)}")
    if there.kind is not here.kind:
        return Scores.none(subjects, f"labels of a {there.kind} there, of a {here.kind} here")
    return _together([_scored(need, subject, there, here) for subject in subjects])


def _scored(need: Need, subject: str, there: Labelled, here: Labelled) -> Scores:
    sides = _categories(there, here) if subject == LABELS and here.kind is not PredictionKind.NUMBER else _numeric(subject, there, here)
    if isinstance(sides, str):
        return Scores.none((subject,), sides)
    bins, reference, current = sides
    kind = FeatureType.NUMERIC if isinstance(bins, NumericBins) else FeatureType.CATEGORICAL
    binning = Binning("labels", (subject,), (kind,), (bins,), (0, bins.size), {})
    return statistic_of(need.measure).score(Pair(binning, reference, current, (0,), need.min_rows))


def _scale(it: Labelled) -> float:
    """Effective rows by weight."""
    return it.weight / it.weight2


def _profile(it: Labelled, cells: Floats, moments: Sequence[float]) -> Profile:
    counts = np.rint(cells * _scale(it)).astype(np.int64)
    return Profile("labels", int(counts.sum()), float(counts.sum()), counts, np.array([moments]) * _scale(it), np.zeros((1, 2), dtype=np.int64))


# -------------------------------------------------------------------------------------------- labels of classes and probabilities


def _categories(there: Labelled, here: Labelled) -> tuple[CategoryBins, Profile, Profile]:
    old, new = _by_label(there), _by_label(here)
    names = tuple(sorted((name for name, weight in old.items() if weight > 0 and name != OTHER), key=lambda name: (-old[name], name)))
    bins = CategoryBins(names, frozenset({OTHER}))
    reference, current = (_profile(it, _counted(bins, weights), [0.0] * 5) for it, weights in ((there, old), (here, new)))
    return bins, reference, current


def _by_label(it: Labelled) -> Mapping[str, float]:
    if it.calibration is not None:
        weight, positive = float(it.calibration[:, 0].sum()), float(it.calibration[:, 2].sum())
        return {"0": weight - positive, "1": positive}
    return {label: sum(row.values()) for label, row in it.pairs.items()}


def _counted(bins: CategoryBins, weights: Mapping[str, float]) -> Floats:
    cells = np.zeros(bins.size)
    for name, weight in weights.items():
        cells[bins.index.get(name, bins.size - 2)] += weight
    return cells


# -------------------------------------------------------------------------------------------- numbers


def _numeric(subject: str, there: Labelled, here: Labelled) -> tuple[NumericBins, Profile, Profile] | str:
    if there.kind is PredictionKind.PROBABILITY:
        found = _of_probabilities(there), _of_probabilities(here)
    elif there.kind is PredictionKind.NUMBER:
        found = _of_numbers(subject, there, here)
    else:
        return "probabilities and numbers only"
    old, new = found
    if old is None or new is None:
        return "no predictions in the reference" if old is None else "no predictions"
    bins, cuts = _bins(there, old)
    reference, current = (_folded(it, side, bins, cuts) for it, side in ((there, old), (here, new)))
    return bins, reference, current


def _of_probabilities(it: Labelled) -> _Numbers | None:
    if it.scores is None or it.calibration is None:
        return None
    _, predicted, true, _ = it.calibration.sum(axis=0).tolist()
    return _Numbers(_RESIDUALS, np.concatenate([it.scores[1], it.scores[0]]), predicted - true, named(it)["brier"], 0.0)


def _of_numbers(subject: str, there: Labelled, here: Labelled) -> tuple[_Numbers | None, _Numbers | None]:
    sides = [it.labels if subject == LABELS else it.residuals for it in (there, here)]
    old, new = sides
    if old is None or new is None:
        return (None, None) if old is None else (_Numbers(np.zeros(1), np.zeros(0), 0.0, 0.0, 0.0), None)
    edges, weights = _aligned(old, new)
    first, second = ("d", "d2") if subject == LABELS else ("e", "e2")
    sums = [(named(it)[first], named(it)[second], it.centre if subject == LABELS else 0.0) for it in (there, here)]
    return _Numbers(edges, weights[0], *sums[0]), _Numbers(edges, weights[1], *sums[1])


def _aligned(old: Spread, new: Spread) -> tuple[Floats, list[Floats]]:
    """Ascending edges of all cells of both (and of the gaps between), and each side's weights by cell."""
    level = max(old.level, new.level)
    sides = [(bounds(coarser(each.cells, level - each.level), level), each.weights) for each in (old, new)]
    edges = np.unique(np.concatenate([edge for both, _ in sides for edge in both]))
    return edges, [np.bincount(np.searchsorted(edges, low), weights, len(edges) - 1).astype(np.float64) for (low, _), weights in sides]


def _bins(it: Labelled, side: _Numbers) -> tuple[NumericBins, list[int]]:
    """Groups of equal mass of the other side's cells, heavy ones alone; and where they begin among the cells."""
    full = np.flatnonzero(side.weights)
    first, last = int(full[0]), int(full[-1])
    running = np.cumsum(side.weights)
    shares = np.array([*(np.arange(1, _GROUPS) / _GROUPS), *_TAILS])
    heavy = np.flatnonzero(side.weights > running[-1] / _GROUPS)
    cuts = np.unique(np.concatenate([[first, last + 1], heavy, heavy + 1, np.searchsorted(running, shares * running[-1]) + 1]))
    cuts = cuts[(cuts >= first) & (cuts <= last + 1)]
    edges = side.edges[cuts]
    mean = side.first / it.weight
    variance = side.second / it.weight - mean**2
    single = (edges[1:] == np.nextafter(edges[:-1], np.inf)).astype(float)
    return NumericBins(edges, single, side.centre + mean, float(np.sqrt(max(variance, 0.0)))), cuts.tolist()


def _folded(it: Labelled, side: _Numbers, bins: NumericBins, cuts: Sequence[int]) -> Profile:
    middles = (side.edges[1:] + side.edges[:-1]) / 2
    below, above = slice(0, cuts[0]), slice(cuts[-1], None)
    inside = np.add.reduceat(side.weights[: cuts[-1]], cuts[:-1])
    shift = side.centre - bins.mean
    first = side.first + it.weight * shift
    second = side.second + 2 * shift * side.first + it.weight * shift**2
    sums = [float(middles[part] @ side.weights[part]) for part in (below, above)]
    cells = np.concatenate([inside, [side.weights[below].sum(), side.weights[above].sum(), 0.0]])
    return _profile(it, cells, [it.weight, first, max(second, 0.0), *sums])


def _together(parts: Sequence[Scores]) -> Scores:
    def column(name: str) -> Floats:
        return np.concatenate([np.full(len(each.subjects), np.nan) if getattr(each, name) is None else getattr(each, name) for each in parts])

    return Scores(
        subjects=tuple(subject for each in parts for subject in each.subjects),
        values=column("values"),
        p_values=column("p_values"),
        n=np.concatenate([each.n for each in parts]),
        reasons=tuple(reason for each in parts for reason in each.reasons),
        excess=column("excess") if any(each.excess is not None for each in parts) else None,
    )
