"""Devices, as meters read them and as rows log them."""

from dataclasses import replace

import pytest

from tests.measures.machines import Told, seen
from tests.measures.views import durations, served, told, view
from watchtower.measures.gpu import Gpu
from watchtower.nouns.profile import GpuReadings, Profile
from watchtower.nouns.readings import NO_METERS, Readings

TWO: Told = {("gpu.utilization", "0"): (0.2, 0.4), ("gpu.utilization", "1"): (0.9,), ("gpu.power", "0"): (100.0, 300.0)}


def logged(**devices: GpuReadings) -> Profile:
    return replace(served(9), gpu={name.replace("_", ":"): each for name, each in devices.items()})


def test_logged_means_are_by_device() -> None:
    profile = replace(served(9), gpu={"1": GpuReadings(4, 2.0, 4e9, 2e9), "0": GpuReadings(2, 1.8, 0.0, 0.0)})
    assert told(Gpu().score("utilization", view(profile))) == {"0": 0.9, "1": 0.5}
    assert told(Gpu().score("memory_used", view(profile))) == {"0": "no memory logged", "1": 1e9}


def test_nothing_logged_is_a_reason() -> None:
    assert told(Gpu().score("utilization", view(served(9)))) == {"": "no device logged"}
    assert told(Gpu().score("utilization", view(served(0)))) == {"": "no rows"}
    assert told(Gpu().score("power", view(served(9)))) == {"": NO_METERS}
    assert told(Gpu().score("power", replace(view(served(9)), readings=Readings(reason="no meters in a replay")))) == {"": "no meters in a replay"}


def test_means_over_the_windows_are_by_device_and_count_the_readings() -> None:
    scores = Gpu().score("utilization", seen(view(served(9)), TWO, {("gpu.utilization", "0"): (0.9,)}))
    assert told(scores) == {"0": pytest.approx(0.5), "1": 0.9}
    assert scores.n.tolist() == [3, 1]


def test_temperature_is_the_largest_and_errors_are_counted() -> None:
    told_: Told = {("gpu.temperature", "0"): (61.0, 84.0, 70.0), ("gpu.xid_errors", "0"): (0.0, 1.0, 2.0), ("gpu.ecc_errors", "0"): ("not told",)}
    its = seen(view(served(9)), told_)
    assert told(Gpu().score("temperature", its)) == {"0": 84.0}
    assert told(Gpu().score("xid_errors", its)) == {"0": 3.0}
    assert told(Gpu().score("ecc_errors", its)) == {"0": "not told"}


def test_a_meter_goes_before_the_log_and_the_log_steps_in_where_it_has_no_number() -> None:
    profile = logged(cuda_0=GpuReadings(2, 1.2, 2e9, 1e9))
    assert told(Gpu().score("utilization", seen(view(profile), {("gpu.utilization", "0"): (0.3,)}))) == {"0": 0.3}
    assert told(Gpu().score("utilization", seen(view(profile), {("gpu.utilization", "0"): ("MIG",)}))) == {"0": 0.6}


def test_devices_that_rows_log_are_the_models_the_others_somebody_elses() -> None:
    assert told(Gpu().score("utilization", seen(view(logged(cuda_1=GpuReadings(1, 0.5, 0.0, 0.0))), TWO))) == {"1": 0.9}
    assert told(Gpu().score("power", seen(view(logged(elsewhere=GpuReadings(1, 0.5, 0.0, 0.0))), TWO))) == {"0": 200.0}


def test_a_window_without_rows_keeps_the_devices_of_those_before() -> None:
    its = replace(seen(view(served(0)), TWO), seen=frozenset({("gpu.utilization", "", "1"), ("drift.psi", "", "0")}))
    assert told(Gpu().score("utilization", its)) == {"1": 0.9}
    assert told(Gpu().score("utilization", replace(its, seen=frozenset()))) == {"0": pytest.approx(0.3), "1": 0.9}


def test_a_program_is_of_its_device() -> None:
    its: Told = {("gpu.program_memory", "0/tritonserver"): (5e9,), ("gpu.program_memory", "1/python3"): (1e9,)}
    assert told(Gpu().score("program_memory", seen(view(logged(cuda_0=GpuReadings(1, 0.5, 0.0, 0.0))), its))) == {"0/tritonserver": 5e9}


def test_a_meter_that_fails_gives_its_reason() -> None:
    its = seen(view(served(9)), {("", ""): ("NVML cannot be asked: Driver Not Loaded",)})
    assert told(Gpu().score("power", its)) == {"": "NVML cannot be asked: Driver Not Loaded"}
    assert told(Gpu().score("utilization", its)) == {"": "NVML cannot be asked: Driver Not Loaded; no device logged"}


def test_a_segment_has_no_machine_but_what_its_rows_logged() -> None:
    its = replace(seen(view(logged(cuda_0=GpuReadings(1, 0.5, 0.0, 0.0))), TWO), segment="country=DE")
    assert told(Gpu().score("utilization", its)) == {"cuda:0": 0.5}
    assert told(Gpu().score("power", its)) == {"": "machines have no segments"}


def test_a_models_share_is_its_compute_time_over_the_devices_busy_time() -> None:
    """12 s of compute in a minute on a device that was busy for half of it: 12 / 30."""
    profile = replace(served(4), compute=durations([3.0, 3.0, 3.0, 3.0]), gpu={"0": GpuReadings(4, 1.0, 0.0, 0.0)})
    assert told(Gpu().score("model_share", seen(view(profile), {("gpu.utilization", "0"): (0.5,)}))) == {"0": pytest.approx(0.4)}
    assert told(Gpu().score("model_share", view(profile))) == {"0": pytest.approx(0.8)}, "as logged: busy for a quarter of the minute"


def test_a_share_is_at_most_one_and_says_what_it_was_made_of() -> None:
    profile = replace(served(2), compute=durations([30.0, 15.0]), gpu={"0": GpuReadings(0, 0.0, 0.0, 0.0)})
    scores = Gpu().score("model_share", view(profile))
    assert told(scores) == {"0": 0.75}
    assert scores.notes == ("of the windows' seconds: no utilization known",)
    assert told(Gpu().score("model_share", seen(view(profile), {("gpu.utilization", "0"): (0.1,)}))) == {"0": 1.0}


def test_compute_time_is_divided_by_the_readings_that_rows_logged() -> None:
    profile = replace(served(4), compute=durations([8.0]), gpu={"0": GpuReadings(3, 3.0, 0.0, 0.0), "1": GpuReadings(1, 1.0, 0.0, 0.0)})
    assert told(Gpu().score("model_share", view(profile))) == {"0": pytest.approx(6 / 60), "1": pytest.approx(2 / 60)}


def test_a_share_that_cannot_be_had_says_why() -> None:
    computing = replace(served(4), compute=durations([8.0]))
    assert told(Gpu().score("model_share", view(served(4)))) == {"": "no compute times logged"}
    assert told(Gpu().score("model_share", view(served(0), siblings={}))) == {"": "no rows"}
    assert told(Gpu().score("model_share", view(computing))) == {"": "no device logged"}
    assert told(Gpu().score("model_share", seen(view(computing), TWO))) == {"": "rows name no device"}
    idle = replace(computing, gpu={"0": GpuReadings(3, 0.0, 0.0, 0.0)})
    assert told(Gpu().score("model_share", view(idle))) == {"0": "the device was never seen busy"}
