"""What can be checked of the deployment without a Docker engine."""

import json
import random
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import yaml

from deploy.traffic import BAD, ROUND, message, rate
from tests.servers.prometheus import promtool
from watchtower.config.reader import read_settings
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Messages, Schema
from watchtower.nouns.window import Partition

ROOT = Path(__file__).parents[2]
Service = Mapping[str, list[str] | Mapping[str, object] | str]


@pytest.fixture(scope="module")
def services() -> Mapping[str, Service]:
    return cast("Mapping[str, Service]", yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"])


def test_every_file_that_compose_mounts_is_here(services: Mapping[str, Service]) -> None:
    mounted = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", []) if volume.startswith(".")}
    assert mounted == {
        "./deploy/watchtower",
        "./deploy/traffic.py",
        "./deploy/prometheus/prometheus.yml",
        "./dashboards/watchtower-rules.yml",
        "./deploy/grafana/provisioning",
        "./dashboards",
    }
    assert [path for path in mounted if not (ROOT / path).exists()] == []


def test_every_port_is_published_on_loopback_only(services: Mapping[str, Service]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(str(port).startswith("127.0.0.1:") for port in published)


def test_every_image_has_a_version(services: Mapping[str, Service]) -> None:
    images = {str(service["image"]) for service in services.values()} - {"watchtower"}
    assert all(re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", image) for image in images)


def test_services_wait_for_services_that_exist(services: Mapping[str, Service]) -> None:
    assert {name for service in services.values() for name in service.get("depends_on", {})} <= set(services)


def test_the_daemons_settings_and_rules_have_no_problem(services: Mapping[str, Service]) -> None:
    loaded = read_settings(ROOT / "deploy/watchtower/watchtower.yaml")
    assert loaded.warnings == ()
    assert (
        loaded.settings.server.tokens_file
        == yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["watchtower"]["configs"][0]["target"]
    )
    assert {rule.when.kind_name() for rule in loaded.book.rules} == {"above", "absent"}
    assert "127.0.0.1:9464:9464" in services["watchtower"]["ports"]


def test_prometheus_takes_its_configuration_with_the_rules(tmp_path: Path) -> None:
    for file in ("deploy/prometheus/prometheus.yml", "dashboards/watchtower-rules.yml"):
        shutil.copy(ROOT / file, tmp_path)
    done = subprocess.run([promtool(), "check", "config", str(tmp_path / "prometheus.yml")], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 rule files found" in done.stdout


def test_grafana_finds_its_data_source_and_the_dashboards(services: Mapping[str, Service]) -> None:
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"][0]
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/watchtower.yml").read_text(encoding="utf-8"))["providers"][0]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert f"./dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]


def test_the_image_is_made_of_what_is_here_and_runs_as_nobody_special() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    copied = [path for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for path in line.split()[:-1]]
    assert copied == ["requirements/", "pyproject.toml", "README.md", "LICENSE", "watchtower/"]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert all(f"!{path}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() for path in copied)
    last = text.rpartition("FROM ")[2]
    assert "--require-hashes" in text
    assert last.index("USER 10001:10001") < last.index("ENTRYPOINT")
    assert "/healthz" in last


def test_the_demo_traffic_is_what_the_format_takes() -> None:
    draw = random.Random(7)
    moments = [1.8e9 + second for second in range(0, ROUND, 5)]
    values = [json.dumps(message(draw, now)).encode() for now in moments]
    count = len(values)
    read = Messages(Partition("predictions"), values, np.arange(count), count, np.array([int(now * 1e6) for now in moments]))
    decoded = WatchtowerJson().decode([read], Catalog(other=Schema(open=True)))
    assert (len(decoded.rejected), [len(batch) for batch in decoded.predictions]) == (0, [count])
    assert set(decoded.predictions[0].versions.names) == {"1", "2"}


def test_the_bad_version_serves_a_quarter_of_the_time() -> None:
    draw = random.Random(7)
    versions = [message(draw, 1.8e9 + second)["version"] for second in range(ROUND)]
    assert versions.count("2") == pytest.approx(BAD, abs=1)
    assert all(20 <= rate(second) <= 100 for second in range(ROUND))
