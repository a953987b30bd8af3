"""Latency."""

from dataclasses import replace

import numpy as np
import pytest

from tests.measures.views import durations, served, told, view
from watchtower.measures._quantiles import quantile, quantile_with_bounds
from watchtower.measures.latency import Latency


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("scale", [3e-6, 1e-3, 0.02, 7.0])
def test_quantiles_are_within_two_percent(share: float, scale: float) -> None:
    seconds = np.sort(np.random.default_rng(4).lognormal(0, 0.8, 5_000) * scale)
    exact = seconds[int(np.ceil(share * 5_000)) - 1]
    assert quantile(durations(seconds), share) == pytest.approx(exact, rel=0.02)


def test_mean_and_largest_are_exact() -> None:
    profile = replace(served(4), latency=durations([0.01, 0.02, 0.03, 0.4]))
    assert told(Latency().score("mean", view(profile))) == {"": pytest.approx(0.115)}
    assert told(Latency().score("max", view(profile))) == {"": 0.4}


def test_a_quantile_never_exceeds_the_largest() -> None:
    assert quantile(durations([0.01002] * 9), 0.99) == 0.01002
    assert quantile(durations([0.0]), 0.5) == 0.0
    assert quantile(durations([5_000.0]), 0.5) == 5_000.0


def test_parts_are_told_where_logged() -> None:
    profile = replace(served(2), latency=durations([1.0, 1.0]), queue=durations([0.5, 0.5]))
    assert told(Latency().score("queue_p99", view(profile))) == {"": pytest.approx(0.5, rel=0.02)}
    assert told(Latency().score("compute_p99", view(profile))) == {"": "no compute logged"}


def test_no_rows_is_a_reason() -> None:
    assert told(Latency().score("p99", view(served(0)))) == {"": "no rows"}
    assert told(Latency().score("p99", view(served(5)))) == {"": "no latency logged"}


def test_a_quantile_has_the_bounds_of_its_order_statistics() -> None:
    """Of 1,000 rows the 95 % interval of p90 goes from share 0.8814 to 0.9186."""
    seconds = np.arange(1, 1_001) / 1_000
    found = quantile_with_bounds(durations(seconds), 0.9)
    assert [found.low, found.value, found.high] == pytest.approx([0.8814, 0.9, 0.9186], rel=0.02)


def test_the_interval_of_the_mean_is_students_with_the_histograms_variance() -> None:
    seconds = np.random.default_rng(6).lognormal(-3, 0.7, 400)
    more = Latency().score("mean", view(replace(served(400), latency=durations(seconds)))).more(0)
    reach = 1.966 * seconds.std() / np.sqrt(399)
    assert more == {"low": pytest.approx(seconds.mean() - reach, rel=0.005), "high": pytest.approx(seconds.mean() + reach, rel=0.005)}
    assert "low" not in Latency().score("max", view(replace(served(400), latency=durations(seconds)))).more(0)
