"""Anderson-Darling distance."""

import math

import numpy as np
import pytest

from tests.statistics.pairs import only, pair
from watchtower.statistics._limit_laws import anderson_tail, brownian_tail
from watchtower.statistics.anderson_darling import AndersonDarling


def test_half_of_the_rows_moved_from_one_value_to_another() -> None:
    """Gaps -¼ and -¼ where H is ⅜ and ⅞, shares ¾ and ¼."""
    value, _ = only(AndersonDarling().score(pair([0.0, 1.0] * 200, [0.0] * 400)))
    integral = (0.75 / (3 / 8 * 5 / 8) + 0.25 / (7 / 8 * 1 / 8)) / 16
    assert value == pytest.approx(math.sqrt(integral / (8 * math.log(2) - 4)))


def test_nothing_in_common_is_nearly_one() -> None:
    value, p_value = only(AndersonDarling().score(pair([float(i) for i in range(3_200)], [10_000.0 + i for i in range(300)])))
    assert 0.85 < value <= 1
    assert p_value < 1e-100


def test_it_sees_a_tail_better_than_cramer_von_mises() -> None:
    rng = np.random.default_rng(8)
    reference, current = rng.normal(size=8_000), rng.normal(size=2_000)
    current[:60] *= 8
    sides = pair(reference, current)
    from watchtower.statistics.cramer_von_mises import CramerVonMises

    assert only(AndersonDarling().score(sides))[1] < only(CramerVonMises().score(sides))[1]


@pytest.mark.parametrize(("x", "tail"), [(1.248, 0.25), (1.933, 0.10), (2.492, 0.05), (3.070, 0.025), (3.857, 0.010)])
def test_the_limit_law_has_the_published_quantiles(x: float, tail: float) -> None:
    """Anderson and Darling (1954), and D'Agostino and Stephens (1986), table 4.2; 3.857 belongs to 1 % within 2 % of it."""
    assert anderson_tail(np.array([x])) == pytest.approx([tail], rel=0.025)


@pytest.mark.parametrize("law", [anderson_tail, brownian_tail])
def test_a_tail_never_rises_and_stays_between_one_and_zero(law: object) -> None:
    assert callable(law)
    found = law(np.concatenate([np.linspace(0, 12, 4_000), [50.0, 200.0, 1e6, np.inf]]))
    assert (np.diff(found) <= 1e-12).all()
    assert found[0] == 1
    assert found[-1] == 0
    assert np.isnan(law(np.array([np.nan]))).all()
