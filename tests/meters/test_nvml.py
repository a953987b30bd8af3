"""NVML, asked of a stand-in for the driver's library that is compiled here: nvidia-ml-py loads it as it loads the real one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers._require import need
from watchtower.meters.nvml import NO_SLICES

GIB = 1024.0**3
ASK = """
import json, sys
from datetime import datetime, timedelta, UTC
from watchtower.meters.nvml import Nvml
from watchtower.nouns.errors import Unavailable
session, now, told = Nvml().open(), datetime(2026, 11, 20, tzinfo=UTC), []
for n in range(int(sys.argv[1])):
    try:
        told.append({f"{each.measure}[{each.subject}]": each.value for each in session.read(now + timedelta(seconds=10 * n))})
    except Unavailable as away:
        told.append(str(away))
session.close()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the stand-in."""
    compiler = shutil.which("cc") or shutil.which("gcc") or need("cc", "there is no C compiler for the stand-in of NVIDIA's library")
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).with_name("nvml_standin.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", folder / "libnvidia-ml.so.1", source], check=True)
    return folder


def asked(folder: Path | None, times: int = 1, **mode: str) -> list[dict[str, float | str] | str]:
    """What the meter reads, in a process that finds the library in *folder*."""
    environment = os.environ | ({"LD_LIBRARY_PATH": str(folder)} if folder is not None else {}) | mode
    done = subprocess.run([sys.executable, "-c", ASK, str(times)], env=environment, capture_output=True, text=True, check=True, timeout=60)
    found: list[dict[str, float | str] | str] = json.loads(done.stdout)
    return found


def test_every_device_and_slice_is_read_in_our_units(library: Path) -> None:
    pytest.importorskip("pynvml", reason="the extra nvml is not installed")
    first, second = asked(library, 2)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert {key: value for key, value in first.items() if key.endswith(("[0]", "tritonserver]", "unnamed]"))} == {
        "gpu.utilization[0]": 0.37,
        "gpu.memory_used[0]": 20 * GIB,
        "gpu.memory_share[0]": 0.25,
        "gpu.power[0]": 412.5,
        "gpu.temperature[0]": 61.0,
        "gpu.ecc_errors[0]": "first reading of a counter",
        "gpu.xid_errors[0]": 2.0,
        "gpu.throttled_share[0]": 1.0,
        "gpu.program_memory[0/tritonserver]": 8 * GIB,
        "gpu.program_memory[0/unnamed]": GIB,
    }
    assert (second["gpu.ecc_errors[0]"], second["gpu.xid_errors[0]"]) == (2.0, 0.0), "counts since the reading before"


def test_slices_have_their_memory_and_no_utilisation(library: Path) -> None:
    pytest.importorskip("pynvml", reason="the extra nvml is not installed")
    (found,) = asked(library)
    assert isinstance(found, dict)
    assert {subject: found[f"gpu.memory_used[{subject}]"] for subject in ("1:mig-3", "1:mig-5")} == {"1:mig-3": 3 * GIB, "1:mig-5": 5 * GIB}
    assert {found[f"gpu.utilization[{subject}]"] for subject in ("1", "1:mig-3", "1:mig-5")} == {NO_SLICES}
    assert found["gpu.power[1]"] == found["gpu.xid_errors[1]"] == "NVML: Not Supported"
    assert found["gpu.throttled_share[1]"] == 0.0, "idle is not held down"


def test_a_device_that_is_lost_does_not_hide_the_others(library: Path) -> None:
    pytest.importorskip("pynvml", reason="the extra nvml is not installed")
    (found,) = asked(library)
    assert isinstance(found, dict)
    assert (found["gpu.utilization[2]"], found["gpu.xid_errors[2]"]) == ("NVML: GPU is lost", "NVML: GPU is lost")


def test_a_driver_that_fails_is_asked_again_from_the_start(library: Path) -> None:
    pytest.importorskip("pynvml", reason="the extra nvml is not installed")
    assert asked(library, 2, NVML_STANDIN="no_driver") == ["NVML cannot be asked: Driver Not Loaded"] * 2
    assert asked(library, 2, NVML_STANDIN="no_gpu") == ["NVML finds no GPU"] * 2
    for found in asked(library, 2, NVML_STANDIN="lost"):
        assert isinstance(found, dict)
        assert set(found.values()) == {"NVML: GPU is lost"}


def test_without_the_drivers_library_nothing_is_read_and_nothing_breaks(tmp_path: Path) -> None:
    pytest.importorskip("pynvml", reason="the extra nvml is not installed")
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has NVIDIA's driver")
    assert asked(tmp_path, 2) == ["NVML cannot be asked: NVML Shared Library Not Found"] * 2


def test_a_real_driver_says_what_nvidia_smi_says() -> None:
    pytest.importorskip("pynvml", reason="the extra nvml is not installed")
    if shutil.which("nvidia-smi") is None:
        pytest.skip("there is no NVIDIA GPU here")
    (found,) = asked(None)
    query = ["nvidia-smi", "--query-gpu=index,memory.used,temperature.gpu,power.draw", "--format=csv,noheader,nounits", "--id=0"]
    said = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split(",")
    assert isinstance(found, dict)
    memory, celsius, watts = (found[f"gpu.{name}[0]"] for name in ("memory_used", "temperature", "power"))
    assert float(memory) == pytest.approx(float(said[1]) * 1024**2, abs=2 * GIB), "NVML's first interface counts what the driver keeps for itself"
    assert float(celsius) == pytest.approx(float(said[2]), abs=10)
    assert float(watts) == pytest.approx(float(said[3]), rel=0.5)
    assert 0 <= float(found["gpu.utilization[0]"]) <= 1
