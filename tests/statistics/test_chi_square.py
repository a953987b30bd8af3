"""Cramér's V with both samples weighted equally."""

import math

import pytest
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association

from tests.statistics.pairs import counts, only, pair
from watchtower.statistics.chi_square import ChiSquare


def test_equal_samples_give_cramers_v_and_pearsons_p() -> None:
    value, p_value = only(ChiSquare().score(pair(counts(a=500, b=300, c=200), counts(a=450, b=310, c=240))))
    table = [[500, 300, 200], [450, 310, 240]]
    assert value == pytest.approx(float(association(table, method="cramer", correction=False)))
    assert p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue)


def test_traffic_does_not_move_it() -> None:
    value, _ = only(ChiSquare().score(pair(counts(a=5000, b=5000), counts(a=300, b=100))))
    assert value == pytest.approx(math.sqrt(0.5 * (0.25**2 / 1.25 + 0.25**2 / 0.75)))
