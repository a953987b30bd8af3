"""A slow drift that no single window shows."""

from datetime import timedelta

import numpy as np
import pytest

from tests.conditions.histories import Series, of_one
from watchtower.conditions.cumulative import WINDOWS, Cumulative, average_run_length
from watchtower.nouns.score import Over


def cumulative(**keys: object) -> Cumulative:
    return Cumulative.model_validate({"measure": "latency.p99", "target": 1.0, "slack": 0.25, "value": 2.0} | keys)


@pytest.mark.parametrize(
    ("values", "sum_", "finding"),
    [
        ([2.0], 0.75, "CLEAR"),  # 2 - 1 - 0.25
        ([2.0, 2.0, 2.0], 2.25, "FOUND"),  # three times that
        ([0.0, 2.0, 2.0], 1.5, "CLEAR"),  # a low window takes nothing below 0
        ([2.0, 0.5, 2.0], 0.75, "CLEAR"),  # 0.75, then max(0, 0.75 - 0.75), then 0.75
        ([2.0, "no rows", 2.0, 2.0], 2.25, "FOUND"),  # a window without a score changes nothing
        ([3.25, 1.25], 2.0, "CLEAR"),  # the value itself is not found
    ],
)
def test_deviations_add_up_and_never_fall_below_zero(values: Series, sum_: float, finding: str) -> None:
    told = of_one(cumulative(), "latency.p99", values)
    assert told.value == pytest.approx(sum_)
    assert told.finding.name == finding


def test_a_window_without_a_score_is_unknown_whatever_came_before() -> None:
    told = of_one(cumulative(), "latency.p99", [9.0, "no rows"])
    assert (told.finding.name, told.reason, told.value) == ("UNKNOWN", "no rows", None)


def test_it_looks_back_five_hundred_windows() -> None:
    assert cumulative().need(Over(), timedelta(minutes=1)).history == WINDOWS - 1
    assert of_one(cumulative(), "latency.p99", [9.0, *[1.0] * (WINDOWS - 1)]).value == pytest.approx(0.0)


def test_it_ends_soon_after_a_large_drift_does() -> None:
    drift = [1.0] * 5 + [50.0] * 10  # ten windows that add 48.75 each; the sum stays at twice the value
    assert of_one(cumulative(), "latency.p99", drift).value == pytest.approx(4.0)
    assert of_one(cumulative(), "latency.p99", [*drift, *[1.0] * 7]).finding.name == "FOUND"
    assert of_one(cumulative(), "latency.p99", [*drift, *[1.0] * 8]).finding.name == "CLEAR"  # 4 - 8 x 0.25 = 2


def test_the_run_length_of_the_docstring_is_siegmunds() -> None:
    assert average_run_length(-0.5, 5.0) == pytest.approx(938.2, abs=0.1)  # (exp(6.166) - 6.166 - 1) / 0.5
    assert average_run_length(0.0, 5.0) == pytest.approx(6.166**2)
    assert average_run_length(1e-5, 5.0) == pytest.approx(average_run_length(0.0, 5.0), rel=1e-3)
    assert average_run_length(0.5, 5.0) == pytest.approx(10.3, abs=0.1)


@pytest.mark.parametrize(("slack", "value", "mean"), [(0.5, 3.0, 0.0), (0.25, 4.0, 0.0), (0.5, 4.0, 1.0)])
def test_simulated_run_lengths_agree_with_it(slack: float, value: float, mean: float) -> None:
    runs, rng = 2_000, np.random.default_rng(11)
    sums, length = np.zeros(runs), np.zeros(runs)
    going = np.ones(runs, dtype=bool)
    while going.any():
        sums[going] = np.maximum(0.0, sums[going] + rng.normal(mean, 1.0, int(going.sum())) - slack)
        length[going] += 1
        going &= sums <= value
    assert length.mean() == pytest.approx(average_run_length(mean - slack, value), rel=0.1)
