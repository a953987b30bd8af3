"""What every slow comparison of rows does."""

import numpy as np
import pytest

from watchtower.analyses import Analysis

pytest.importorskip("sklearn")
QUICK = {"energy": {"permutations": 199}, "mmd": {"permutations": 199}, "domain_classifier": {"trees": 10}}


def made(kind: str) -> Analysis:
    """As small as its test allows."""
    return Analysis.member(kind).model_validate(QUICK.get(kind, {}))


@pytest.mark.parametrize("kind", Analysis.kinds())
def test_rows_of_one_distribution_score_low_and_shifted_ones_higher(kind: str) -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(400, 4))
    near, far, farther = (made(kind).score(rows[:200], rows[200:] + shift, 1) for shift in (0.0, 0.5, 1.5))
    assert 0 <= near.value < far.value < farther.value <= 2
    assert near.p_value > 0.001 > farther.p_value


@pytest.mark.parametrize("kind", Analysis.kinds())
def test_quiet_p_values_are_small_as_often_as_they_say(kind: str) -> None:
    random = np.random.default_rng(7)
    p = [made(kind).score(random.standard_t(3, size=(60, 3)), random.standard_t(3, size=(80, 3)), i).p_value for i in range(50)]
    assert all(0 < each <= 1 for each in p)
    assert np.mean(np.array(p) < 0.1) < 0.26  # 1 in 2,000 by chance
    assert np.mean(np.array(p) < 0.5) > 0.3


@pytest.mark.parametrize("kind", Analysis.kinds())
def test_constant_rows_and_repeated_rows_are_numbers(kind: str) -> None:
    for rows in (np.ones((40, 2)), np.repeat(np.eye(2), 20, axis=0)):
        found = made(kind).score(rows, rows[::-1].copy(), 1)
        assert np.isfinite(found.value)
        assert 0 <= found.p_value <= 1


@pytest.mark.parametrize("kind", Analysis.kinds())
def test_the_same_seed_gives_the_same(kind: str) -> None:
    random = np.random.default_rng(2)
    x, y = random.normal(size=(80, 3)), random.normal(size=(90, 3))
    assert made(kind).score(x, y, 5) == made(kind).score(x, y, 5)
