"""Pairs of profiles made of raw values, folded as the line folds them."""

from collections.abc import Mapping, Sequence

import numpy as np

from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.nouns.batch import Column, Floats, NumberColumn, TextColumn
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic

Values = Sequence[float] | Sequence[str | None] | Floats


def column(values: Values) -> Column:
    """Texts where any value is one, else numbers."""
    listed = list(values)
    if not any(isinstance(each, str) for each in listed):
        return NumberColumn(np.array(listed, dtype=float))
    names = tuple(dict.fromkeys(each for each in listed if isinstance(each, str)))
    index = {name: i for i, name in enumerate(names)}
    return TextColumn(np.array([index.get(each, -1) if isinstance(each, str) else -1 for each in listed], dtype=np.int32), names)


def pair(reference: Mapping[str, Values] | Values, current: Mapping[str, Values] | Values, min_rows: int | None = None) -> Pair:
    """The reference's binning and both sides folded under it; bare values are the feature x."""
    sides = [each if isinstance(each, Mapping) else {"x": each} for each in (reference, current)]
    there, here = ({name: column(values) for name, values in side.items()} for side in sides)
    binning = make_binning(there, {}, None, ())
    rows = [max((len(list(values)) for values in side.values()), default=0) for side in sides]
    profiles = [make_reference_profile(binning, columns, n) for columns, n in zip((there, here), rows, strict=True)]
    return Pair(binning, profiles[0], profiles[1], tuple(range(len(binning.subjects))), min_rows)


def counts(**names: int) -> list[str]:
    """So many rows of each name."""
    return [name for name, n in names.items() for _ in range(n)]


def only(scores: Scores) -> tuple[float, float]:
    """Value and p-value of the one subject scored; its reason is an assertion error."""
    assert scores.reasons == (None,)
    return float(scores.values[0]), float(scores.p_values[0])


def every_statistic() -> list[Statistic]:
    """One of each kind, by its defaults."""
    return [Statistic.member(kind)() for kind in Statistic.kinds()]
