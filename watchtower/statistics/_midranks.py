"""The fine bins as rank tests see them: both sides' distribution functions in the middle of every bin (midranks for ties)."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from watchtower.nouns.batch import Flags, Floats, Ints
from watchtower.nouns.score import Pair
from watchtower.statistics._cdf import Distributions, distributions


@dataclass(frozen=True, slots=True, eq=False)
class Midranks:
    """Bins of the numeric subjects of a pair, below and above included; missing rows are left out.

    Attributes:
        owner: int64[bins], place of the subject in ``Distributions.places``; first: bool[bins], whether it is its subject's first.
        gap: float64[bins], F_r - F_c at mid-distribution; NaN where a side has no rows.
        share, middle: float64[bins], the pooled rows' share of the bin, and their mid-distribution H.
        even_share, even_middle: the same with both sides weighing the same, whatever their rows.
        rows: float64[subjects] of reference and window.
    """

    owner: Ints
    first: Flags
    gap: Floats
    share: Floats
    middle: Floats
    even_share: Floats
    even_middle: Floats
    rows: tuple[Floats, Floats]

    def total(self, terms: Floats) -> Floats:
        """The sum of *terms* (one a bin) by subject."""
        sums: Floats = np.bincount(self.owner, terms, len(self.rows[0])).astype(np.float64, copy=False)
        return sums

    def within(self) -> Floats:
        """Variance of sqrt(n_r n_c / N) x gap without drift: H (1 - H) - share/4, what a Brownian bridge has in the middle of a bin."""
        variance: Floats = self.middle * (1 - self.middle) - self.share / 4
        return variance

    def pairs_before(self, weight: Floats) -> Floats:
        """Σ_j w_j (1 - H_j)² Σ_{i<j} w_i H_i² by subject: the bins' squared covariances without drift, each pair once, weighted."""
        running = np.concatenate([[0.0], np.cumsum(np.nan_to_num(weight * self.middle**2))])
        before = running[:-1] - running[np.flatnonzero(self.first)][self.owner]
        return self.total(weight * (1 - self.middle) ** 2 * before)


def midranks(pair: Pair) -> Midranks:
    """The midranks of the numeric subjects of ``pair.indexes``, made once for each pair."""
    if "midranks" not in pair.memo:
        pair.memo["midranks"] = _made(distributions(pair))
    return cast("Midranks", pair.memo["midranks"])


def _made(found: Distributions) -> Midranks:
    owner, first = _bins(found)
    there, here = (rows.astype(float) for rows in found.rows)
    r, c = _counts(found.reference, found.rows[0], found, first), _counts(found.current, found.rows[1], found, first)
    with np.errstate(divide="ignore", invalid="ignore"):
        every = (there + here)[owner]
        f, g = (r[0] / there[owner], r[1] / there[owner]), (c[0] / here[owner], c[1] / here[owner])
        return Midranks(owner, first, f[1] - g[1], (r[0] + c[0]) / every, (r[1] + c[1]) / every, (f[0] + g[0]) / 2, (f[1] + g[1]) / 2, (there, here))


def _bins(found: Distributions) -> tuple[Ints, Flags]:
    """Owner of each bin, below and above included (one more than edges), and whether it is its subject's first."""
    subjects = len(found.places)
    sizes = np.bincount(found.owner, minlength=subjects) + 1
    owner = np.repeat(np.arange(subjects), sizes)
    first = np.zeros(len(owner), dtype=bool)
    first[np.cumsum(sizes) - sizes] = True
    return owner, first


def _counts(below: Ints, rows: Ints, found: Distributions, first: Flags) -> tuple[Floats, Floats]:
    """Rows in each bin, and rows below its middle; *below* says how many rows lie below each edge."""
    upper = np.insert(below, found.ends(), rows).astype(float)
    counts = np.diff(upper, prepend=0.0)
    counts[first] = upper[first]
    return counts, upper - counts / 2
