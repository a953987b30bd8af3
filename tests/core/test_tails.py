"""The tail of what was seen."""

import numpy as np
import pytest

from watchtower.core.tails import Tail, fitted


@pytest.mark.parametrize(("shape", "beyond"), [(0.0, np.exp(-2.0)), (0.5, 0.25), (-0.25, 0.0625)])
def test_what_is_beyond_a_level_is_the_formula(shape: float, beyond: float) -> None:
    # y = 2 scales: exp(-2); (1 + 0.5 * 2)^-2; (1 - 0.25 * 2)^4
    assert Tail(1.0, shape, 0.5, 100).beyond(2.0) == pytest.approx(beyond)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_the_level_of_a_share_is_where_that_share_is_beyond(shape: float) -> None:
    tail = Tail(0.2, shape, 0.05, 100)
    assert tail.beyond(tail.level(0.01)) == pytest.approx(0.01)
    assert tail.level(1.0) == 0.2


@pytest.mark.parametrize("shape", [-0.1, 0.0, 0.3])
def test_a_fit_finds_the_shape_and_scale_that_values_were_drawn_with(shape: float) -> None:
    u = np.random.default_rng(3).uniform(size=20_000)
    excess = -np.log(u) if shape == 0 else (u**-shape - 1) / shape
    tail = fitted(1.0 + 0.5 * excess, 1.0)
    assert tail is not None
    assert tail.shape == pytest.approx(shape, abs=0.04)
    assert tail.scale == pytest.approx(0.5, rel=0.05)
    assert tail.count == 20_000
    assert tail.distance < 0.02


def test_few_values_are_no_tail() -> None:
    assert fitted(np.linspace(1, 2, 19), 0.5) is None
    assert fitted(np.linspace(1, 2, 30), 1.9) is None


def test_equal_values_are_one_that_ends_soon() -> None:
    tail = fitted(np.full(50, 1.2), 1.0)
    assert tail is not None
    assert np.isfinite(tail.level(1e-6))
