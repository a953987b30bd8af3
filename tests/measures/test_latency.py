"""Latency."""

from dataclasses import replace

import numpy as np
import pytest

from tests.measures.views import durations, served, told, view
from watchtower.measures.latency import Latency, quantile


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
