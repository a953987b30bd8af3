"""Views made by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from watchtower.core.binning import fold_columns
from watchtower.core.merging import empty
from watchtower.nouns.batch import Column
from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import LATENCY_CELLS, LATENCY_EDGES, Durations, Profile
from watchtower.nouns.score import Scores, View


def view(profile: Profile, *, siblings: Mapping[str, Profile] | None = None, seconds: float = 60.0, binning: Binning | None = None, reason: str = "") -> View:
    """Version 1 of a model over one window."""
    return View("m", "1", "", profile, siblings if siblings is not None else {"1": profile}, seconds, binning, None, reason)


def served(rows: int, weight: float | None = None) -> Profile:
    """A profile of *rows* rows and nothing else."""
    return replace(empty(None), rows=rows, weight=float(rows) if weight is None else weight)


def folded(binning: Binning, columns: Mapping[str, Column], rows: int) -> Profile:
    """A profile of *columns*."""
    cells, moments, oddities = fold_columns(binning, columns, rows)
    return replace(empty(binning), rows=rows, weight=float(rows), cells=cells, moments=moments, oddities=oddities)


def durations(seconds: Iterable[float]) -> Durations:
    """The histogram of *seconds*."""
    values = np.array(list(seconds))
    counts = np.bincount(np.searchsorted(LATENCY_EDGES[1:], values, side="left"), minlength=LATENCY_CELLS).astype(float)
    return Durations(counts, float(len(values)), float(values.sum()), float(values.max()), len(values))


def told(scores: Scores) -> dict[str, float | str]:
    """Value or reason by subject."""
    return {subject: reason or float(value) for subject, value, reason in zip(scores.subjects, scores.values, scores.reasons, strict=True)}
