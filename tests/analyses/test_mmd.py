"""Maximum mean discrepancy."""

import numpy as np
import pytest

from watchtower.analyses.mmd import Mmd


def test_two_pairs_by_hand() -> None:
    # pooled 0, 1 | 0, 3: squared distances 1, 0, 9, 1, 4, 9 with median 2.5; k(0,1) + k(0,3) - 2 · (k(0,0) + k(0,3) + k(1,0) + k(1,3)) / 4
    k = {d: np.exp(-d / 5) for d in (0, 1, 4, 9)}
    expected = k[1] + k[9] - (k[0] + k[9] + k[1] + k[4]) / 2
    found = Mmd(permutations=99).score(np.array([[0.0], [1.0]]), np.array([[0.0], [3.0]]), 1)
    assert found.value == pytest.approx(max(0.0, expected))
    far = Mmd(permutations=99).score(np.array([[0.0], [1.0]]), np.array([[8.0], [9.0]]), 1)
    # squared distances 1, 64, 81, 49, 64, 1 with median 56.5
    assert far.value == pytest.approx(2 * np.exp(-1 / 113) - (2 * np.exp(-64 / 113) + np.exp(-81 / 113) + np.exp(-49 / 113)) / 2)


def test_a_change_of_shape_with_the_same_mean_is_seen() -> None:
    random = np.random.default_rng(3)
    narrow, wide = random.normal(size=(300, 2)), random.normal(0, 2, size=(300, 2))
    assert Mmd().score(narrow, wide, 1).p_value < 0.001


def test_mostly_equal_rows_still_have_a_width() -> None:
    rows = np.zeros((20, 1))
    rows[:2] = 1
    assert Mmd(permutations=99).score(rows, np.zeros((20, 1)), 1).value >= 0
