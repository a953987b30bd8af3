"""Cells before statistics, by hand."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from tests.statistics.pairs import Values, counts, pair
from watchtower.statistics._cells import Cells, cells
from watchtower.statistics._homogeneity import homogeneity


def table(found: Cells, place: int = 0) -> list[tuple[float, float]]:
    mine = found.owner == place
    return sorted(zip(found.reference[mine].tolist(), found.current[mine].tolist(), strict=True))


def test_cells_that_are_expected_to_hold_fewer_than_five_become_one_rest() -> None:
    found = cells(pair(counts(a=900, b=80, c=10, d=10), counts(a=90, b=8, c=1, d=1)), 10)
    assert table(found) == [(20, 2), (80, 8), (900, 90)]


def test_a_tiny_rest_joins_the_smallest_other_cell() -> None:
    found = cells(pair(counts(a=900, b=99, c=1), counts(a=90, b=10)), 10)
    assert table(found) == [(100, 10), (900, 90)]


def test_unseen_is_always_in_the_rest_however_large() -> None:
    found = cells(pair(counts(a=500, b=490, c=10), counts(a=50, b=50, new=100)), 10)
    assert table(found) == [(10, 100), (490, 50), (500, 50)]


def test_missing_is_a_cell_of_its_own() -> None:
    found = cells(pair([*counts(a=500, b=500), *[None] * 100], [*counts(a=50, b=50), *[None] * 60]), 10)
    assert table(found) == [(100, 60), (500, 50), (500, 50)]
    assert [rows.tolist() for rows in found.rows] == [[1_100], [160]]


def test_cells_empty_on_both_sides_are_dropped() -> None:
    found = cells(pair(np.arange(1_000.0), np.arange(500.0)), 4)
    assert len(table(found)) == 4


def test_inside_bins_merge_to_groups_of_about_equal_mass_and_the_outside_stays_apart() -> None:
    rng = np.random.default_rng(5)
    reference = rng.normal(size=10_000)
    found = cells(pair(reference, np.concatenate([reference[:400], np.full(200, 99.0), np.full(200, -99.0)])), 10)
    inside = [r for r, _ in table(found) if r > 0]
    assert len(inside) == 10
    assert all(800 <= each <= 1_200 for each in inside)
    assert [(r, c) for r, c in table(found) if r == 0] == [(0, 200), (0, 200)]


def test_a_value_or_two_beyond_the_range_are_no_cell_of_their_own() -> None:
    """Below and above are empty in the reference by construction: 9 rows of 1,000 beside a reference of 1,000 would be 9 of its rows, 10 would be 10."""
    reference = [0.0, 1.0] * 500
    assert table(cells(pair(reference, [0.0, 1.0] * 500 + [9.0] * 9), 10)) == [(500, 500), (500, 509)]
    assert table(cells(pair(reference, [0.0, 1.0] * 500 + [9.0] * 11), 10)) == [(0, 11), (500, 500), (500, 500)]


def test_one_value_is_one_cell_and_proves_nothing() -> None:
    found = pair([7.0] * 300, [7.0] * 300)
    assert table(cells(found, 10)) == [(300, 300)]
    assert homogeneity(found, 10).tolist() == [1.0]


def test_the_p_value_is_pearsons_on_the_raw_counts() -> None:
    sides = pair(counts(a=300, b=500, c=200), counts(a=90, b=120, c=90))
    expected = chi2_contingency(np.array([[300, 500, 200], [90, 120, 90]]), correction=False).pvalue
    assert homogeneity(sides, 10) == pytest.approx([expected])


def test_many_features_are_as_each_alone() -> None:
    rng = np.random.default_rng(6)
    reference: dict[str, Values] = {"a": rng.normal(size=2_000), "b": rng.poisson(2, 2_000).astype(float), "c": [f"n{i}" for i in rng.integers(0, 30, 2_000)]}
    current: dict[str, Values] = {"a": rng.normal(0.3, 1, 400), "b": rng.poisson(1, 400).astype(float), "c": [f"n{i}" for i in rng.integers(0, 33, 400)]}
    together = cells(pair(reference, current), 10)
    for place, name in enumerate(sorted(reference)):
        assert table(together, place) == table(cells(pair(reference[name], current[name]), 10))


def test_two_statistics_of_a_pair_share_the_cells() -> None:
    sides = pair(counts(a=300), counts(a=300))
    assert cells(sides, 10) is cells(sides, 10)
