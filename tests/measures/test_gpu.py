"""Devices, as rows log them."""

from dataclasses import replace

from tests.measures.views import served, told, view
from watchtower.measures.gpu import Gpu
from watchtower.nouns.profile import GpuReadings


def test_means_are_by_device() -> None:
    profile = replace(served(9), gpu={"1": GpuReadings(4, 2.0, 4e9, 2e9), "0": GpuReadings(2, 1.8, 0.0, 0.0)})
    assert told(Gpu().score("utilization", view(profile))) == {"0": 0.9, "1": 0.5}
    assert told(Gpu().score("memory_used", view(profile))) == {"0": "no memory logged", "1": 1e9}


def test_nothing_logged_is_a_reason() -> None:
    assert told(Gpu().score("utilization", view(served(9)))) == {"": "no device logged"}
    assert told(Gpu().score("utilization", view(served(0)))) == {"": "no rows"}
