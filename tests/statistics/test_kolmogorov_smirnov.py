"""Kolmogorov-Smirnov distance."""

import math

import numpy as np
import pytest
from scipy.special import kolmogorov
from scipy.stats import ks_2samp

from tests.statistics.pairs import counts, only, pair
from watchtower.statistics.kolmogorov_smirnov import KolmogorovSmirnov


def test_of_few_values_it_is_scipys_exactly() -> None:
    rng = np.random.default_rng(11)
    reference, current = rng.integers(0, 12, 3_000).astype(float), rng.integers(1, 12, 700).astype(float)
    value, p_value = only(KolmogorovSmirnov().score(pair(reference, current)))
    assert value == pytest.approx(ks_2samp(reference, current).statistic)
    assert p_value == pytest.approx(kolmogorov(value * math.sqrt(3_000 * 700 / 3_700)))


def test_of_continuous_values_bins_hide_at_most_one_bins_mass() -> None:
    rng = np.random.default_rng(12)
    reference, current = rng.normal(size=8_000), rng.normal(0.4, 1.3, 900)
    exact = ks_2samp(reference, current).statistic
    value, _ = only(KolmogorovSmirnov().score(pair(reference, current)))
    assert exact - 1 / 64 - 0.001 <= value <= exact


def test_values_out_of_range_count() -> None:
    reference = np.arange(1_000.0)
    value, _ = only(KolmogorovSmirnov().score(pair(reference, np.concatenate([np.full(150, -5.0), np.full(150, 5_000.0)]))))
    assert value == pytest.approx(0.5, abs=0.02)


def test_missing_rows_are_left_out() -> None:
    scores = KolmogorovSmirnov().score(pair([*range(400), *[math.nan] * 600], [*range(400), *[math.nan] * 10]))
    assert scores.n.tolist() == [400]
    assert only(scores) == (0.0, 1.0)


def test_categories_have_no_order() -> None:
    scores = KolmogorovSmirnov().score(pair(counts(a=300, b=300), counts(a=300, b=300)))
    assert scores.reasons == ("numeric features only",)
    assert np.isnan(scores.values).all()
