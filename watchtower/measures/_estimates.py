"""Estimates with their 95 % intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, inf, log, sqrt

import numpy as np

from watchtower.nouns.batch import Floats
from watchtower.nouns.score import Scores

Z = 1.959963984540054
"""Half of a 95 % interval, in standard errors."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the bounds that hold the true one in 95 % of samples."""

    value: float
    low: float
    high: float


def estimates(found: Mapping[str, Estimate | str], n: int) -> Scores:
    """Scores by subject with their bounds; a text is the reason why there is none. What is not finite is no score."""
    sound = {subject: "values too large" if isinstance(each, Estimate) and not np.isfinite(each.value) else each for subject, each in found.items()}
    scores = Scores.of(tuple(sound), [(each.value if isinstance(each, Estimate) else each, n) for each in sound.values()])
    low, high = (np.array([getattr(each, name) if isinstance(each, Estimate) else np.nan for each in sound.values()]) for name in ("low", "high"))
    return replace(scores, low=low, high=high)


def told(subjects: Sequence[str], found: Sequence[tuple[Estimate | float | str, int]]) -> Scores:
    """Scores of *subjects*, each with its own rows: an estimate with its bounds, a plain number without, or the reason why there is none."""
    scores = Scores.of(subjects, [(each.value if isinstance(each, Estimate) else each, n) for each, n in found])
    low, high = (np.array([getattr(each, name) if isinstance(each, Estimate) else np.nan for each, _ in found], dtype=np.float64) for name in ("low", "high"))
    return replace(scores, low=low, high=high)


def joined_scores(first: Scores, second: Scores) -> Scores:
    """The scores of two sets of subjects, with their bounds."""

    def both(one: Floats | None, other: Floats | None) -> Floats:
        sides = ((first, one), (second, other))
        return np.concatenate([np.full(len(each.subjects), np.nan) if side is None else side for each, side in sides])

    return Scores(
        subjects=(*first.subjects, *second.subjects),
        values=np.concatenate([first.values, second.values]),
        p_values=np.concatenate([first.p_values, second.p_values]),
        n=np.concatenate([first.n, second.n]),
        reasons=(*first.reasons, *second.reasons),
        low=both(first.low, second.low),
        high=both(first.high, second.high),
    )


def wilson(share: float, n: float, z: float = Z) -> Estimate:
    """A share of *n* rows with Wilson's interval (Wilson 1927)."""
    if n <= 0:
        return Estimate(share, 0.0, 1.0)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * sqrt(max(share * (1 - share), 0.0) / n + z * z / (4 * n * n))
    return Estimate(share, max(0.0, min(middle - reach, share)), min(1.0, max(middle + reach, share)))


def mean_of(total: float, squares: float, weight: float, n: float, low: float = -np.inf) -> Estimate:
    """The mean of what was summed over *weight*, ± 1.96 sd/√n."""
    mean = float(total) / weight
    reach = Z * sqrt(max(float(squares) / weight - mean * mean, 0.0) / n)
    return Estimate(mean, max(low, mean - reach), mean + reach)


def student(mean: float, variance: float, n: float, low: float = -inf, high: float = inf) -> Estimate:
    """The mean of *n* rows of a population *variance*, ± t sd/√(n - 1) with Student's t of n - 1; of one row without bounds. Held in [*low*, *high*]."""
    from scipy.special import stdtrit  # noqa: PLC0415  slow to load, and only scoring wants it

    if n < 2:
        return Estimate(mean, -inf, inf)
    reach = float(stdtrit(n - 1, 0.975)) * sqrt(max(variance, 0.0) / (n - 1))
    return Estimate(mean, max(low, mean - reach), min(high, mean + reach))


def newcombe(one: tuple[float, float], other: tuple[float, float], z: float = Z) -> Estimate:
    """The difference of two shares, each (share, rows), with Newcombe's hybrid score interval (Newcombe 1998, method 10)."""
    first, second = wilson(*one, z), wilson(*other, z)
    value = first.value - second.value
    below = sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
    above = sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2)
    return Estimate(value, max(-1.0, value - below), min(1.0, value + above))


def ratio(one: tuple[float, float], other: tuple[float, float], z: float = Z) -> Estimate:
    """The ratio of two shares, each (share, rows), the second above 0; its logarithm ± z standard errors (Katz et al. 1978), ½ added to counts in them."""
    value = one[0] / other[0]
    counts = [(share * n + 0.5, n + 0.5) for share, n in (one, other)]
    error = sqrt(sum(max(1 / count - 1 / n, 0.0) for count, n in counts))
    middle = log(counts[0][0] / counts[0][1]) - log(counts[1][0] / counts[1][1])
    return Estimate(value, min(value, exp(middle - z * error)), max(value, exp(middle + z * error)))
