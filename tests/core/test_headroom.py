"""The arithmetic of a device's headroom."""

from dataclasses import replace

import pytest

from watchtower.core.headroom import DeviceState, kept_free, lacking

GIB = 2**30
DEVICE = DeviceState("GPU 0 (X)", 80 * GIB, 20 * GIB, 0.5)


@pytest.mark.parametrize(("total", "asked", "kept"), [(80 * GIB, None, 8 * GIB), (8 * GIB, None, 2 * GIB), (80 * GIB, GIB, GIB), (80 * GIB, 0, 0)])
def test_a_tenth_or_two_gibibytes_stay_free_whichever_is_more(total: int, asked: int | None, kept: int) -> None:
    assert kept_free(total, asked) == kept


def test_three_times_the_files_and_what_stays_free_must_fit() -> None:
    assert lacking(DEVICE, 4 * GIB, None, 0.9) == "", "3 x 4 + 8 = 20"
    assert lacking(replace(DEVICE, free_bytes=20 * GIB - 1), 4 * GIB, None, 0.9) == (
        "headroom: GPU 0 (X) has 20.00 of 80.00 GiB free < 12.00 GiB for the models (3 x 4.00) + 8.00 GiB that stay free"
    )


def test_a_busy_device_has_no_time_and_one_that_does_not_say_is_not_busy() -> None:
    assert lacking(replace(DEVICE, utilization=0.9), GIB, None, 0.9) == ""
    assert lacking(replace(DEVICE, utilization=0.91), GIB, None, 0.9) == "headroom: GPU 0 (X) is busy 91% of the time > 90%"
    assert lacking(replace(DEVICE, utilization=None), GIB, None, 0.9) == ""
