"""Jensen-Shannon distance."""

from typing import Annotated

import numpy as np
from pydantic import Field

from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic
from watchtower.statistics._cells import cells
from watchtower.statistics._homogeneity import homogeneity
from watchtower.statistics._scored import scored


class JensenShannon(Statistic):
    """Square root of the base-2 Jensen-Shannon divergence, in [0, 1].

    JS² = ½ Σ pᵢ log₂(pᵢ / mᵢ) + ½ Σ qᵢ log₂(qᵢ / mᵢ), m the mean of p and q (a term of 0 is 0). Its p-value is the homogeneity test's.
    Source: Endres and Schindelin (2003), A new metric for probability distributions.
    """

    bins: Annotated[int, Field(ge=2, le=64)] = 10
    """Groups that a numeric feature's fine bins are merged into."""

    def score(self, pair: Pair) -> Scores:
        """The distance of each subject; `n` counts missing rows too, they are a cell."""
        found = cells(pair, self.bins)
        p, q = found.shares()
        middle = (p + q) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * np.log2(p / middle), 0.0) + np.where(q > 0, q * np.log2(q / middle), 0.0)
        values = np.sqrt(np.maximum(found.total(terms) / 2, 0.0))
        return scored(self, pair, found.rows, values, homogeneity(pair, self.bins))
