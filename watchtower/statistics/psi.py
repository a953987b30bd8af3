"""Population stability index."""

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cells import cells
from watchtower.statistics._homogeneity import homogeneity
from watchtower.statistics._scored import scored


class Psi(Statistic):
    """Population stability index over the reference's own bins.

    PSI = Σ (qᵢ - pᵢ) ln(qᵢ / pᵢ), shares smoothed by half a count, (c + ½) / (n + k/2), so that a vanished bin scores high but finite. Its p-value is the
    homogeneity test's. Without drift its mean is (k - 1)(1/n_r + 1/n_c), k the compared cells: `excess` is the value less that. What a wholly new cell
    adds grows with ln n_r.
    Source: Yurdakul (2018), Statistical Properties of Population Stability Index.
    """

    bins: Annotated[int, Field(ge=2, le=64)] = 10
    """Groups that a numeric feature's fine bins are merged into."""

    def score(self, pair: Pair) -> Scores:
        """PSI of each subject; `n` counts missing rows too, they are a cell."""
        found = cells(pair, self.bins)
        more = found.count[found.owner] / 2
        p, q = ((counts + 0.5) / (rows[found.owner] + more) for counts, rows in zip((found.reference, found.current), found.rows, strict=True))
        scores = scored(self, pair, found.rows, found.total((q - p) * np.log(q / p)), homogeneity(pair, self.bins))
        there, here = found.rows
        with np.errstate(divide="ignore", invalid="ignore"):
            by_chance = (found.count - 1) * (1 / there + 1 / here)
        return replace(scores, excess=np.where(np.isnan(scores.values), np.nan, scores.values - by_chance))
