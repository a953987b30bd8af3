"""Tails of two limit laws of distances between distribution functions, to many places even far out.

Both are of a sum Σ Z_j² / a_j with normal Z_j, and by Smirnov's formula P(sum > x) = 1/π Σ_k (-1)^(k+1) ∫ exp(-x t / 2) / (t sqrt(-D(t))) dt over
(a_{2k-1}, a_2k), D(t) = Π (1 - t / a_j). Each integral is done by Gauss-Chebyshev quadrature, in a variable that makes the ends alike.
Source: Smirnov (1937); Imhof (1961), Computing the distribution of quadratic forms in normal variables.
"""

import numpy as np

from watchtower.nouns.batch import Floats

_TERMS, _NODES = 16, 48


def brownian_tail(x: Floats) -> Floats:
    """P(∫ B² > x), B a Brownian bridge: a_j = (jπ)², D = sin(√t)/√t; the limit of the Cramér-von Mises statistic (mean 1/6, variance 1/45)."""
    y = np.pi * (2 * _terms() - 0.5 + _nodes() / 2)
    weight = np.sqrt((1 - _nodes() ** 2) / (-y * np.sin(y))) * np.pi / _NODES
    return _tail(x, y**2 / 2, weight, (0.01, 1.0))


def anderson_tail(x: Floats) -> Floats:
    """P(∫ B² / (t(1 - t)) > x): a_j = j(j + 1), D = -cos(π/2 sqrt(1 + 4t)) / (πt); the limit of the Anderson-Darling statistic (mean 1, variance 0.5797)."""
    v = 4 * _terms() + _nodes()
    t = (v**2 - 1) / 4
    weight = v / 2 * np.sqrt(np.pi * (1 - _nodes() ** 2) / (t * np.cos(np.pi / 2 * v))) / _NODES
    return _tail(x, t / 2, weight, (0.06, 8.0))


def _terms() -> Floats:
    return np.arange(1.0, _TERMS + 1)[:, None]


def _nodes() -> Floats:
    nodes: Floats = np.cos((2 * np.arange(1, _NODES + 1) - 1) * np.pi / (2 * _NODES))
    return nodes


def _tail(x: Floats, rate: Floats, weight: Floats, reach: tuple[float, float]) -> Floats:
    """Σ ± weight exp(-x rate), the terms' signs alternating; NaN stays.

    Up to the first of *reach* it is 1 (the law has no mass there that a float would show); beyond the second the first term is the tail to sixteen places,
    and beyond an eighth of it the first four are.
    """
    sure, far = reach
    signed = weight * (-1.0) ** (_terms() + 1)
    result = np.where(np.isnan(x), np.nan, 1.0)
    for chosen, count in ((x > far, 1), ((x > far / 8) & (x <= far), 4), ((x > sure) & (x <= far / 8), _TERMS)):
        if chosen.any():
            result[chosen] = np.clip(np.exp(-np.outer(x[chosen], rate[:count].ravel())) @ signed[:count].ravel(), 0.0, 1.0)
    return result
