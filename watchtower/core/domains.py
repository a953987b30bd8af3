"""Rows as points: the whole table, or one embedding, as a matrix in which distances mean something."""

from collections.abc import Mapping, Sequence

import numpy as np

from watchtower.nouns.batch import Column, FeatureType, Flags, Floats, NumberColumn, TextColumn, VectorColumn
from watchtower.nouns.binning import PREDICTION, Binning, CategoryBins, NumericBins

FARTHEST = 5.0
"""Standardised numbers beyond this count as this, so that one outlier does not set the distances."""
CATEGORIES = 20
"""Categories, the reference's largest, that have a column of their own; all others share one."""


def subjects_of(binning: Binning, *, on_vectors: bool) -> tuple[str, ...]:
    """What an analysis scores: the whole table (subject ""), and each embedding where it looks at those."""
    vectors = [name for name, kind in zip(binning.subjects, binning.types, strict=True) if kind is FeatureType.EMBEDDING and binning.is_feature(name)]
    return (PREDICTION, *vectors) if on_vectors else (PREDICTION,)


def tables(binning: Binning, reference: Mapping[str, Column], current: Mapping[str, Column], rows: tuple[int, int]) -> tuple[Floats, Floats] | str:
    """Both samples as matrices of one width, all finite; or the reason why there is nothing to compare.

    A number is (x - mean) / sd of the reference, at most 5 either way, missing 0; a category is a column each for the reference's 20 largest and one for
    all others; an embedding is its vector, standardised by the reference's, over the root of its width, so that it weighs as one feature.
    A subject that is missing in some rows has a column that says so. Texts count by whether they are there.
    """
    first: list[Floats] = []
    second: list[Floats] = []
    for subject, kind, bins in zip(binning.subjects, binning.types, binning.bins, strict=True):
        if not binning.is_feature(subject):
            continue
        columns = (reference.get(subject), current.get(subject))
        if kind is FeatureType.EMBEDDING:
            parts = _embedded(columns, rows)
        elif isinstance(bins, NumericBins):
            parts = _standardised(columns[0], bins, rows[0]), _standardised(columns[1], bins, rows[1])
        else:
            assert isinstance(bins, CategoryBins)
            parts = _one_hot(columns[0], bins, rows[0]), _one_hot(columns[1], bins, rows[1])
        first.append(parts[0])
        second.append(parts[1])
    return (np.concatenate(first, axis=1), np.concatenate(second, axis=1)) if first else "no features"


def vectors(reference: Column | None, current: Column | None) -> tuple[Floats, Floats] | str:
    """An embedding's vectors that are there, both samples; or why they cannot be compared."""
    sides = [_there(column) for column in (reference, current)]
    widths = [side.shape[1] for side in sides]
    if 0 in widths:
        return "no vectors in the reference" if not widths[0] else "no vectors"
    if widths[0] != widths[1]:
        return f"vectors of width {widths[1]}, in the reference {widths[0]}"
    return sides[0], sides[1]


def _there(column: Column | None) -> Floats:
    if not isinstance(column, VectorColumn):
        return np.zeros((0, 0))
    return column.values[~_gone(column.values)]


def _gone(values: Floats) -> Flags:
    """Which rows have no vector."""
    return np.asarray(~np.isfinite(values).all(axis=1) if values.shape[1] else np.ones(len(values)), dtype=np.bool_)


def _standardised(column: Column | None, bins: NumericBins, rows: int) -> Floats:
    values = column.values if isinstance(column, NumberColumn) else np.full(rows, np.nan)
    missing = ~np.isfinite(values)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (values - bins.mean) / (bins.sd if bins.sd > 0 else 1.0)
    scaled = np.clip(np.where(missing, 0.0, scaled), -FARTHEST, FARTHEST)
    return np.stack([scaled, missing.astype(np.float64)], axis=1)


def _one_hot(column: Column | None, bins: CategoryBins, rows: int) -> Floats:
    """Columns: each of the largest categories, all others, missing."""
    kept = min(len(bins.names), CATEGORIES)
    cells = np.full(rows, kept + 1)
    if isinstance(column, TextColumn):
        of_names = [bins.index.get(name, kept) for name in column.names]
        cells = np.array([*(min(cell, kept) for cell in of_names), kept + 1])[column.codes]
    elif isinstance(column, NumberColumn):
        cells = np.where(np.isfinite(column.values), kept, kept + 1)
    return np.asarray(cells[:, None] == np.arange(kept + 2), dtype=np.float64)


def _embedded(columns: Sequence[Column | None], rows: tuple[int, int]) -> tuple[Floats, Floats]:
    """Both samples' vectors and missing columns; where widths differ only whether they are there."""
    values = [column.values if isinstance(column, VectorColumn) else np.zeros((n, 0)) for column, n in zip(columns, rows, strict=True)]
    missing = [_gone(each) for each in values]
    marks = [each.astype(np.float64)[:, None] for each in missing]
    reference = values[0][~missing[0]]
    if values[0].shape[1] != values[1].shape[1] or not len(reference):
        return marks[0], marks[1]
    mean, sd = np.asarray(reference.mean(axis=0)), np.asarray(reference.std(axis=0))
    scale = np.where(sd > 0, sd, 1.0) * np.sqrt(values[0].shape[1])
    points = [np.where(gone[:, None], 0.0, (each - mean) / scale) for each, gone in zip(values, missing, strict=True)]
    return np.concatenate([points[0], marks[0]], axis=1), np.concatenate([points[1], marks[1]], axis=1)
