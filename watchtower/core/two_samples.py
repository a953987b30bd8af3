"""Two-sided p-values that two samples differ, from counts and moments alone. Pure.

Every function takes what a profile keeps, so none of them sees a row. `scipy.special` is imported where it is used: its 31 MB are only for evaluations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from watchtower.nouns.batch import Floats, Ints

LEAST_EXPECTED = 5.0
"""A cell of the 2 x 2 table with a smaller expected count makes the test of two proportions exact."""
LEAST_RANKED = 8
"""Rows a side from which the normal limit of the rank sum is used."""
_Z95 = 1.959963984540054
_SAME = 1 + 1e-7
"""Probabilities that differ by less are one: they come out of sums of logarithms."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Of one sample: how many, their mean, their population variance."""

    n: float
    mean: float
    variance: float


def two_proportions(hits: Ints, of: Ints, other_hits: Ints, other_of: Ints) -> Floats:
    """For each pair of shares hits/of: z = (p₁ - p₂) / sqrt(p (1 - p) (1/n₁ + 1/n₂)), p the pooled share, in the normal limit.

    Where an expected count is under 5, Fisher's exact test (the sum of all tables no likelier than this one). NaN where a side has no rows.
    Sources: Pearson (1900), without continuity correction; Fisher (1935).
    """
    from scipy.special import erfc  # noqa: PLC0415  see the module

    k, n, other_k, other_n = (np.asarray(each, dtype=np.float64) for each in (hits, of, other_hits, other_of))
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (k + other_k) / (n + other_n)
        z = (k / n - other_k / other_n) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / other_n))
        expected = np.minimum(pooled, 1 - pooled) * np.minimum(n, other_n)
    found: Floats = np.where((n > 0) & (other_n > 0), erfc(np.abs(z) / np.sqrt(2)), np.nan)
    for i in np.flatnonzero((expected < LEAST_EXPECTED) & (n > 0) & (other_n > 0)):
        found[i] = _fisher(int(k[i]), int(n[i]), int(other_k[i]), int(other_n[i]))
    return found


def _fisher(hits: int, of: int, other_hits: int, other_of: int) -> float:
    """The exact p-value; the smaller sample and the rarer outcome are counted, so that the sum is short."""
    from scipy.special import gammaln  # noqa: PLC0415  see the module

    if of > other_of:
        hits, of, other_hits, other_of = other_hits, other_of, hits, of
    total = hits + other_hits
    if total > (of + other_of) / 2:
        hits, total = of - hits, of + other_of - total
    may_be = np.arange(max(0, total - other_of), min(of, total) + 1, dtype=np.float64)

    def ln_choose(n: float, k: Floats) -> Floats:
        found: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return found

    ln_p = ln_choose(of, may_be) + ln_choose(other_of, total - may_be)
    likely = np.exp(ln_p - ln_p.max())
    here = likely[hits - int(may_be[0])]
    return float(min(1.0, likely[likely <= here * (1 + 1e-6)].sum() / likely.sum()))


