"""Where nothing drifted the homogeneity p-value is uniform: a short form of `python -m tests.benchmarks.uniformity`."""

import numpy as np
import pytest

from tests.benchmarks.uniformity import Case, distance, draw, wilson


@pytest.mark.parametrize(
    "case",
    [
        Case("equal", 3, 10_000, 200),
        Case("equal", 10, 10_000, 10_000),
        Case("zipf", 64, 10_000, 10_000),
        Case("equal", 1_000, 1_000_000, 1_000_000),
        Case("numbers", 10, 10_000, 200),
        Case("numbers", 10, 10_000, 10_000),
        Case("numbers", 10, 10_000, 1_000_000),
    ],
    ids=str,
)
def test_no_drift_gives_uniform_p_values(case: Case) -> None:
    trials = 500 if case.k == 1_000 else 2_000
    p_values, _ = draw(case, trials, np.random.default_rng([72, case.k]))
    assert distance(p_values) < 1.95 / trials**0.5 + 0.02
    for level in (0.01, 0.05, 0.5):
        low, high = wilson(int((p_values < level).sum()), trials, 3.29)
        assert low <= 1.2 * level
        assert high >= 0.8 * level


def test_where_no_cell_holds_five_rows_nothing_is_proven() -> None:
    p_values, left = draw(Case("equal", 1_000, 10_000, 200), 20, np.random.default_rng(73))
    assert (p_values == 1).all()
    assert (left == 1).all()
