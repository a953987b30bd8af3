"""What the matrix says of things that happen meanwhile: each in a daemon of its own."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.running import Daemon, Json, free_port, listed, write_rules
from tests.scenarios import matrix
from tests.scenarios.matrix import Scenario
from tests.scenarios.test_matrix import LABELS, SETTINGS, rules, settings
from tests.scenarios.world import ALIKE, DAMAGED, GOOD, WINDOWS, Service, write_logs

pytestmark = pytest.mark.timeout(180)
LIMIT = 60.0
ACCEPTED = Scenario("loans", matrix.damaged_weights, "accept", ["model_regression"], matrix.SWITCHED)


def folder(root: Path, scenario: Scenario, service: Service, *, labels: str = "", more: Sequence[tuple[str, str]] = ()) -> Daemon:
    """The folder of one model, and its daemon, not yet started; *more*: what to replace in the settings."""
    port = free_port()
    write_logs(root, [service])
    text = SETTINGS.format(labels=labels, port=port) + settings(scenario)
    for old, new in more:
        assert old in text
        text = text.replace(old, new)
    (root / "watchtower.yaml").write_text(text)
    write_rules(root, rules(scenario))
    return Daemon(root, port)


def incident(daemon: Daemon, model: str) -> Json | None:
    """The model's newest incident."""
    return next((each for each in listed(daemon.json("/api/v1/incidents"), "incidents") if each["model"] == model), None)


def plan(daemon: Daemon, model: str, *steps: str) -> Json | None:
    """Its plan, where it stands at one of *steps*."""
    found = (incident(daemon, model) or {}).get("plan")
    return found if isinstance(found, dict) and found["step"] in steps else None


def appended(root: Path, service: Service) -> None:
    """What the service logged since it was written out last, at the log's end."""
    with (root / "predictions.jsonl").open("a") as log:
        log.writelines(text + "\n" for _, text in service.lines)


def names(service: Service) -> str:
    """What the target names."""
    return (service.models / "current").readlink().name


def test_a_person_rolls_back_while_approval_is_awaited_and_the_plan_is_cancelled(tmp_path: Path) -> None:
    scenario = replace(ACCEPTED, settings=("approval",))
    service = Service(tmp_path, scenario.name)
    scenario.make(service)
    with folder(tmp_path, scenario, service).start() as daemon:
        daemon.wait_until(lambda: plan(daemon, "loans", "awaiting_approval"), LIMIT, "approval is asked")
        service.lines.clear()
        service.serve(5, "1")
        appended(tmp_path, service)
        found = daemon.wait_until(lambda: plan(daemon, "loans", "cancelled"), LIMIT, "the plan is cancelled")
        assert daemon.stop()[0] == 0
    assert "meanwhile" in str(found["reason"])
    assert names(service) == "2"


def test_what_is_long_over_when_it_is_seen_is_told_once_and_nothing_is_tried(tmp_path: Path) -> None:
    service = Service(tmp_path, "loans")
    service.clock -= 3 * 3600
    matrix.damaged_weights(service)
    with folder(tmp_path, ACCEPTED, service).start() as daemon:
        found = daemon.wait_until(lambda: incident(daemon, "loans"), LIMIT, "an incident is told")
        whole = daemon.wait_until(lambda: _evaluated(daemon), LIMIT, "all windows are evaluated")
        daemon.wait_until(lambda: "monitoring was out" in daemon.log.read_text(), LIMIT, "it is told")
        assert daemon.stop()[0] == 0
    assert whole
    assert found["plan"] is None
    told = [json.loads(line) for line in daemon.log.read_text().splitlines() if line.startswith("{")]
    late = [news["text"] for each in told for news in each["news"] if "monitoring was out" in news["text"]]
    assert len(late) == 1
    assert names(service) == "2"


def _evaluated(daemon: Daemon) -> bool:
    """Whether the log's last but one window is evaluated (the last one stays open: its end was not passed)."""
    return len(listed(daemon.json("/api/v1/windows?model=loans&limit=60"), "windows")) >= WINDOWS - 2


def test_a_canary_that_is_worse_than_the_stable_version_is_aborted(tmp_path: Path) -> None:
    scenario = replace(ACCEPTED, version=', version: "2"')
    service = Service(tmp_path, "loans")
    service.place("1", GOOD)
    service.place("2", DAMAGED, meant=ALIKE)
    (service.models / "current").unlink()
    (service.models / "current").symlink_to("1")
    service.serve(10, "1", rows=500)
    service.serve(24, {"1": 0.7, "2": 0.3}, rows=700)
    script = tmp_path / "abort"
    script.write_text('#!/bin/sh\necho "$WATCHTOWER_ACTION $WATCHTOWER_CANARY $WATCHTOWER_STABLE $WATCHTOWER_KEY" >>aborted\n')
    script.chmod(0o755)
    target = "{kind: command, current: [readlink, models/loans/current], switch: [/bin/false], abort: [./abort]}"
    more = [("{kind: directory, path: models/loans}, approval: none", f"{target}, accept_race: true, approval: none")]
    with folder(tmp_path, scenario, service, more=more).start() as daemon:
        found = daemon.wait_until(lambda: plan(daemon, "loans", "verifying", "held", "failed", "cancelled"), LIMIT, "the plan is decided")
        assert (found["step"], found["verdict"], found["diagnosis"], found["live"], found["candidate"]) == (
            *("verifying", "accept", "model_regression", "2", "1"),
        ), found["reason"]
        service.lines.clear()
        service.serve(6, "1")
        appended(tmp_path, service)
        ended = daemon.wait_until(lambda: plan(daemon, "loans", "rolled_back"), LIMIT, "the traffic shows it")
        decisions = daemon.get("/metrics")
        assert daemon.stop()[0] == 0
    assert "canary 2 has no traffic any more" in str(ended["reason"]) + daemon.log.read_text()
    assert decisions is not None
    assert 'watchtower_decisions_total{model="loans",decision="abort"} 1' in decisions[1] or 'decision="abort",model="loans"} 1' in decisions[1]
    assert (tmp_path / "aborted").read_text().split()[:3] == ["abort", "2", "1"]
    assert len((tmp_path / "aborted").read_text().splitlines()) == 1


def test_mirrored_answers_are_evidence_where_the_candidate_cannot_be_run_again(tmp_path: Path) -> None:
    scenario = replace(ACCEPTED, rules=(matrix.ACCURACY,), labelled=True)
    service = Service(tmp_path, "loans")
    service.place("1", GOOD, labels=False)
    service.place("2", DAMAGED, labels=False, meant=ALIKE)
    from tests.scenarios.world import everything

    service.serve(6, "1", labelled=everything)
    service.serve(28, "2", labelled=everything, mirror="1")
    (service.models / "1" / "model.onnx").unlink()
    with folder(tmp_path, scenario, service, labels=LABELS).start() as daemon:
        found = daemon.wait_until(lambda: plan(daemon, "loans", "verifying", "held"), LIMIT, "the plan is decided")
        assert daemon.stop()[0] == 0
    assert found["verdict"] == "accept", found["reason"]
