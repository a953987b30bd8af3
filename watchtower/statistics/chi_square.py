"""Cramér's V with both samples weighted equally."""

from typing import Annotated

import numpy as np
from pydantic import Field

from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cells import cells
from watchtower.statistics._homogeneity import homogeneity
from watchtower.statistics._scored import scored


class ChiSquare(Statistic):
    """sqrt(½ Σ (qᵢ - pᵢ)² / (pᵢ + qᵢ)), in [0, 1]: Cramér's V of a table whose two samples weigh the same, so that traffic does not move it.

    Its p-value is the homogeneity test's, on the raw counts.
    Source: Cramér (1946), Mathematical Methods of Statistics, with shares in place of counts.
    """

    bins: Annotated[int, Field(ge=2, le=64)] = 10
    """Groups that a numeric feature's fine bins are merged into."""

    def score(self, pair: Pair) -> Scores:
        """V of each subject; `n` counts missing rows too, they are a cell."""
        found = cells(pair, self.bins)
        p, q = found.shares()
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.sqrt(found.total((q - p) ** 2 / (p + q)) / 2)
        return scored(self, pair, found.rows, values, homogeneity(pair, self.bins))
