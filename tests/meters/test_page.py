"""The page about meters can be used as it stands."""

import re
from pathlib import Path

import pytest
import yaml

from watchtower.config.settings import Settings
from watchtower.meters.prometheus import Prometheus

PAGE = Path(__file__).parents[2] / "docs" / "meters.md"
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
SOURCE = {"kind": "file", "path": "log.jsonl", "format": {"kind": "watchtower_json"}}


def test_its_settings_are_accepted() -> None:
    meters = Settings.model_validate({"source": SOURCE, **BLOCKS[0]}).meters
    assert [meter.title() for meter in meters] == [
        "nvml",
        "prometheus dcgm http://gpu-node:9400",
        "prometheus triton http://triton:8002",
        "prometheus metrics http://prometheus:9090",
    ]
    assert meters[3].resources() == {"resource.cpu_utilization", "resource.memory_used"}


@pytest.mark.parametrize("fields", [{"server": "http://x", "queries": BLOCKS[1]}, {"url": "http://x", **BLOCKS[2]}], ids=["queries", "metrics"])
def test_its_measures_are_accepted(fields: dict[str, object]) -> None:
    assert Prometheus.model_validate(fields).resources()
