"""Our statistics beside scipy's, fed the same counts or rows; binned ones within the bound that their docstring states."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.special import kolmogorov

from tests.parity.samples import CHANGES, DRAWS, binned, exactly, inside, samples
from tests.statistics.pairs import only, pair
from watchtower.nouns.batch import Floats
from watchtower.statistics._cells import cells
from watchtower.statistics._homogeneity import homogeneity
from watchtower.statistics._midranks import midranks
from watchtower.statistics.anderson_darling import AndersonDarling, statistic
from watchtower.statistics.cramer_von_mises import CramerVonMises
from watchtower.statistics.jensen_shannon import JensenShannon
from watchtower.statistics.kolmogorov_smirnov import KolmogorovSmirnov
from watchtower.statistics.mean_shift import MeanShift
from watchtower.statistics.wasserstein import Wasserstein

ALL = [(draw, change) for draw in DRAWS for change in CHANGES]
SEEDS = range(3)


@pytest.mark.parametrize(("draw", "change"), ALL)
def test_kolmogorov_smirnov_hides_at_most_what_it_says(draw: str, change: str) -> None:
    for seed in SEEDS:
        reference, current = samples(draw, change, seed)
        exact = float(stats.ks_2samp(reference, current).statistic)
        sides = binned(reference, current)
        bins, p, q = inside(sides)
        hidden = float(np.where(bins.single > 0, 0.0, np.minimum(p, q)).max())
        value, p_value = only(KolmogorovSmirnov().score(sides))
        assert exact - hidden - 1e-9 <= value <= exact + 1e-9
        assert p_value == pytest.approx(float(kolmogorov(value * math.sqrt(4_000 * 900 / 4_900))))


@pytest.mark.parametrize(("draw", "change"), ALL)
def test_kolmogorov_smirnov_of_the_same_values(draw: str, change: str) -> None:
    reference, current = samples(draw, change, 11, 1_500, 400)
    theirs = stats.ks_2samp(reference, current, method="asymp")
    value, p_value = only(KolmogorovSmirnov().score(exactly(reference, current)))
    assert value == pytest.approx(theirs.statistic, abs=1e-12)
    assert p_value == pytest.approx(theirs.pvalue, rel=0.15) or max(p_value, theirs.pvalue) < 1e-6


@pytest.mark.parametrize(("draw", "change"), ALL)
def test_wasserstein_errs_at_most_as_it_says(draw: str, change: str) -> None:
    for seed in SEEDS:
        reference, current = samples(draw, change, seed)
        exact = float(stats.wasserstein_distance(reference, current) / reference.std())
        sides = binned(reference, current)
        bins, p, q = inside(sides)
        bound = float((np.diff(bins.edges) * (p + q)).sum() / 2 / reference.std())
        assert only(Wasserstein().score(sides))[0] == pytest.approx(exact, abs=bound + 1e-9 * max(1.0, exact))


@pytest.mark.parametrize(("draw", "change"), ALL)
def test_wasserstein_of_the_same_values(draw: str, change: str) -> None:
    reference, current = samples(draw, change, 11, 1_500, 400)
    exact = float(stats.wasserstein_distance(reference, current) / reference.std())
    assert only(Wasserstein().score(exactly(reference, current)))[0] == pytest.approx(exact, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_the_homogeneity_p_value_is_the_contingency_tables(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 60))
    table = np.stack([rng.multinomial(n, rng.dirichlet(np.full(k, 50.0))) for n in (60 * k, 30 * k)])
    rows = [[f"n{i}" for i, count in enumerate(side.tolist()) for _ in range(count)] for side in table]
    assert homogeneity(pair(rows[0], rows[1]), 10) == pytest.approx([stats.chi2_contingency(table, correction=False).pvalue], rel=1e-9)


@pytest.mark.parametrize(("draw", "change"), ALL)
def test_jensen_shannon_and_the_p_value_on_the_compared_cells(draw: str, change: str) -> None:
    sides = binned(*samples(draw, change, 3))
    found = cells(sides, 10)
    value, p_value = only(JensenShannon().score(sides))
    assert value == pytest.approx(float(jensenshannon(found.reference, found.current, base=2)), abs=1e-7)
    expected = stats.chi2_contingency(np.stack([found.reference, found.current]), correction=False).pvalue if len(found.reference) > 1 else 1.0
    assert p_value == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("draw", ["normal", "lognormal", "cauchy", "uniform"])
def test_cramer_von_mises_of_distinct_values(draw: str, change: str) -> None:
    reference, current = samples(draw, change, 5, 700, 300)
    theirs = stats.cramervonmises_2samp(reference, current, method="asymptotic")
    sides = exactly(reference, current)
    assert only(CramerVonMises().score(sides))[1] == pytest.approx(theirs.pvalue, rel=1e-5, abs=1e-7)
    ranks = midranks(sides)
    total = 700 * 300 / 1_000 * ranks.total(ranks.share * ranks.gap**2)
    assert total == pytest.approx([theirs.statistic], rel=1e-3, abs=1e-3)  # scipy counts ranks from their upper ends


@pytest.mark.parametrize("draw", ["normal", "lognormal", "uniform"])
def test_cramer_von_mises_with_equal_rows_is_the_statistic_itself(draw: str) -> None:
    reference, current = samples(draw, "moved", 6, 500, 500)
    value, _ = only(CramerVonMises().score(exactly(reference, current)))
    assert value**2 * 500 / 6 == pytest.approx(stats.cramervonmises_2samp(reference, current).statistic, rel=1e-3)


@pytest.mark.parametrize("draw", ["zero-inflated", "integers"])
@pytest.mark.parametrize("kind", [CramerVonMises, AndersonDarling])
def test_with_ties_the_p_value_is_the_permutations(draw: str, kind: type[CramerVonMises] | type[AndersonDarling]) -> None:
    """The asymptotic p-value of scipy's Cramér-von Mises takes no notice of ties; shuffling the rows does."""
    reference, current = samples(draw, "same", 8, 600, 300)
    current = np.concatenate([current[:276], np.full(24, np.median(current))])
    values, rng = np.concatenate([reference, current]), np.random.default_rng(9)
    binning = exactly(reference, current)

    def total(one: Floats, other: Floats) -> float:
        return float(stats.anderson_ksamp([one, other], variant="midrank").statistic) if kind is AndersonDarling else _omega(one, other)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that its table ends
        here = total(reference, current)
        shuffled = [total(order[:600], order[600:]) for order in (rng.permutation(values) for _ in range(1_000))]
    expected = float(np.mean(np.array(shuffled) >= here - 1e-12))
    assert only(kind().score(binning))[1] == pytest.approx(expected, abs=0.05)


