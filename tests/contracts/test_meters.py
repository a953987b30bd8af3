"""What every meter keeps."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from tests.meters.exports import dcgm
from tests.servers.exporter import Exporter
from watchtower.core.naming import known
from watchtower.meters import Meter
from watchtower.meters._presets import PRESETS
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.score import MeasureName

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
SECRET = "s3cret-that-must-not-show"  # noqa: S105  of these tests only


def prometheus(address: str) -> Meter:
    return Meter.member("prometheus").model_validate({"url": f"http://{address}/{SECRET}", "preset": "dcgm", "headers": {"Authorization": SECRET}})


def nvml(_address: str) -> Meter:
    pytest.importorskip("pynvml", reason="the extra nvml is not installed")
    return Meter.member("nvml")()


MAKERS: dict[str, Callable[[str], Meter]] = {"prometheus": prometheus, "nvml": nvml}


@pytest.fixture(params=sorted(MAKERS))
def away(request: pytest.FixtureRequest) -> Meter:
    """A meter whose far end is not there."""
    if request.param == "nvml" and os.path.exists("/dev/nvidiactl"):  # noqa: PTH110  one look
        pytest.skip("this machine has NVIDIA's driver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return MAKERS[request.param](address)


def test_every_meter_stands_in_this_suite() -> None:
    assert set(Meter.kinds()) == set(MAKERS)


def test_opening_asks_nothing_and_a_far_end_that_is_away_is_unavailable_each_time(away: Meter) -> None:
    session = away.open()
    said = []
    for n in range(2):
        with pytest.raises(Unavailable) as told:
            session.read(TEN + timedelta(seconds=n))
        assert not told.value.for_good, "it is tried again"
        said.append(str(told.value))
    assert said[0] == said[1] != ""
    session.close()
    session.close()


def test_check_says_why_nothing_can_be_read(away: Meter) -> None:
    with pytest.raises(Unavailable):
        away.look(TEN)


def test_check_says_what_can_be_read() -> None:
    with Exporter({f"/{SECRET}": dcgm()}) as exporter:
        assert prometheus(exporter.address).look(TEN) == "10 readings of 0, 1, 1:mig-3, 1:mig-5"


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_meter_is_read_every_ten_seconds_and_never_more_than_once_a_second(kind: str) -> None:
    made = MAKERS[kind]("127.0.0.1:9")
    assert made.every == timedelta(seconds=10)
    with pytest.raises(ValidationError, match="greater than or equal to 1 second"):
        type(made).model_validate(made.model_dump(exclude={"every"}) | {"every": "100ms"})


def test_secrets_show_in_no_repr_name_error_or_reading() -> None:
    with Exporter(status=503) as exporter:
        meter = prometheus(exporter.address)
        session = meter.open()
        with pytest.raises(Unavailable) as told:
            session.read(TEN)
    assert SECRET not in repr(meter) + meter.title() + meter.model_dump_json() + repr(vars(session)) + str(told.value) + repr(told.value)


def test_whatever_a_preset_gives_is_a_measure() -> None:
    named = {"gpu.utilization", "gpu.memory_used", "gpu.memory_share", "gpu.power", "gpu.temperature", "gpu.xid_errors", "gpu.ecc_errors"}
    named |= {"gpu.throttled_share", "gpu.program_memory", *(each for preset in PRESETS.values() for each in preset.resources)}
    assert [known(MeasureName.parse(each)) for each in sorted(named)] == [None] * len(named)


def test_a_gpu_measure_that_does_not_exist_is_still_unknown() -> None:
    said = known(MeasureName.parse("gpu.utilisation"))
    assert said is not None
    assert "did you mean gpu.utilization?" in said
