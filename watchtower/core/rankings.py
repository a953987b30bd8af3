"""Rankings that met what was relevant, as sums for a few depths."""

from collections.abc import Sequence
from math import isfinite

import msgspec
import numpy as np

from watchtower.nouns.batch import Flags, Floats
from watchtower.nouns.labels import RANKS

DEEPEST = max(RANKS)
_AT_ONCE = 4_096
"""Rows that lie in memory at once as gains by place."""
_DISCOUNTS: Floats = 1 / np.log2(np.arange(2, DEEPEST + 2))
_ITEMS = msgspec.json.Decoder(list[str])
_GAINS = msgspec.json.Decoder(dict[str, float])
"""Made while this is imported, which one thread does: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""


def items_of(answer: str | None) -> list[str] | None:
    """The ids of a ranking, best first; None where *answer* is none."""
    try:
        return _ITEMS.decode(answer) if answer else None
    except msgspec.MsgspecError:
        return None


def gains_of(label: str | None) -> dict[str, float]:
    """What was relevant, and how much; a text that is neither a list nor gains is one id. Empty: nothing was."""
    try:
        if label and label[0] == "{":
            return {item: gain for item, gain in _GAINS.decode(label).items() if isfinite(gain) and gain > 0}
        return dict.fromkeys(_ITEMS.decode(label) if label and label[0] == "[" else [label] if label else [], 1.0)
    except msgspec.MsgspecError:
        return {str(label): 1.0}


def ranked(answers: Sequence[str | None], labels: Sequence[str | None], weights: Floats) -> tuple[Flags, Floats]:
    """Which rows are a ranking of which something was relevant, and their sums.

    These are float64[len(RANKS), 3]: Σ w of rows with something relevant among the first k, Σ w NDCG@k, Σ w NDCG@k².
    NDCG@k = DCG@k of the ranking / DCG@k of the best one, DCG@k = Σ_{i ≤ k} gain_i / log2(i + 1); an item that is there twice counts where it is first.
    Source: Järvelin & Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques.
    """
    there = np.zeros(len(answers), dtype=np.bool_)
    sums = np.zeros((len(RANKS), 3))
    for first in range(0, len(answers), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        pairs = [(items_of(answer), gains_of(label)) for answer, label in zip(answers[part], labels[part], strict=True)]
        sound = np.array([items is not None and bool(gains) for items, gains in pairs], dtype=np.bool_)
        there[part] = sound
        sums += _sums([_by_place(items, gains) for items, gains in pairs if items is not None and gains], weights[part][sound])
    return there, sums


def _by_place(items: Sequence[str], gains: dict[str, float]) -> tuple[list[float], list[float]]:
    """Gains in the order of the ranking, and in the best order, both as parts of the largest."""
    largest = max(gains.values())
    left = {item: gain / largest for item, gain in gains.items()}
    best = sorted(left.values(), reverse=True)[:DEEPEST]
    return [left.pop(item, 0.0) for item in items[:DEEPEST]], best


def _sums(rows: Sequence[tuple[list[float], list[float]]], weights: Floats) -> Floats:
    found, best = np.zeros((len(rows), DEEPEST)), np.zeros((len(rows), DEEPEST))
    for i, (gains, ideal) in enumerate(rows):
        found[i, : len(gains)], best[i, : len(ideal)] = gains, ideal
    places = np.array(RANKS) - 1
    gained, possible = (np.cumsum(each * _DISCOUNTS, axis=1)[:, places] for each in (found, best))
    scores = gained / possible
    hits = np.cumsum(found, axis=1)[:, places] > 0
    return np.stack([weights @ hits, weights @ scores, weights @ scores**2], axis=1)
