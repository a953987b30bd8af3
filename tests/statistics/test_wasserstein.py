"""Wasserstein distance and its Cramér-von Mises p-value."""

import numpy as np
import pytest
from scipy.stats import cramervonmises_2samp, wasserstein_distance

from tests.statistics.pairs import only, pair
from watchtower.nouns.batch import Floats
from watchtower.statistics._limit_laws import brownian_tail
from watchtower.statistics.wasserstein import Wasserstein


def test_of_few_values_it_is_scipys_over_the_references_sd() -> None:
    rng = np.random.default_rng(21)
    reference, current = rng.integers(0, 12, 3_000).astype(float), rng.integers(0, 10, 700).astype(float)
    value, _ = only(Wasserstein().score(pair(reference, current)))
    assert value == pytest.approx(wasserstein_distance(reference, current) / reference.std())


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.8, 1.0), (0.0, 3.0), (100.0, 1.0), (-40.0, 0.1)])
def test_beyond_the_range_it_is_exact_and_inside_within_the_widths_of_the_bins(shift: float, scale: float) -> None:
    rng = np.random.default_rng(22)
    reference, current = rng.lognormal(size=8_000), rng.lognormal(size=900) * scale + shift
    sides = pair(reference, current)
    edges = sides.binning.bins[0].edges  # type: ignore[union-attr]
    shares = np.histogram(reference, edges)[0] / 8_000 + np.histogram(current, edges)[0] / 900
    bound = float((np.diff(edges) * shares).sum() / 2 / reference.std())
    value, _ = only(Wasserstein().score(sides))
    assert value == pytest.approx(wasserstein_distance(reference, current) / reference.std(), abs=bound + 1e-9)


def test_a_reference_that_never_varies_is_no_yardstick() -> None:
    assert Wasserstein().score(pair([0.1] * 300, [0.2] * 300)).reasons == ("constant reference",)


def test_the_p_value_is_cramer_von_mises_on_distinct_values() -> None:
    rng = np.random.default_rng(23)
    reference, current = rng.normal(size=4_000), rng.normal(0.12, 1, 600)
    _, p_value = only(Wasserstein().score(pair(reference, current)))
    assert p_value == pytest.approx(cramervonmises_2samp(reference, current, method="asymptotic").pvalue, rel=0.25)


@pytest.mark.parametrize(("x", "tail"), [(0.34730, 0.10), (0.46136, 0.05), (0.74346, 0.01), (1.16786, 0.001)])
def test_the_limit_law_has_andersons_quantiles(x: float, tail: float) -> None:
    assert brownian_tail(np.array([x])) == pytest.approx([tail], rel=1e-4)


def test_the_tail_keeps_its_places_far_out() -> None:
    """The tail is 2 exp(-π² x / 2) / sqrt(π³ x / 2 …) to first order: its logarithm falls by π²/2 a unit."""
    near, far = np.log(brownian_tail(np.array([20.0, 21.0])))
    assert near - far == pytest.approx(np.pi**2 / 2, rel=0.01)


def test_p_values_of_quiet_zero_inflated_windows_are_about_uniform() -> None:
    rng = np.random.default_rng(24)

    def draw(n: int) -> Floats:
        return np.where(rng.random(n) < 0.6, 0.0, rng.exponential(1, n))

    p_values = np.array([only(Wasserstein().score(pair(draw(2_000), draw(400))))[1] for _ in range(300)])
    assert 0.4 < (p_values < 0.5).mean() < 0.6
    assert 0.05 < (p_values < 0.1).mean() < 0.16
