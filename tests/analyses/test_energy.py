"""Energy distance."""

import numpy as np
import pytest

from watchtower.analyses.energy import Energy
from watchtower.nouns.batch import Floats


def energy(first: list[float], second: list[float]) -> float:
    """Of two one-dimensional samples."""
    return Energy(permutations=99).score(_column(first), _column(second), 1).value


def _column(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)[:, None]


def test_three_rows_by_hand() -> None:
    # |x - y| is 1, 3, 1, 1 with mean 3/2; within {0, 2} it is 2, within {1, 3} it is 2: 2 · 3/2 - 2 - 2 = -1, clipped
    assert energy([0, 2], [1, 3]) == 0
    # between {0, 1} and {4, 5}: 4, 5, 3, 4 with mean 4; within 1 and 1: (8 - 2) / 8
    assert energy([0, 1], [4, 5]) == pytest.approx(0.75)


def test_two_points_apart_are_as_far_as_it_goes() -> None:
    assert energy([0] * 5, [7] * 5) == pytest.approx(1)


def test_rows_that_are_all_the_same_are_no_distance_apart() -> None:
    found = Energy().score(np.ones((5, 3)), np.ones((4, 3)), 1)
    assert (found.value, found.p_value) == (0, 1)


def test_the_seed_decides_the_relabellings() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(60, 2)), random.normal(0.2, 1, size=(60, 2))
    one, again, other = (Energy(permutations=199).score(x, y, seed) for seed in (1, 1, 2))
    assert one == again
    assert one.value == other.value
    assert one.p_value != other.p_value
