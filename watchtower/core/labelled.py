"""Labels that met their predictions become a summary; summaries add up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeVar

import numpy as np

from watchtower.core.answers import spelled
from watchtower.core.rankings import ranked
from watchtower.core.spreads import merged, spread_of
from watchtower.nouns.batch import Flags, Floats, Ints, PredictionKind
from watchtower.nouns.labels import (
    CALIBRATION_BINS,
    CERTAIN_SUMS,
    DELAY_CELLS,
    DELAY_EDGES,
    MOST_CLASSES,
    NUMBER_SUMS,
    OTHER,
    SCORE_CELLS,
    SCORE_EDGES,
    Labelled,
    Values,
)

Numbers = TypeVar("Numbers", Floats, Ints)
_HUGE = 1e60
"""Numbers beyond are none: their fourth powers could not be summed."""
_SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are held this far from 0 and 1 before their logarithm is taken, as scikit-learn does."""


@dataclass(frozen=True, slots=True, eq=False)
class Met:
    """n predictions with their labels: what was answered, what came true, seconds between, weights."""

    answers: Values
    labels: Values
    delays: Floats
    weights: Floats

    def at(self, rows: Ints) -> "Met":
        """Those *rows*."""
        return Met(at(self.answers, rows), at(self.labels, rows), self.delays[rows], self.weights[rows])


def at(values: Values, rows: Ints) -> Values:
    """The values of *rows*."""
    return Values(values.numbers[rows], values.texts, values.codes[rows])


def spelling(values: Values) -> list[str | None]:
    """Every value as the one text that means it; None where it is missing."""
    texts = [values.texts[code] if code >= 0 else None for code in values.codes.tolist()]
    return [spelled(number) if text is None else text or None for text, number in zip(texts, values.numbers.tolist(), strict=True)]


def labelled(met: Met, kind: PredictionKind, positive: object = None, centre: float = 0.0) -> Labelled:
    """The summary of *met*; rows of another *kind* (a word for a number, one beyond ±1e60, a probability beyond [0, 1]) are left out.

    So are rankings of which nothing was relevant.
    """
    if kind is PredictionKind.CLASS:
        return _classes(met, kind)
    if kind is PredictionKind.PROBABILITY:
        return _probabilities(met, kind, positive)
    if kind is PredictionKind.RANKING:
        return _rankings(met, kind)
    return _numbers(met, kind, centre)


def _common(kind: PredictionKind, weights: Floats, delays: Floats) -> Labelled:
    cells = np.searchsorted(DELAY_EDGES[1:], np.maximum(delays, 0.0), side="left")
    counted = np.bincount(cells, minlength=DELAY_CELLS).astype(np.float64)
    return Labelled(kind, len(weights), float(weights.sum()), float((weights**2).sum()), delays=counted, settled_rows=len(weights))


def _classes(met: Met, kind: PredictionKind) -> Labelled:
    said, true = spelling(met.answers), spelling(met.labels)
    there = np.array([a is not None and b is not None for a, b in zip(said, true, strict=True)], dtype=np.bool_)
    weights, tally = met.weights[there], dict[tuple[str, str], float]()
    known = [(b, a) for a, b in zip(said, true, strict=True) if a is not None and b is not None]
    for pair, weight in zip(known, weights.tolist(), strict=True):
        tally[pair] = tally.get(pair, 0.0) + weight
    correct = sum(weight for (label, answer), weight in tally.items() if label == answer)
    return replace(_common(kind, weights, met.delays[there]), correct=correct, pairs=_bounded(tally.items()))


def _bounded(tally: Iterable[tuple[tuple[str, str], float]]) -> dict[str, dict[str, float]]:
    """Label -> answer -> weight over at most 100 classes: the heaviest keep their names."""
    listed = list(tally)
    mass: defaultdict[str, float] = defaultdict(float)
    for (label, answer), weight in listed:
        mass[label] += weight
        mass[answer] += weight
    names = mass.keys() - {OTHER}
    if len(names) > MOST_CLASSES:
        names = set(sorted(names, key=lambda name: (-mass[name], name))[:MOST_CLASSES])
    found: dict[str, dict[str, float]] = {}
    for (label, answer), weight in listed:
        row = found.setdefault(label if label in names else OTHER, {})
        column = answer if answer in names else OTHER
        row[column] = row.get(column, 0.0) + weight
    return found


