"""McNemar's exact test beside scipy's binomial test."""

import math

import numpy as np
import pytest
from scipy import stats

from watchtower.core.eprocess import log_p_mcnemar
from watchtower.core.evidence_errors import paired
from watchtower.nouns.batch import PredictionKind


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 9), (1, 0), (5, 5), (12, 3), (40, 10), (3, 12), (300, 200), (2_000, 1_900)])
def test_mcnemar_is_the_exact_binomial_test(b: int, c: int) -> None:
    expected = stats.binomtest(b, b + c, 0.5, alternative="greater").pvalue if b + c else 1.0
    assert math.exp(log_p_mcnemar(b, c)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_from_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 800).astype(np.float64)
    live, candidate = (np.where(rng.random(800) < share, labels, (labels + 1) % 3) for share in (0.86, 0.9))
    only_live, only_candidate = int(((live != labels) & (candidate == labels)).sum()), int(((live == labels) & (candidate != labels)).sum())
    found = paired(PredictionKind.CLASS, labels, live, candidate, scale=1.0, minimum=0.01, once=True)
    expected = stats.binomtest(only_live, only_live + only_candidate, 0.5, alternative="greater").pvalue
    assert math.exp(found.log_p) == pytest.approx(expected, rel=1e-9)
