"""The p-value that psi, jensen_shannon, hellinger, total_variation and chi_square share."""

from typing import cast

import numpy as np

from watchtower.nouns.batch import Floats
from watchtower.nouns.score import Pair
from watchtower.statistics._cells import Cells, cells


def homogeneity(pair: Pair, bins: int) -> Floats:
    """Pearson's two-sample test on the raw counts of the compared cells, df = k - 1; 1 where one cell is left. Made once for each pair."""
    key = f"homogeneity {bins}"
    if key not in pair.memo:
        pair.memo[key] = _p_values(cells(pair, bins))
    return cast("Floats", pair.memo[key])


def _p_values(compared: Cells) -> Floats:
    from scipy.special import chdtrc  # noqa: PLC0415  31 MB that only an evaluation needs

    there, here = (rows.astype(float)[compared.owner] for rows in compared.rows)
    r, c = compared.reference, compared.current
    with np.errstate(divide="ignore", invalid="ignore"):
        square = compared.total((r * here - c * there) ** 2 / (there * here * (r + c)))
    freedom = compared.count - 1
    p_values: Floats = np.where(freedom > 0, chdtrc(np.maximum(freedom, 1), square), 1.0)
    return p_values
