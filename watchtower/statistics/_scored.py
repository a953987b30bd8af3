"""From arrays to scores: who has none, and why."""

from collections.abc import Sequence

import numpy as np

from watchtower.nouns.batch import FeatureType, Floats, Ints
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic

CONSTANT = "constant reference"
NOBODY = "no rows in the reference"


def scored(statistic: Statistic, pair: Pair, rows: tuple[Ints, Ints], values: Floats, p_values: Floats, constant: Sequence[bool] | None = None) -> Scores:  # noqa: PLR0913, PLR0917  the columns of one statistic
    """Scores of ``pair.indexes``; *rows* are the compared rows of the reference and of the window, *constant* marks references without spread.

    A subject of another type, with too few rows, or compared with nothing has a reason instead of a value.
    """
    there, here = rows
    needed = statistic.min_rows if pair.min_rows is None else pair.min_rows
    wrong = _wrong_type(statistic)
    reasons: list[str | None] = []
    for place, index in enumerate(pair.indexes):
        if pair.binning.types[index] not in statistic.types:
            reasons.append(wrong)
        else:
            still = bool(constant is not None and constant[place])
            reasons.append(_reason(int(there[place]), int(here[place]), needed, pair.current.rows, still=still, value=float(values[place])))
    lacking = np.array([reason is not None for reason in reasons], dtype=bool)
    subjects = tuple(pair.binning.subjects[index] for index in pair.indexes)
    return Scores(subjects, np.where(lacking, np.nan, values), np.where(lacking, np.nan, p_values), here.astype(np.int64), tuple(reasons))


def _wrong_type(statistic: Statistic) -> str:
    return "numeric features only" if FeatureType.CATEGORICAL not in statistic.types else "numeric and categorical features only"


def _reason(there: int, here: int, needed: int, served: int, *, still: bool, value: float) -> str | None:  # noqa: PLR0913  each count has a reason of its own
    if here == 0 and (served == 0 or needed <= 0):
        return "no rows"
    if here < needed:
        return f"{here:,} of {needed:,} rows"
    if there == 0:
        return NOBODY
    if still:
        return CONSTANT
    return None if np.isfinite(value) else "values too large"
