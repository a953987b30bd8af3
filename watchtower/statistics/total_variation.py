"""Total variation distance."""

from typing import Annotated

import numpy as np
from pydantic import Field

from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cells import cells
from watchtower.statistics._homogeneity import homogeneity
from watchtower.statistics._scored import scored


class TotalVariation(Statistic):
    """½ Σ abs(qᵢ - pᵢ), in [0, 1]: the share of rows that would have to move. Its p-value is the homogeneity test's."""

    bins: Annotated[int, Field(ge=2, le=64)] = 10
    """Groups that a numeric feature's fine bins are merged into."""

    def score(self, pair: Pair) -> Scores:
        """The distance of each subject; `n` counts missing rows too, they are a cell."""
        found = cells(pair, self.bins)
        p, q = found.shares()
        values = found.total(np.abs(q - p)) / 2
        return scored(self, pair, found.rows, values, homogeneity(pair, self.bins))
