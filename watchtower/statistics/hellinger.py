"""Hellinger distance."""

from typing import Annotated

import numpy as np
from pydantic import Field

from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cells import cells
from watchtower.statistics._homogeneity import homogeneity
from watchtower.statistics._scored import scored


class Hellinger(Statistic):
    """sqrt(1 - Σ sqrt(pᵢ qᵢ)), in [0, 1]. Its p-value is the homogeneity test's.

    Source: Hellinger (1909); the coefficient inside is Bhattacharyya's.
    """

    bins: Annotated[int, Field(ge=2, le=64)] = 10
    """Groups that a numeric feature's fine bins are merged into."""

    def score(self, pair: Pair) -> Scores:
        """The distance of each subject; `n` counts missing rows too, they are a cell."""
        found = cells(pair, self.bins)
        p, q = found.shares()
        values = np.sqrt(np.maximum(1 - found.total(np.sqrt(p * q)), 0.0))
        return scored(self, pair, found.rows, values, homogeneity(pair, self.bins))