def _omega(one: Floats, other: Floats) -> float:
    distinct, index = np.unique(np.concatenate([one, other]), return_inverse=True)
    r, c = (np.bincount(part, minlength=len(distinct)) for part in (index[: len(one)], index[len(one) :]))
    gap = (np.cumsum(r) - r / 2) / len(one) - (np.cumsum(c) - c / 2) / len(other)
    return float(((r + c) * gap**2).sum())


@pytest.mark.parametrize(("draw", "change"), ALL)
def test_anderson_darling_is_the_midrank_statistic_ties_or_not(draw: str, change: str) -> None:
    reference, current = samples(draw, change, 7, 700, 300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that its table ends at 0.25 and 0.001
        theirs = stats.anderson_ksamp([reference, current], variant="midrank")
    sides = exactly(reference, current)
    ours = float(statistic(midranks(sides))[0])
    assert (ours - 1) / _standard_deviation(700, 300) == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
    p_value = only(AndersonDarling().score(sides))[1]
    if 0.0011 < theirs.pvalue < 0.24 and draw not in {"zero-inflated", "integers"}:  # its table knows no ties
        assert p_value == pytest.approx(theirs.pvalue, rel=0.08)
    elif theirs.pvalue <= 0.0011:
        assert p_value < 0.002


def _standard_deviation(n: int, m: int) -> float:
    """Scholz and Stephens (1987), equation 4, k = 2."""
    total = n + m
    inverse = 1 / np.arange(1, total)
    h, g = inverse.sum(), (np.cumsum(1.0 / np.arange(total - 1, 1, -1)) / np.arange(2, total)).sum()
    both = 1 / n + 1 / m
    a, b = (4 * g - 6) + (10 - 6 * g) * both, 4 * (2 * g - 4) + 16 * h + (2 * g - 14 * h - 4) * both - 8 * h + 4 * g - 6
    c, d = 4 * (6 * h + 2 * g - 2) + 2 * (4 * h - 4 * g + 6) + (2 * h - 6) * both + 4 * h, 4 * (2 * h + 6) - 8 * h
    return float(np.sqrt((a * total**3 + b * total**2 + c * total + d) / ((total - 1.0) * (total - 2) * (total - 3))))


@pytest.mark.parametrize("kind", [CramerVonMises, AndersonDarling])
@pytest.mark.parametrize("draw", ["normal", "lognormal", "cauchy", "uniform", "two humps"])
def test_bins_hardly_move_the_rank_tests(draw: str, kind: type[CramerVonMises] | type[AndersonDarling]) -> None:
    """The p-value of 64 bins beside that of every value a bin: within 0.05, and the value within 8 %."""
    for seed in SEEDS:
        reference, current = samples(draw, "same", seed, 1_500, 700)
        fine, coarse = (only(kind().score(make(reference, current))) for make in (exactly, binned))
        assert coarse[1] == pytest.approx(fine[1], abs=0.05)
        reference, current = samples(draw, "moved", seed, 1_500, 700)
        fine, coarse = (only(kind().score(make(reference, current))) for make in (exactly, binned))
        assert coarse[0] == pytest.approx(fine[0], rel=0.08)


@pytest.mark.parametrize(("draw", "change"), ALL)
def test_mean_shift_is_welchs_test_on_the_rows(draw: str, change: str) -> None:
    reference, current = samples(draw, change, 4)
    theirs = stats.ttest_ind(reference, current, equal_var=False)
    value, p_value = only(MeanShift().score(binned(reference, current)))
    assert value == pytest.approx(abs(current.mean() - reference.mean()) / reference.std(), rel=1e-9)
    assert p_value == pytest.approx(2 * stats.norm.sf(abs(theirs.statistic)), rel=1e-6, abs=1e-300)  # the normal limit of Student's t
    assert p_value == pytest.approx(theirs.pvalue, abs=0.005)