def mann_whitney(counts: Floats, other: Floats) -> float:
    """Whether one sample tends to larger values: counts of both by the same ascending cells; values of one cell are ties.

    U = R₁ - n₁(n₁ + 1)/2 with midranks, against the normal distribution of mean n₁n₂/2 and variance n₁n₂/12 ((n + 1) - Σ(t³ - t)/(n(n - 1))), with
    continuity correction. NaN where a side has fewer than 8 rows. Binned, it is the test of the binned values: cells only add ties.
    Source: Mann and Whitney (1947); Lehmann (1975), section 1.4, for ties.
    """
    from scipy.special import erfc  # noqa: PLC0415  see the module

    n, m = float(counts.sum()), float(other.sum())
    if min(n, m) < LEAST_RANKED:
        return float("nan")
    tied = counts + other
    total = n + m
    ranks = np.cumsum(tied) - tied + (tied + 1) / 2
    u = float(counts @ ranks) - n * (n + 1) / 2
    variance = n * m / 12 * ((total + 1) - float((tied**3 - tied).sum()) / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / np.sqrt(variance)
    return float(erfc(z / np.sqrt(2)))


def beyond_quantile(counts: Floats, other: Floats, share: float) -> float:
    """Whether a quantile differs: of each side the rows in cells beyond the pooled quantile of *share*, as two proportions (Mood's test for any quantile).

    Source: Mood (1950), chapter 16, for the median.
    """
    pooled = np.cumsum(counts + other)
    cut = int(np.argmax(pooled >= share * pooled[-1] * (1 - 1e-12))) + 1
    sides = [np.array([round(float(each))]) for each in (counts[cut:].sum(), counts.sum(), other[cut:].sum(), other.sum())]
    return float(two_proportions(*sides)[0])


def either(*p_values: float) -> float:
    """The smallest of several p-values of one question, times how many there are (Bonferroni); NaN where one is missing."""
    return float(min(1.0, len(p_values) * float(np.min(p_values))))


def welch(one: Moments, other: Moments) -> float:
    """Whether two means differ: Welch's t on the sample variances, Welch-Satterthwaite's degrees of freedom. NaN with fewer than 2 rows a side.

    Source: Welch (1947), The generalization of Student's problem when several different population variances are involved.
    """
    from scipy.special import stdtr  # noqa: PLC0415  see the module

    if min(one.n, other.n) < 2:
        return float("nan")
    errors = [each.variance / (each.n - 1) for each in (one, other)]
    if sum(errors) <= 0:
        return 1.0 if one.mean == other.mean else 0.0
    t = (one.mean - other.mean) / np.sqrt(sum(errors))
    parts = [error / sum(errors) for error in errors]  # squares of tiny errors themselves would be 0
    freedom = 1 / sum(part**2 / (each.n - 1) for part, each in zip(parts, (one, other), strict=True))
    return float(2 * stdtr(freedom, -abs(t)))


def poisson_rates(events: int, time: float, other_events: int, other_time: float) -> float:
    """Whether two rates differ, exactly: given their sum, *events* is binomial with share time / (time + other_time). NaN where a side has no time.

    The sum of the probabilities of all outcomes that are no likelier. Source: Przyborowski and Wilenski (1940).
    """
    if time <= 0 or other_time <= 0:
        return float("nan")
    n, share = events + other_events, time / (time + other_time)
    return 1.0 if n == 0 else _binomial(events, n, share)


def _binomial(k: int, n: int, share: float) -> float:
    from scipy.special import bdtr, bdtrc, gammaln, xlog1py, xlogy  # noqa: PLC0415  see the module

    def chance(x: int) -> float:
        return float(np.exp(gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1) + xlogy(x, share) + xlog1py(n - x, -share)))

    here, middle = chance(k) * _SAME, n * share
    if k == middle:
        return 1.0
    if k < middle:
        first = _first(int(np.ceil(middle)), n, lambda x: chance(x) <= here)
        return float(min(1.0, bdtr(k, n, share) + (bdtrc(first - 1, n, share) if first <= n else 0.0)))
    last = -_first(-int(np.floor(middle)), 0, lambda x: chance(-x) <= here)
    return float(min(1.0, (bdtrc(k - 1, n, share) if k > 0 else 1.0) + (bdtr(last, n, share) if last >= 0 else 0.0)))


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest of low … high for which *holds* (once it holds it goes on); high + 1 where none does."""
    high += 1
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def from_intervals(apart: Floats, width: Floats, other_width: Floats) -> Floats:
    """Whether two estimates differ that are *apart*, from the widths of their 95 % intervals: a normal approximation, se = width / (2 · 1.96).

    NaN where a side has no interval, or neither has any width.
    """
    from scipy.special import erfc  # noqa: PLC0415  see the module

    error = np.hypot(width, other_width) / (2 * _Z95)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(error > 0, erfc(np.abs(apart) / error / np.sqrt(2)), np.nan)
    return found
