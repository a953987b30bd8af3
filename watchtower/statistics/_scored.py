"""From arrays to scores: who has none, and why."""

from collections.abc import Sequence

import numpy as np

from watchtower.nouns.batch import FeatureType, Flags, Floats, Ints
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic

CONSTANT = "constant reference"
NOBODY = "no rows in the reference"


def scored(statistic: Statistic, pair: Pair, rows: tuple[Ints, Ints], values: Floats, p_values: Floats, constant: Sequence[bool] | None = None) -> Scores:  # noqa: PLR0913, PLR0917  the columns of one statistic
    """Scores of ``pair.indexes``; *rows* are the compared rows of the reference and of the window, *constant* marks references without spread.

    A subject of another type, with too few rows, or compared with nothing has a reason instead of a value. So has one whose value or p-value is not finite.
    """
    there, here = rows
    needed = statistic.min_rows if pair.min_rows is None else pair.min_rows
    served = pair.current.rows
    wrong, still = _wrong(statistic, pair), np.zeros(len(values), dtype=bool) if constant is None else np.asarray(constant, dtype=bool)
    nobody = (here == 0) & (served == 0 or needed <= 0)
    few, endless = here < needed, ~(np.isfinite(values) & np.isfinite(p_values))
    lacking = wrong | nobody | few | (there == 0) | still | endless
    reasons: list[str | None] = [None] * len(values)
    for place in np.flatnonzero(lacking).tolist():
        if wrong[place]:
            reasons[place] = _wrong_type(statistic)
        elif nobody[place]:
            reasons[place] = "no rows"
        elif few[place]:
            reasons[place] = f"{here[place]:,} of {needed:,} rows"
        else:
            reasons[place] = NOBODY if there[place] == 0 else CONSTANT if still[place] else "values too large"
    names = pair.binning.subjects
    subjects = tuple(names[index] for index in pair.indexes)
    return Scores(subjects, np.where(lacking, np.nan, values), np.where(lacking, np.nan, p_values), here.astype(np.int64), tuple(reasons))


def _wrong(statistic: Statistic, pair: Pair) -> Flags:
    """Which subjects *statistic* is not for."""
    fits = {kind: kind in statistic.types for kind in FeatureType}
    if all(fits.values()):
        return np.zeros(len(pair.indexes), dtype=bool)
    types = pair.binning.types
    return np.array([not fits[types[index]] for index in pair.indexes], dtype=bool)


def _wrong_type(statistic: Statistic) -> str:
    return "numeric features only" if FeatureType.CATEGORICAL not in statistic.types else "numeric and categorical features only"
