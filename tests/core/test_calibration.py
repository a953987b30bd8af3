"""A bound that keeps to its budget."""

import numpy as np
import pytest

from tests.benchmarks.calibration import CASES, measured
from watchtower.conditions._significance import adjusted
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.calibration import Calibration, Request, Terms, calibrate, corrected
from watchtower.core.drawing import Drawn, Source, drawn
from watchtower.core.firing import runs, transitions
from watchtower.core.levels import level, poisson
from watchtower.nouns.batch import Column, Floats, NumberColumn, TextColumn
from watchtower.nouns.score import MeasureName, Over

PSI = MeasureName("drift", "psi")


def terms(period: float, **change: object) -> Terms:
    plain: dict[str, object] = {"measure": PSI, "over": Over(), "hold": 1, "keep": 0, "no_data": "keep", "below": False}
    return Terms(**(plain | {"significance": None, "min_rows": None, "times": 1, "period": period} | change))  # type: ignore[arg-type]


def source(rows: int = 400) -> Source:
    rng = np.random.default_rng(2)
    columns: dict[str, Column] = {"a": NumberColumn(rng.normal(size=5_000)), "c": TextColumn(rng.integers(0, 4, 5_000).astype(np.int32), ("w", "x", "y", "z"))}
    binning = make_binning(columns, {}, None, ())
    return Source(binning, (0, 1), make_reference_profile(binning, columns, 5_000), np.array([rows]))


def walk(windows: int, seed: int, subjects: int = 1) -> Drawn:
    values = np.random.default_rng(seed).normal(10, 1, (windows, subjects))
    return Drawn(values, np.full(values.shape, np.nan))


@pytest.fixture(scope="module")
def by_hundred() -> Calibration:
    return calibrate(Request(terms(100), {"": source()}, seed=1))


def test_a_frequent_budget_is_counted_in_the_draws(by_hundred: Calibration) -> None:
    assert by_hundred.bound is not None
    assert by_hundred.tail is None
    assert by_hundred.expected == pytest.approx(1.0, abs=0.02)
    assert by_hundred.low < 1 < by_hundred.high
    assert (by_hundred.label, by_hundred.draws * by_hundred.windows, by_hundred.rows) == ("extrapolated", 24_000, 400)


def test_windows_drawn_anew_keep_to_the_budget(by_hundred: Calibration) -> None:
    rng = np.random.default_rng(77)
    many = [drawn(source(), PSI, Over(), None, 100, rng).values for _ in range(40)]
    them = runs(np.stack(many, axis=1), hold=1, keep=0, no_data="keep")
    assert by_hundred.bound is not None
    low, high = poisson(int(transitions(them, by_hundred.bound).sum()))
    assert low < 40 < high  # 4,000 windows at 1 per 100


def test_new_rows_keep_to_the_budget_too() -> None:
    rates, _ = measured(CASES[0], 2, 500, 1)  # 1 per 100: 10 alarms in 1,000 windows of rows, folded and scored; the references differ
    assert 2 <= rates.sum() * 500 <= 25


def test_a_rare_budget_is_read_from_the_tail_and_says_so() -> None:
    rare = calibrate(Request(terms(43_200), {"": source()}, seed=1))
    assert rare.bound is not None
    assert rare.tail is not None
    assert rare.tail.count >= 20
    assert rare.bound > rare.tail.threshold
    assert rare.expected == pytest.approx(1.0, rel=0.05)
    assert rare.label == "extrapolated"