def _probabilities(met: Met, kind: PredictionKind, positive: object) -> Labelled:
    wanted = "1" if positive is None else spelled(positive)
    true = spelling(met.labels)
    p = numbers(met.answers)
    there = np.array([label is not None for label in true], dtype=np.bool_) & (p >= 0) & (p <= 1)
    y = np.array([label == wanted for label in true], dtype=np.float64)[there]
    p, w = p[there], met.weights[there]
    cells = np.minimum(np.searchsorted(SCORE_EDGES, p, side="right") - 1, SCORE_CELLS - 1)
    scores = np.stack([np.bincount(cells, w * (y == side), SCORE_CELLS).astype(np.float64) for side in (0, 1)])
    held = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    loss, brier = -np.log(np.where(y == 1, held, 1 - held)), (p - y) ** 2
    sums = np.array([w @ loss, w @ loss**2, w @ brier, w @ brier**2])
    bins = np.minimum((p * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    calibration = np.stack([np.bincount(bins, w * each, CALIBRATION_BINS).astype(np.float64) for each in (np.ones(len(p)), p, y, brier)], axis=1)
    return replace(
        _common(kind, w, met.delays[there]),
        correct=float(w[(p >= 0.5) == (y == 1)].sum()),
        scores=scores,
        counts=np.array([(y == 0).sum(), (y == 1).sum()], dtype=np.int64),
        calibration=calibration,
        sums=sums,
    )


def _numbers(met: Met, kind: PredictionKind, centre: float) -> Labelled:
    answers, labels = numbers(met.answers), numbers(met.labels)
    there: Flags = (np.abs(answers) < _HUGE) & (np.abs(labels) < _HUGE)
    y, w = labels[there], met.weights[there]
    e, d = answers[there] - y, y - centre
    relative = np.abs(e[y != 0] / y[y != 0])
    v = w[y != 0]
    sums = [w @ each for each in (e, np.abs(e), e**2, e**4, e**2 * d, e**2 * d**2, d, d**2, d**3, d**4)]
    found = replace(_common(kind, w, met.delays[there]), sums=np.array([*sums, v @ relative, v @ relative**2, v.sum()]), centre=centre)
    return replace(found, labels=spread_of(y, w), residuals=spread_of(e, w))


def _rankings(met: Met, kind: PredictionKind) -> Labelled:
    there, sums = ranked(spelling(met.answers), spelling(met.labels), met.weights)
    return replace(_common(kind, met.weights[there], met.delays[there]), ranks=sums)


def numbers(values: Values) -> Floats:
    """Each value as a number; NaN where it is a word."""
    words = np.array([_number(text) for text in values.texts], dtype=np.float64)
    return np.where(values.codes >= 0, words[values.codes], values.numbers) if len(words) else values.numbers


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def merge_labelled(parts: Sequence[Labelled | None]) -> Labelled | None:
    """The summary of all; None where there is none. Of different kinds (the settings were changed) the last one's stays."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    kind = there[-1].kind
    return reduce(_both, [part for part in there if part.kind is kind])


def _both(one: Labelled, other: Labelled) -> Labelled:
    pairs = [((label, answer), weight) for each in (one, other) for label, row in each.pairs.items() for answer, weight in row.items()]
    moved = _recentred(other, one.centre) if one.rows else other.sums
    return Labelled(
        kind=one.kind,
        rows=one.rows + other.rows,
        weight=one.weight + other.weight,
        weight2=one.weight2 + other.weight2,
        correct=one.correct + other.correct,
        pairs=_bounded(pairs),
        scores=_sum(one.scores, other.scores),
        counts=_sum(one.counts, other.counts),
        calibration=_sum(one.calibration, other.calibration),
        sums=_sum(one.sums, moved),
        centre=one.centre if one.rows else other.centre,
        delays=_sum(one.delays, other.delays),
        expired=one.expired + other.expired,
        settled_rows=one.settled_rows + other.settled_rows,
        unsettled=one.unsettled + other.unsettled,
        ranks=_sum(one.ranks, other.ranks),
        labels=merged(one.labels, other.labels),
        residuals=merged(one.residuals, other.residuals),
    )


def _sum(one: Numbers | None, other: Numbers | None) -> Numbers | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _recentred(it: Labelled, centre: float) -> Floats | None:
    """The sums of *it* with d measured from *centre*."""
    if it.sums is None or it.kind is not PredictionKind.NUMBER or it.centre == centre:
        return it.sums
    s, sums = it.centre - centre, named(it)
    d, d2, d3, d4 = (sums[name] for name in ("d", "d2", "d3", "d4"))
    moved: Mapping[str, float] = sums | {
        "e2d": sums["e2d"] + s * sums["e2"],
        "e2d2": sums["e2d2"] + 2 * s * sums["e2d"] + s**2 * sums["e2"],
        "d": d + s * it.weight,
        "d2": d2 + 2 * s * d + s**2 * it.weight,
        "d3": d3 + 3 * s * d2 + 3 * s**2 * d + s**3 * it.weight,
        "d4": d4 + 4 * s * d3 + 6 * s**2 * d2 + 4 * s**3 * d + s**4 * it.weight,
    }
    return np.array([moved[name] for name in NUMBER_SUMS])


def named(it: Labelled) -> dict[str, float]:
    """The sums of *it* by name."""
    names = CERTAIN_SUMS if it.kind is PredictionKind.PROBABILITY else NUMBER_SUMS
    return dict(zip(names, it.sums.tolist() if it.sums is not None else [0.0] * len(names), strict=True))
