"""Spreads: cells hold their values, merge in any order, and stay few."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from watchtower.core.spreads import MOST, bounds, merged, spread_of
from watchtower.nouns.batch import Floats
from watchtower.nouns.labels import Spread

NUMBERS = st.one_of(st.floats(-1e6, 1e6), st.floats(-1e60, 1e60), st.just(0.0), st.floats(-1e-9, 1e-9))


def of(values: Floats) -> Spread:
    return spread_of(values, np.ones(len(values)))


def whole(parts: list[Spread]) -> Spread:
    found: Spread | None = None
    for each in parts:
        found = merged(found, each)
    assert found is not None
    return found


@settings(max_examples=100, deadline=None)
@given(NUMBERS)
def test_a_cell_holds_its_value(value: float) -> None:
    found = of(np.array([value]))
    low, high = (edge[0] for edge in bounds(found.cells, found.level))
    slack = 1e-9 * abs(value)
    assert low - slack <= value <= high + slack
    assert value == 0 or abs(value) <= 1e-12 or high - low <= 1.001e-4 * abs(value) + slack


def test_cells_ascend_and_do_not_overlap() -> None:
    found = of(np.random.default_rng(1).normal(0, 3, 400))
    low, high = bounds(found.cells, found.level)
    assert (low < high).all()
    assert (high[:-1] <= low[1:]).all()


def test_zero_and_signs_have_cells_of_their_own() -> None:
    found = of(np.array([-2.0, 0.0, 0.0, 2.0]))
    assert found.weights.tolist() == [1.0, 2.0, 1.0]
    assert [float(each) for each in bounds(found.cells, found.level)[0]][1] == 0.0


def test_they_stay_few_and_the_order_of_merging_does_not_matter() -> None:
    values = np.random.default_rng(2).normal(0, 1, 6_000) * 10 ** np.random.default_rng(3).uniform(-3, 3, 6_000)
    parts = [of(part) for part in np.array_split(values, 7)]
    one, other, at_once = whole(parts), whole(parts[::-1]), of(values)
    assert len(one.cells) <= MOST
    for each in (other, at_once):
        assert each.level == one.level
        assert each.cells.tolist() == one.cells.tolist()
        assert each.weights.tolist() == one.weights.tolist()
    assert one.weights.sum() == 6_000


def test_far_from_zero_they_are_fine_enough() -> None:
    found = of(np.random.default_rng(4).normal(1_000, 1, 5_000))
    low, high = bounds(found.cells, found.level)
    assert float((high - low).max()) < 0.25
