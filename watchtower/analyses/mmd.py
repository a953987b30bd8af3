"""Maximum mean discrepancy of rows."""

from typing import Annotated

import numpy as np
from pydantic import Field

from watchtower.analyses import Analysis, Found
from watchtower.analyses._pairs import contrast, p_value, relabelled, squared_distances
from watchtower.nouns.batch import Floats


class Mmd(Analysis):
    """Squared maximum mean discrepancy, unbiased and clipped at 0.

    MMD² = E k(X, X') + E k(Y, Y') - 2 E k(X, Y) over pairs of different rows, k(x, y) = exp(-|x - y|² / (2 s²)), s the median distance of the pooled rows
    (their mean distance where more than half of the pairs are equal). The p-value is that of random relabellings.
    Source: Gretton et al. (2012), A Kernel Two-Sample Test.
    """

    rows: Annotated[int, Field(ge=200, le=5_000)] = 2_000
    """The most rows a side: those with the smallest position hashes. Distances of 5,000 a side take 3 GB and about 7 s."""
    permutations: Annotated[int, Field(ge=99, le=9_999)] = 999
    """Random relabellings; beyond them the tail is fitted."""

    def score(self, reference: Floats, current: Floats, seed: int) -> Found:
        """Constant rows that are the same on both sides score 0 with p 1."""
        squares = squared_distances(np.concatenate([reference, current]))
        width = _width(squares)
        if width <= 0:
            return Found(0.0, 1.0)
        unlike = -np.exp(squares / (-2 * width))
        excess = contrast(unlike, len(reference)).excess
        return Found(max(0.0, excess), p_value(excess, relabelled(unlike, len(reference), self.permutations, seed)))


def _width(squares: Floats) -> float:
    """The kernel's s²."""
    pairs = squares[np.triu_indices(len(squares), 1)]
    median = float(np.median(pairs))
    return median if median > 0 else float(np.sqrt(pairs).mean()) ** 2
