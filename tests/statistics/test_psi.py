"""Population stability index."""

import math

import numpy as np
import pytest

from tests.statistics.pairs import counts, only, pair
from watchtower.statistics.psi import Psi


def test_psi_of_a_quarter_moved_between_two_halves() -> None:
    value, p_value = only(Psi().score(pair(counts(a=500, b=500), counts(a=750, b=250))))
    q = 750.5 / 1001, 250.5 / 1001
    assert value == pytest.approx(sum((each - 0.5) * math.log(each / 0.5) for each in q))
    assert value == pytest.approx(0.27405, abs=5e-4)
    assert p_value < 1e-20


def test_a_vanished_category_scores_high_but_finite() -> None:
    value, _ = only(Psi().score(pair(counts(a=500, b=500), counts(a=1000))))
    assert value == pytest.approx((0.5 / 1001 - 0.5) * math.log(0.5 / 1001 / 0.5) + (1000.5 / 1001 - 0.5) * math.log(1000.5 / 1001 / 0.5))


def test_the_number_of_bins_is_asked_for_not_ignored() -> None:
    sides = pair([float(i) for i in range(1000)], [i * 0.49 for i in range(1000)])
    two, ten = only(Psi(bins=2).score(sides))[0], only(Psi(bins=10).score(sides))[0]
    assert two == pytest.approx((1000.5 / 1001 - 0.5) * math.log(2 * 1000.5 / 1001) + (0.5 / 1001 - 0.5) * math.log(1 / 1001), rel=0.02)
    smooth = [(200.5 / 1005, 100.5 / 1005)] * 5 + [(0.5 / 1005, 100.5 / 1005)] * 5
    assert ten == pytest.approx(sum((q - p) * math.log(q / p) for q, p in smooth), rel=0.05)


def test_excess_is_what_remains_of_the_value_after_what_chance_gives() -> None:
    scores = Psi().score(pair(counts(a=500, b=300, c=200), counts(a=200, b=100, c=100)))
    assert scores.excess == pytest.approx(scores.values - 2 * (1 / 1000 + 1 / 400))


def test_excess_is_zero_in_the_mean_where_nothing_drifted() -> None:
    rng = np.random.default_rng(3)
    found = [Psi().score(pair([f"{v}" for v in rng.integers(0, 20, 4_000)], [f"{v}" for v in rng.integers(0, 20, 1_000)])) for _ in range(100)]
    assert float(np.mean([each.values[0] for each in found])) == pytest.approx(19 * (1 / 4_000 + 1 / 1_000), rel=0.1)
    assert float(np.mean([each.excess[0] for each in found if each.excess is not None])) == pytest.approx(0.0, abs=0.003)


def test_where_there_is_no_score_there_is_no_excess() -> None:
    assert Psi().score(pair(counts(a=500), counts(a=100))).more(0) == {}
