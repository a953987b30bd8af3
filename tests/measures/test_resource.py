"""Machines, containers and services."""

from dataclasses import replace

import numpy as np
import pytest

from tests.measures.machines import Told, seen
from tests.measures.views import served, told, view
from watchtower.measures.resource import Resource
from watchtower.nouns.score import View


def growing(*means: float | str, subject: str = "pod-1") -> View:
    windows: list[Told] = [{("resource.memory_used", subject): (mean,)} for mean in means]
    return seen(view(served(9)), *windows)


def test_the_mean_of_the_readings_is_by_subject() -> None:
    its: Told = {("resource.cpu_utilization", "pod-1"): (0.4, 0.6), ("resource.cpu_utilization", "pod-2"): ("the query found nothing",)}
    scores = Resource().score("cpu_utilization", seen(view(served(9)), its))
    assert told(scores) == {"pod-1": 0.5, "pod-2": "the query found nothing"}
    assert scores.n.tolist() == [2, 0]


def test_any_name_that_a_meter_reads_is_a_measure() -> None:
    its = seen(view(served(9)), {("resource.queue_depth", ""): (3.0, 5.0)})
    assert told(Resource().score("queue_depth", its)) == {"": 4.0}
    assert told(Resource().score("queue_length", its)) == {"": "no meter reads resource.queue_length"}


def test_the_slope_is_that_of_a_line_through_the_windows_means() -> None:
    """Means 0, 60, 180 MB, a minute apart: Σdx·dy is 60·80 + 0 + 60·100 = 10,800, Σdx² is 7,200: 1.5 MB a second; the rests are 10, -20, 10 MB."""
    scores = Resource().score("memory_slope", growing(0.0, 60e6, 180e6))
    assert told(scores) == {"pod-1": pytest.approx(1.5e6)}
    low, high = scores.low, scores.high
    assert low is not None
    assert high is not None
    assert high[0] - scores.values[0] == pytest.approx(12.7062 * np.sqrt((10e6**2 + 20e6**2 + 10e6**2) / 1 / 7200), rel=1e-4), "t(1) at 97.5 % x se"
    assert scores.values[0] - low[0] == pytest.approx(high[0] - scores.values[0])


def test_a_steady_memory_has_the_slope_zero_and_two_windows_have_none() -> None:
    assert told(Resource().score("memory_slope", growing(5e6, 5e6, 5e6, 5e6))) == {"pod-1": 0.0}
    assert told(Resource().score("memory_slope", growing(1e6, "away", 3e6))) == {"pod-1": "2 of 3 windows with readings"}


def test_a_slope_that_a_meter_reads_itself_is_taken() -> None:
    its = seen(view(served(9)), {("resource.memory_slope", "pod-1"): (10.0, 20.0), ("resource.memory_used", "pod-1"): (1.0,)})
    assert told(Resource().score("memory_slope", its)) == {"pod-1": 15.0}


def test_what_is_not_read_and_what_has_no_machine_say_so() -> None:
    assert told(Resource().score("disk_share", view(served(9)))) == {"": "no meters configured"}
    assert told(Resource().score("memory_slope", seen(view(served(9)), {}))) == {"": "no readings in this window"}
    assert told(Resource().score("disk_share", replace(view(served(9)), segment="a=b"))) == {"": "machines have no segments"}
