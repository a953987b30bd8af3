"""A daemon that reads machines: a meter whose far end is there, one whose far end is not, a rule, metrics, status."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from tests.end_to_end.running import Daemon, free_port, status, watchtower
from tests.meters.exports import dcgm
from tests.servers.exporter import Exporter

SETTINGS = """
source: {{kind: file, path: log.jsonl, format: {{kind: watchtower_json}}}}
window: {{size: 1s, lateness: 1s, idle: 1s}}
models: {{fraud: {{capacity: {{per_instance: 1}}}}}}
meters:
  - {{kind: prometheus, name: gpus, url: "{url}", preset: dcgm, every: 1s}}
  - {{kind: prometheus, name: nobody, url: "http://127.0.0.1:9/metrics", metrics: {{queue: depth}}, every: 1s}}
notifiers: {{log: {{kind: log}}}}
server: {{listen: "127.0.0.1:{port}"}}
"""
RULES = """
rules:
  - {name: Busy, model: fraud, when: {kind: above, measure: gpu.utilization, value: 0.8}}
  - {name: Queue, model: fraud, when: {kind: above, measure: resource.queue, value: 1}}
  - {name: Small, model: fraud, when: {kind: above, measure: capacity.instances, value: 0}, over: 3 windows}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "fraud.yaml").write_text(RULES)
    return tmp_path


def firing(folder: Path) -> dict[str, dict[str, object]]:
    alerts = cast("list[dict[str, object]]", status(folder)["alerts"])
    return {str(each["rule"]): each for each in alerts if each["state"] == "firing"}


def sent(folder: Path) -> None:
    row = {"model": "fraud", "time": datetime.now(UTC).isoformat(), "prediction": 0.5, "gpu": {"device": "cuda:0", "utilization": 0.1}}
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(row) + "\n")


def test_what_meters_read_reaches_rules_metrics_and_status(folder: Path) -> None:
    port = free_port()
    with Exporter({"/metrics": dcgm()}) as exporter, Daemon(folder, port) as daemon:
        (folder / "watchtower.yaml").write_text(SETTINGS.format(url=exporter.url, port=port))
        daemon.start().wait_ready()

        def fires() -> dict[str, dict[str, object]] | None:
            sent(folder)
            found = firing(folder)
            return found if {"Busy", "Small"} <= set(found) else None

        alerts = daemon.wait_until(fires, 90, "the device is busy")
        answer = daemon.get("/metrics")
        told = {str(each["name"]): each for each in cast("list[dict[str, object]]", status(folder)["meters"])}
    assert (alerts["Busy"]["subject"], alerts["Busy"]["value"], "Queue" in alerts) == ("0", 0.87, False)
    assert answer is not None
    lines = answer[1].splitlines()
    assert 'watchtower_gpu_utilization_ratio{device="0",model="fraud"} 0.87' in lines
    assert [line for line in lines if line.startswith("watchtower_gpu_utilization_ratio{")] == [
        'watchtower_gpu_utilization_ratio{device="0",model="fraud"} 0.87'
    ]
    assert any(line.startswith('watchtower_meter_reads_total{meter="nobody",outcome="failed"}') for line in lines)
    assert (told["gpus"]["kind"], told["gpus"]["error"], told["nobody"]["last"]) == ("prometheus", None, None)
    assert str(told["nobody"]["error"]).startswith("http://127.0.0.1:9 did not answer")
    log = daemon.log.read_text()
    assert log.count("meter_failed meter=nobody") == 1, log
    assert "Traceback" not in log


def test_check_tries_meters_and_replay_has_none(folder: Path) -> None:
    with Exporter({"/metrics": dcgm()}) as exporter:
        (folder / "watchtower.yaml").write_text(SETTINGS.format(url=exporter.url, port=0))
        sent(folder)
        checked = watchtower("check", "--connect", folder=folder)
        replayed = watchtower("replay", "log.jsonl", "--json", "--scores", folder=folder)
    assert "meter gpus" in checked.stdout + checked.stderr
    assert "10 readings of 0, 1, 1:mig-3, 1:mig-5" in checked.stdout + checked.stderr
    assert "http://127.0.0.1:9 did not answer: Connection refused" in checked.stdout + checked.stderr
    assert replayed.returncode in {0, 10}, replayed.stderr
    scores = [each for each in map(json.loads, replayed.stdout.splitlines()) if each["type"] == "score"]
    assert {(each["measure"], each["subject"], each["value"], each.get("reason")) for each in scores} == {
        ("gpu.utilization", "cuda:0", 0.1, None),
        ("resource.queue", "", None, "no meters in a replay"),
        ("capacity.instances", "", 2.0, None),
    }
