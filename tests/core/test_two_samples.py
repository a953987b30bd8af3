"""Two-sample tests from counts and moments: scipy on the rows says the same."""

import numpy as np
import pytest
from scipy import stats

from watchtower.core.two_samples import Moments, beyond_quantile, either, from_intervals, mann_whitney, poisson_rates, two_proportions, welch

RNG = np.random.default_rng(11)


def proportions(hits: int, of: int, other_hits: int, other_of: int) -> float:
    return float(two_proportions(*(np.array([each]) for each in (hits, of, other_hits, other_of)))[0])


@pytest.mark.parametrize(("hits", "of", "other_hits", "other_of"), [(30, 100, 12, 90), (500, 1000, 480, 1000), (40, 20_000, 61, 9_000), (95, 100, 60, 80)])
def test_two_proportions_are_pearsons_without_correction(hits: int, of: int, other_hits: int, other_of: int) -> None:
    table = [[hits, of - hits], [other_hits, other_of - other_hits]]
    assert proportions(hits, of, other_hits, other_of) == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("hits", "of", "other_hits", "other_of"), [(3, 10, 0, 12), (0, 50, 4, 60), (2, 1_000, 0, 50_000), (10, 10, 8, 12), (1, 3, 2, 4), (999, 1_000, 992, 1_000)]
)
def test_few_expected_make_it_fishers(hits: int, of: int, other_hits: int, other_of: int) -> None:
    expected = stats.fisher_exact([[hits, of - hits], [other_hits, other_of - other_hits]]).pvalue
    assert proportions(hits, of, other_hits, other_of) == pytest.approx(expected, rel=1e-6)


def test_two_proportions_by_hand() -> None:
    """30 of 100 and 10 of 100: pooled 0.2, z = 0.2 / sqrt(0.16 · 0.02) = 3.5355."""
    assert proportions(30, 100, 10, 100) == pytest.approx(2 * stats.norm.sf(0.2 / np.sqrt(0.16 * 0.02)))
    assert proportions(0, 100, 0, 100) == 1
    assert np.isnan(proportions(0, 0, 3, 10))


@pytest.mark.parametrize(("shift", "sizes"), [(0.0, (300, 200)), (0.2, (300, 2_000)), (1.0, (40, 50))])
def test_the_rank_sum_of_binned_values_is_scipys_of_the_same_values(shift: float, sizes: tuple[int, int]) -> None:
    one, other = (np.round(np.clip(RNG.normal(loc, 1, size), -4, 4) * 4) for loc, size in ((0, sizes[0]), (shift, sizes[1])))
    edges = np.arange(-18, 20) - 0.5
    counts, others = (np.histogram(each, edges)[0].astype(float) for each in (one, other))
    expected = stats.mannwhitneyu(one, other, method="asymptotic", use_continuity=True).pvalue
    assert mann_whitney(counts, others) == pytest.approx(expected, rel=1e-9)


def test_ranks_need_eight_rows_a_side_and_all_ties_are_no_difference() -> None:
    assert np.isnan(mann_whitney(np.array([7.0, 0]), np.array([0, 100.0])))
    assert mann_whitney(np.array([0, 50.0]), np.array([0, 100.0])) == 1


def test_a_longer_tail_shows_beyond_its_quantile_and_not_in_the_ranks() -> None:
    """98 % of both are alike; of one the last 2 % are far out: the 99 % quantile moved, the middle did not."""
    one, other = np.array([4_900.0, 100, 0]), np.array([4_900.0, 0, 100])
    assert mann_whitney(one, other) > 0.5
    assert beyond_quantile(one, other, 0.99) == pytest.approx(proportions(0, 5_000, 100, 5_000))
    assert either(mann_whitney(one, other), beyond_quantile(one, other, 0.99)) < 1e-20


@pytest.mark.parametrize(("shift", "sd"), [(0.0, 1.0), (0.3, 2.0), (3.0, 0.1)])
def test_welch_is_scipys(shift: float, sd: float) -> None:
    one, other = RNG.normal(0, 1, 60), RNG.normal(shift, sd, 25)
    expected = stats.ttest_ind(one, other, equal_var=False).pvalue
    assert welch(*(Moments(len(each), each.mean(), each.var()) for each in (one, other))) == pytest.approx(expected, rel=1e-9)


def test_welch_of_constants_and_of_single_rows() -> None:
    assert welch(Moments(9, 1.0, 0.0), Moments(9, 1.0, 0.0)) == 1
    assert welch(Moments(9, 1.0, 0.0), Moments(9, 2.0, 0.0)) == 0
    assert np.isnan(welch(Moments(1, 1.0, 0.0), Moments(9, 2.0, 1.0)))


@pytest.mark.parametrize(("events", "time", "others", "other_time"), [(30, 60, 10, 60), (3, 60, 40, 600), (0, 60, 9, 60), (1_000, 60, 1_100, 60), (5, 1, 5, 1)])
def test_rates_are_the_exact_binomial_of_their_sum(events: int, time: float, others: int, other_time: float) -> None:
    expected = stats.binomtest(events, events + others, time / (time + other_time)).pvalue
    assert poisson_rates(events, time, others, other_time) == pytest.approx(expected, rel=1e-6)


def test_rates_of_nothing_and_of_millions() -> None:
    assert poisson_rates(0, 60, 0, 60) == 1
    assert np.isnan(poisson_rates(3, 60, 3, 0))
    assert poisson_rates(3_000_000, 60, 3_010_000, 60) == pytest.approx(2 * stats.norm.sf(10_000 / np.sqrt(6_010_000)), rel=0.01)


def test_intervals_are_read_as_normal() -> None:
    """Standard errors 0.3 and 0.4 make 0.5; apart by 1 is z = 2."""
    width = 2 * 1.959963984540054
    found = from_intervals(np.array([1.0, 1.0, 0.0]), np.array([0.3, np.nan, 0.0]) * width, np.array([0.4, 0.4, 0.0]) * width)
    assert found[0] == pytest.approx(2 * stats.norm.sf(2))
    assert np.isnan(found[1:]).all()


def test_means_of_tiny_numbers_are_compared_as_those_of_large_ones_are() -> None:
    """Densities such as 1e-130 have variances whose squares are 0."""
    large = welch(Moments(9, 2.0, 1.0), Moments(7, 1.0, 0.5))
    assert welch(Moments(9, 2e-130, 1e-260), Moments(7, 1e-130, 0.5e-260)) == pytest.approx(large, rel=1e-9)
