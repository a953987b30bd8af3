"""Always-valid evidence: betting against "no difference", which may be looked at after every row.

Source: Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting; mixtures over the bet instead of
a chosen one. Everything is in natural logarithms, so that nothing overflows. Formulas: docs/statistics.md.
"""

import math
from collections.abc import Callable

import numpy as np

from watchtower.nouns.batch import Floats

BETS: int = 48
_SMALLEST, _LARGEST = 0.002, 0.98
_PIECE, _TOGETHER = 4096, 32
"""Rows that are in memory at once, and factors 1 + λY that are multiplied before a logarithm is taken: 32 of them lie far inside a float's range."""
_SURE = 1.96
"""So many standard errors: the rows that are asked for suffice in 39 of 40 trials."""


def bets() -> Floats:
    """float64[48], the fractions λ, geometric from 0.002 to 0.98."""
    return np.geomspace(_SMALLEST, _LARGEST, BETS)


def log_e_plus(y: Floats) -> float:
    """Ln E⁺ against E[Y] <= 0, Y in [-1, 1]: 1/48 Σⱼ Πᵢ (1 + λⱼ Yᵢ); 0 for no rows."""
    return _mixture(y)


def log_e_minus(y: Floats, m: float) -> float:
    """Ln E⁻ against E[Y] >= m: 1/48 Σⱼ Πᵢ (1 + λⱼ (m - Yᵢ)/(1 - m))."""
    return _mixture((m - y) / (1 - m))


def log_e_minus_classes(b: int, c: int, n: int, m: float) -> float:
    """The same where each Y is 1 (*b* of *n* rows), -1 (*c*) or 0, from the counts."""
    logs = [count * np.log1p(bets() * (m - value) / (1 - m)) for value, count in ((1, b), (-1, c), (0, n - b - c))]
    return _mixed(np.sum(logs, axis=0))


def log_e_classes(b: int, c: int) -> float:
    """Ln E⁺ for answers that are right or wrong: 2^(b+c+1) B(b+1, c+1) P(Beta(b+1, c+1) > ½); *b* only live wrong, *c* only the candidate."""
    from scipy.special import betaln, log_ndtr  # noqa: PLC0415  31 MB that only a trial needs

    tail = _log_beta_above_half(b, c)
    if not math.isfinite(tail):  # far in the tail the incomplete beta underflows, and the normal tail says enough
        tail = float(log_ndtr((b - c) / math.sqrt(b + c + 3)))
    return (b + c + 1) * math.log(2) + float(betaln(b + 1, c + 1)) + tail


def log_p_mcnemar(b: int, c: int) -> float:
    """Ln of the exact one-sided p-value of McNemar's test: P(Binomial(b + c, ½) >= b)."""
    from scipy.special import betainc  # noqa: PLC0415  31 MB that only a trial needs

    if b == 0:
        return 0.0
    p = float(betainc(b, c + 1, 0.5))
    return math.log(p) if p > 0 else -log_e_classes(b, c)


def rows_needed(y: Floats, m: float, candidates: int, alpha: float, *, classes: bool) -> int | None:
    """The smallest n with n·g - 1.96 √(n·v) >= ln(k/α) + h and d̂ - 1.96 sd/√n >= m; None where no n would do.

    g and v are mean and variance of ln(1 + λY) at the best λ; h = ½ ln n for classes; for losses what mixing the bets costs, n·g - ln(1/48 Σⱼ exp(n·gⱼ)), which
    is about ln 16 where the best bet lies among others, and up to ln 48 where it is the largest. *candidates* is k, or k times the grounds in use.
    """
    if not len(y):
        return None
    spare, grown = float(y.mean()) - m, _log_wealth(y) / len(y)
    best = int(np.argmax(grown))
    if spare <= 0 or grown[best] <= 0:
        return None
    gain, variance = float(grown[best]), float(np.log1p(bets()[best] * y).var())
    for_effect = (_SURE * float(y.std()) / spare) ** 2

    def suffices(n: int) -> bool:
        expected = n * gain - 0.5 * math.log(n) if classes else _mixed(n * grown)
        return n >= for_effect and expected - _SURE * math.sqrt(n * variance) >= math.log(candidates / alpha)

    return _smallest(suffices)


def _smallest(suffices: Callable[[int], bool]) -> int | None:
    """The smallest n that suffices, where every larger one does too; None beyond 10¹²."""
    high = 1
    while not suffices(high):
        high *= 2
        if high > 10**12:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def p_text(log_p: float) -> str:
    """A p-value such as ``3e-09``, also where it is too small for a float; at most 1."""
    if log_p >= 0:
        return "1"
    exponent = math.floor(log_p / math.log(10))
    digit = math.floor(math.exp(log_p - exponent * math.log(10)) + 0.5)
    if digit == 10:  # 9.6e-5 is 1e-04
        exponent, digit = exponent + 1, 1
    return f"{math.exp(log_p):.2f}" if exponent >= -2 else f"{digit}e-{-exponent:02d}"


def _mixture(y: Floats) -> float:
    return _mixed(_log_wealth(y))


def _mixed(logs: Floats) -> float:
    peak = float(logs.max())
    return peak + math.log(float(np.exp(logs - peak).sum())) - math.log(BETS)


def _log_wealth(y: Floats) -> Floats:
    """float64[48]: Σᵢ ln(1 + λⱼ Yᵢ) of every bet."""
    logs = np.zeros(BETS)
    stakes = bets()[:, None, None]
    moved = y[y != 0]  # the others multiply by one
    for start in range(0, len(moved), _PIECE):
        piece = moved[start : start + _PIECE]
        filled = np.concatenate([piece, np.zeros(-len(piece) % _TOGETHER)]).reshape(_TOGETHER, -1)
        logs += np.log((1 + stakes * filled).prod(axis=1)).sum(axis=1)
    return logs


def _log_beta_above_half(b: int, c: int) -> float:
    from scipy.special import betainc  # noqa: PLC0415  31 MB that only a trial needs

    above = float(betainc(c + 1, b + 1, 0.5))
    return math.log(above) if above > 0 else -math.inf
