"""Shift of the mean."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from tests.statistics.pairs import only, pair
from watchtower.statistics.mean_shift import MeanShift


def test_it_is_the_difference_of_means_over_the_references_sd() -> None:
    value, _ = only(MeanShift().score(pair([0.0, 2.0] * 150, [3.0] * 300)))
    assert value == pytest.approx(2.0)


def test_the_p_value_is_welchs() -> None:
    rng = np.random.default_rng(31)
    reference, current = rng.normal(5, 2, 9_000), rng.normal(5.1, 3, 2_000)
    _, p_value = only(MeanShift().score(pair(reference, current)))
    assert p_value == pytest.approx(ttest_ind(reference, current, equal_var=False).pvalue, rel=0.02)


def test_a_reference_that_never_varies_is_no_yardstick() -> None:
    assert MeanShift().score(pair([0.1] * 300, [0.1, 0.2] * 150)).reasons == ("constant reference",)


def test_numbers_too_large_for_their_squares_have_a_reason() -> None:
    assert MeanShift().score(pair([1e300, -1e300] * 150, [1e300] * 300)).reasons == ("values too large",)
