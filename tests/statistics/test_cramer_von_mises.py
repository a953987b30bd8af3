"""Cramér-von Mises distance."""

import math

import pytest

from tests.statistics.pairs import only, pair
from watchtower.statistics.cramer_von_mises import CramerVonMises


def test_half_of_the_rows_moved_from_one_value_to_another() -> None:
    """F at mid-distribution: (¼, ¾) and (½, 1) over the values 0, 1; gaps -¼, -¼; Σ share gap² = 1/16."""
    value, _ = only(CramerVonMises().score(pair([0.0, 1.0] * 200, [0.0] * 400)))
    assert value == pytest.approx(math.sqrt(3 / 16))


def test_nothing_in_common_is_one_less_what_ties_take() -> None:
    """Two points apart: gaps of ½ in both middles, so ω² = ¼ and not ⅓."""
    value, _ = only(CramerVonMises().score(pair([0.0] * 300, [1.0] * 300)))
    assert value == pytest.approx(math.sqrt(3 / 4))
    spread_out = pair([float(i) for i in range(3_200)], [10_000.0 + i for i in range(300)])
    assert 0.9 < only(CramerVonMises().score(spread_out))[0] <= 1


def test_traffic_does_not_move_it() -> None:
    few, many = (only(CramerVonMises().score(pair([0.0, 1.0, 2.0, 3.0] * 2_000, [0.0, 0.0, 1.0, 3.0] * n)))[0] for n in (100, 10_000))
    assert few == pytest.approx(many)
