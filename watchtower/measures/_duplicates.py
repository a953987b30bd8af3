"""The share of rows whose id came before, from the ids with the smallest hashes."""

from math import sqrt

import numpy as np

from watchtower.measures._estimates import Estimate, Z, wilson
from watchtower.nouns.profile import Ids

_HEAVY = 4.0
"""Standard errors by which the rows that the sketch stands for may miss the real ones before some id must be heavy and not in it (or in it)."""
_SPACE = 2.0**64


def duplicate_share(ids: Ids | None) -> tuple[Estimate | float | str, int]:
    """1 - different ids / rows with an id, and those rows.

    Exact while the sketch holds every id. Else of the m - 1 smallest hashes below the m-th, θ of the space: 1 - ids/rows among them, with
    the larger of the interval by ids (a ratio's) and Wilson's by rows. Where few ids have so many rows that these do not stand for all (the
    rows per θ miss the real ones by 4 standard errors), different ids are (m - 1)/θ (Cohen & Kaplan 2007) ± 1.96/√(m - 2) of it.
    """
    if ids is None:
        return "no ids logged, or counted only from the next window on", 0
    if ids.is_whole:
        return 1 - len(ids.hashes) / ids.rows, ids.rows
    counts, reached = ids.counts[:-1].astype(np.float64), float(ids.hashes[-1]) / _SPACE
    different, rows = len(counts), float(counts.sum())
    if abs(rows / reached - ids.rows) > _HEAVY * sqrt(float(counts @ counts)) / reached:
        return _by_density(different, reached, ids.rows), ids.rows
    mean, error = rows / different, float(counts.std()) / sqrt(different)
    by_rows = wilson(1 - 1 / mean, rows)
    low, high = 1 - 1 / max(1.0, mean - Z * error), 1 - 1 / (mean + Z * error)
    return Estimate(1 - 1 / mean, min(by_rows.low, low), max(by_rows.high, high)), ids.rows


def _by_density(different: int, reached: float, rows: int) -> Estimate:
    share = different / reached / rows
    reach = Z / sqrt(different - 1) * share
    return Estimate(max(0.0, 1 - share), max(0.0, 1 - share - reach), min(1.0, max(0.0, 1 - share + reach)))
