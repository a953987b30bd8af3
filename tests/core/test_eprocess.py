"""Always-valid evidence: hand-computed values, and that looking often does not make it cry wolf."""

import math

import numpy as np
import pytest

from watchtower.core.eprocess import bets, log_e_classes, log_e_minus, log_e_minus_classes, log_e_plus, log_p_mcnemar, p_text, rows_needed


def test_no_rows_are_no_evidence() -> None:
    assert log_e_plus(np.zeros(0)) == pytest.approx(0, abs=1e-12)
    assert log_e_minus(np.zeros(0), 0.01) == pytest.approx(0, abs=1e-12)
    assert log_e_classes(0, 0) == pytest.approx(0, abs=1e-12)


def test_one_row_bets_the_mean_of_the_bets() -> None:
    assert math.exp(log_e_plus(np.array([1.0]))) == pytest.approx(1 + bets().mean())
    assert math.exp(log_e_minus(np.array([0.0]), 0.01)) == pytest.approx(1 + bets().mean() * 0.01 / 0.99)


def test_classes_in_closed_form_by_hand() -> None:
    """B = 1, c = 0: 2² B(2, 1) P(Beta(2, 1) > ½) = 4 · ½ · ¾."""
    assert math.exp(log_e_classes(1, 0)) == pytest.approx(1.5)
    assert math.exp(log_e_classes(2, 1)) == pytest.approx(16 * (1 / 12) * (11 / 16))


def test_far_tails_neither_overflow_nor_vanish() -> None:
    assert log_e_plus(np.ones(100_000)) > 60_000
    assert log_e_classes(5_000, 0) == pytest.approx(5_001 * math.log(2) - math.log(5_001), rel=1e-6)
    assert math.isfinite(log_e_classes(0, 50_000))
    assert log_p_mcnemar(5_000, 0) < -3_000


def test_mcnemar_is_the_binomial_tail() -> None:
    assert math.exp(log_p_mcnemar(8, 2)) == pytest.approx(56 / 1024)
    assert log_p_mcnemar(0, 7) == 0


@pytest.mark.parametrize(
    ("log_p", "text"), [(0.0, "1"), (math.log(0.049), "0.05"), (math.log(3e-9), "3e-09"), (math.log(9.6e-5), "1e-04"), (-1000.0, "5e-435")]
)
def test_p_is_told_also_where_no_float_can(log_p: float, text: str) -> None:
    assert p_text(log_p) == text


def test_fifty_looks_at_equal_versions_hardly_ever_cross() -> None:
    rng = np.random.default_rng(11)
    crossed = 0
    for _ in range(60):
        wrong = rng.random((2, 2_000)) < 0.12
        y = wrong[0].astype(float) - wrong[1]
        crossed += any(
            max(log_e_plus(y[:n]), log_e_classes(int((y[:n] > 0).sum()), int((y[:n] < 0).sum()))) >= math.log(1 / 0.001) for n in range(200, 2_001, 200)
        )
    assert crossed == 0


def test_a_real_difference_is_found_and_equality_is_shown() -> None:
    rng = np.random.default_rng(5)
    better = np.where(rng.random(2_000) < 0.15, np.where(rng.random(2_000) < 2 / 3, 1.0, -1.0), 0.0)
    equal = (rng.random(3_000) - rng.random(3_000)) * 0.1
    assert log_e_plus(better) > math.log(1 / 0.001)
    assert log_e_minus(equal, 0.01) > math.log(20)
    assert log_e_minus(better, 0.01) < math.log(20)


def test_the_rows_needed_are_about_those_that_simulations_took() -> None:
    """D = 0.05 with 15 % discordant: a median of about 1,000 rows to ACCEPT; the bound is on the safe side of it."""
    y = np.repeat([1.0, -1.0, 0.0], [1_000, 500, 8_500])
    needed = rows_needed(y, 0.01, 1, 0.001, classes=True)
    assert needed is not None
    assert 900 <= needed <= 3_000
    assert rows_needed(np.zeros(500), 0.01, 1, 0.001, classes=True) is None


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 4_095, 4_096, 4_097, 9_000])
def test_factors_that_are_multiplied_in_groups_come_to_the_sum_of_logarithms(rows: int) -> None:
    y = np.random.default_rng(rows).uniform(-1, 1, rows)
    y[::3] = 0
    logs = np.log1p(np.outer(bets(), y)).sum(axis=1)
    assert log_e_plus(y) == pytest.approx(logs.max() + math.log(np.exp(logs - logs.max()).sum()) - math.log(48), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (7, 2), (40, 60), (300, 250)])
def test_the_closed_form_is_the_mixture_over_every_bet(b: int, c: int) -> None:
    """2^(b+c+1) B(b+1, c+1) P(Beta(b+1, c+1) > ½) = the integral over λ in [0, 1] of (1 + λ)^b (1 - λ)^c."""
    bet = np.linspace(0, 1, 200_001)
    with np.errstate(divide="ignore"):
        logs = b * np.log1p(bet) + (c * np.log1p(-bet) if c else 0.0)
    wealth = np.exp(logs - logs.max())
    integral = float((wealth[:-1] + wealth[1:]).sum() / 2 / 200_000)
    assert log_e_classes(b, c) == pytest.approx(logs.max() + math.log(integral), abs=1e-4)


@pytest.mark.parametrize(("b", "c", "n"), [(0, 0, 0), (3, 5, 100), (80, 70, 900)])
def test_evidence_against_a_gain_is_the_same_from_counts(b: int, c: int, n: int) -> None:
    y = np.repeat([1.0, -1.0, 0.0], [b, c, n - b - c])
    assert log_e_minus_classes(b, c, n, 0.01) == pytest.approx(log_e_minus(y, 0.01), abs=1e-9)


@pytest.mark.parametrize("classes", [True, False])
def test_the_rows_needed_are_the_smallest_n_that_keeps_to_both_bounds(classes: bool) -> None:  # noqa: FBT001  a parameter of the test
    y = np.repeat([1.0, -1.0, 0.0], [900, 300, 8_800])
    found = rows_needed(y, 0.01, 3, 0.001, classes=classes)
    grown = [float(np.log1p(bet * y).mean()) for bet in bets()]
    best = int(np.argmax(grown))
    gain, variance = grown[best], float(np.log1p(bets()[best] * y).var())

    def suffices(n: int) -> bool:
        rest = 0.5 * math.log(n) if classes else n * gain - math.log(sum(math.exp(n * each) for each in grown) / 48)
        return n * gain - 1.96 * math.sqrt(n * variance) >= math.log(3 / 0.001) + rest and y.mean() - 1.96 * y.std() / math.sqrt(n) >= 0.01

    assert found == next(n for n in range(1, 100_000) if suffices(n))


def test_no_number_of_rows_accepts_what_lies_below_the_minimum_effect() -> None:
    assert rows_needed(np.repeat([1.0, 0.0], [5, 995]), 0.01, 1, 0.001, classes=True) is None
    assert rows_needed(np.zeros(0), 0.01, 1, 0.001, classes=True) is None
