"""Energy distance of rows."""

from typing import Annotated

import numpy as np
from pydantic import Field

from watchtower.analyses import Analysis, Found
from watchtower.analyses._pairs import contrast, p_value, relabelled, squared_distances
from watchtower.nouns.batch import Floats


class Energy(Analysis):
    """Energy coefficient of inhomogeneity, in [0, 1].

    H = (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / (2 E|X - Y|) with Euclidean distances over pairs of different rows, clipped at 0; 1 where both samples are
    points that differ. The p-value is that of random relabellings. Source: Székely & Rizzo (2013), Energy statistics.
    """

    rows: Annotated[int, Field(ge=200, le=5_000)] = 2_000
    """The most rows a side: those with the smallest position hashes. Distances of 5,000 a side take 3 GB and about 7 s."""
    permutations: Annotated[int, Field(ge=99, le=9_999)] = 999
    """Random relabellings; beyond them the tail is fitted."""

    def score(self, reference: Floats, current: Floats, seed: int) -> Found:
        """Constant rows that are the same on both sides score 0 with p 1."""
        distances = np.sqrt(squared_distances(np.concatenate([reference, current])))
        found = contrast(distances, len(reference))
        if found.between <= 0:
            return Found(0.0, 1.0)
        chance = relabelled(distances, len(reference), self.permutations, seed)
        return Found(min(1.0, max(0.0, found.excess / (2 * found.between))), p_value(found.excess, chance))