def test_the_same_seed_gives_the_same_bound() -> None:
    again = [calibrate(Request(terms(100), {"": source()}, seed=seed)).bound for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_hold_and_significance_lower_the_bound(by_hundred: Calibration) -> None:
    held = calibrate(Request(terms(100, hold=2), {"": source()}, seed=1))
    sure = calibrate(Request(terms(100, significance=0.001), {"": source()}, seed=1))
    assert held.bound is not None
    assert by_hundred.bound is not None
    assert held.bound < by_hundred.bound
    assert sure.bound == 0.0  # p < 0.001 alone is rarer than 1 in 100


def test_a_written_bound_is_told_what_to_expect() -> None:
    told = calibrate(Request(terms(100, bound=0.0), {"": source()}, seed=1))
    assert told.bound == 0.0
    assert told.expected > 0


def test_too_few_rows_are_a_reason() -> None:
    assert calibrate(Request(terms(100), {"": source(rows=50)}, seed=1)).reason == "not calibrated: the reference gives too few scores"


def test_what_cannot_be_drawn_needs_history() -> None:
    young = calibrate(Request(terms(100, measure=MeasureName("latency", "p99")), {}, (walk(150, 1),)))
    assert (young.bound, young.reason) == (None, "not calibrated: needs history (150 of 200 quiet windows)")
    grown = calibrate(Request(terms(100, measure=MeasureName("latency", "p99")), {}, (walk(1_500, 1), walk(1_500, 2))))
    assert grown.bound == pytest.approx(12.33, abs=0.25)  # the normal's 99 %: 2.33
    assert (grown.label, grown.basis, grown.history) == ("", "3,000 quiet windows", 3_000)


def test_below_mirrors_above() -> None:
    history = (walk(3_000, 1),)
    up = calibrate(Request(terms(100, measure=MeasureName("latency", "p99")), {}, (Drawn(-history[0].values, history[0].p_values),)))
    down = calibrate(Request(terms(100, measure=MeasureName("latency", "p99"), below=True), {}, history))
    assert up.bound is not None
    assert down.bound == pytest.approx(-up.bound)


def test_a_history_that_moves_more_than_draws_raises_the_bound(by_hundred: Calibration) -> None:
    rng = np.random.default_rng(9)
    calm = drawn(source(), PSI, Over(), None, 2_000, rng)
    rhythm = Drawn(calm.values * 2, calm.p_values)
    assert by_hundred.bound is not None
    moved = calibrate(Request(terms(100), {"": source()}, (rhythm,), seed=1))
    assert moved.bound is not None
    assert moved.bound == pytest.approx(2 * by_hundred.bound, rel=0.15)
    assert moved.scale == pytest.approx(2, rel=0.15)
    assert (moved.label, moved.history) == ("", 2_000)
    short = calibrate(Request(terms(43_200), {"": source()}, (Drawn(calm.values[:500], calm.p_values[:500]),), seed=1))
    assert (short.label, short.scale >= 1) == ("extrapolated", True)


def test_the_bound_is_the_lowest_that_keeps_to_it() -> None:
    values = np.random.default_rng(4).uniform(size=(1_000, 1, 1))
    them = runs(values, hold=1, keep=0, no_data="keep")
    found = level(them, them, 1, 20)  # 50 alarms in 1,000 windows
    assert found is not None
    assert int(transitions(them, found.bound).sum()) <= 50
    lower = float(values[values < found.bound].max())
    assert int(transitions(them, lower).sum()) >= 50


def test_many_corrections_at_once_are_each_the_rules_own() -> None:
    p_values: Floats = np.random.default_rng(5).uniform(size=(7, 6))
    p_values[2, 1:4] = np.nan
    p_values[3] = np.nan
    assert corrected(p_values) == pytest.approx(np.stack([adjusted(row) for row in p_values]), nan_ok=True)


@pytest.mark.parametrize("kind", ["psi", "jensen_shannon", "wasserstein", "mean_shift", "kolmogorov_smirnov", "auto"])
def test_drawn_p_values_are_uniform(kind: str) -> None:
    rng = np.random.default_rng(6)
    only = source(300)
    p_values = np.concatenate([drawn(only, MeasureName("drift", kind), Over(), None, 60, rng).p_values[:, 0] for _ in range(20)])
    assert 0.02 < (p_values < 0.05).mean() < 0.09 or kind == "kolmogorov_smirnov"  # binned, its p-value is conservative
    assert (p_values < 0.05).mean() < 0.09


@pytest.mark.parametrize("over", [Over(5), Over(rows=1_200)])
def test_merged_windows_hold_as_many_rows_as_they_are_asked_to(over: Over) -> None:
    far = drawn(source(300), PSI, over, 1_200, 30, np.random.default_rng(1))
    assert not np.isnan(far.values).any()
    assert np.isnan(drawn(source(300), PSI, Over(3), 1_200, 30, np.random.default_rng(1)).values).all()


def test_windows_without_a_score_that_fire_are_no_part_of_the_tail() -> None:
    walked = walk(300, 3)
    walked.values[::10] = np.nan
    made = calibrate(Request(terms(43_200, measure=MeasureName("latency", "p99"), no_data="fire"), {}, (walked,)))
    assert made.bound is not None
    assert made.tail is not None
    assert np.isfinite([made.bound, made.tail.scale, made.expected, made.low, made.high]).all()
    assert 10 < made.bound < 30


def test_one_stretch_of_history_does_not_make_it_certain() -> None:
    made = calibrate(Request(terms(43_200, measure=MeasureName("latency", "p99")), {}, (walk(300, 1),)))
    assert made.expected == pytest.approx(1)
    assert made.low < 0.5
    assert made.high > 2


def test_a_history_that_never_moves_says_so() -> None:
    still = Drawn(np.zeros((300, 1)), np.full((300, 1), np.nan))
    made = calibrate(Request(terms(43_200, measure=MeasureName("errors", "share")), {}, (still,)))
    assert (made.bound, made.reason) == (None, "not calibrated: the scores of 300 quiet windows move too seldom to tell their tail")
