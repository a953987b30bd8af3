"""The line runs without the extras; who needs one is told the command that installs it."""

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from tests.end_to_end.running import COMMAND, environment, write_rules
from watchtower.programs.demo.files import Folder

EXTRAS = ("onnxruntime", "onnx", "evidently", "pandas", "grafana_foundation_sdk", "matplotlib", "polars", "confluent_kafka", "httpx", "hypothesis", "pytest")
BLOCKER = f"""\
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""
"""What Python runs at its start (sitecustomize), in the daemon's children too."""


class Run(Protocol):
    """Runs one command in *folder*."""

    def __call__(self, *words: str, folder: Path) -> subprocess.CompletedProcess[str]: ...


SETTINGS = """\
source: {kind: file, path: predictions.jsonl, format: {kind: watchtower_json}}
window: {size: 10s, lateness: 1s}
models:
  fraud:
    features: {amount: numeric, country: categorical}
    prediction: {kind: probability, positive: 1}
    reference: {kind: file, path: "references/{version}.csv"}
    healthy: ["1"]
    artifacts: {kind: directory, path: models/fraud}
    rollback: {target: {kind: directory, path: models/fraud}, approval: none}
notifiers: {terminal: {kind: log}}
server: {listen: "127.0.0.1:0"}
"""
RULE = "{name: Drift, model: fraud, when: {kind: above, measure: drift.psi, feature: '*', value: 0.2}, respond: [rollback]}"


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`watchtower` where none of the extras can be imported."""
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(BLOCKER)
    known = environment()
    without = {**known, "PYTHONPATH": os.pathsep.join([str(site), known["PYTHONPATH"]])}
    refused = subprocess.run([sys.executable, "-P", "-c", "import onnxruntime"], env=without, capture_output=True, check=False)
    assert refused.returncode == 1

    def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*COMMAND, *words], cwd=folder, env=without, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Settings, a rule, a reference and a log whose amounts drift under version 2."""
    draw = random.Random(1)
    (tmp_path / "watchtower.yaml").write_text(SETTINGS)
    write_rules(tmp_path, [RULE])
    (tmp_path / "references").mkdir()
    rows = "".join(f"{draw.lognormvariate(3, 1):.3f},{draw.choice(('DE', 'FR'))},{draw.random():.3f},{draw.randrange(2)}\n" for _ in range(2000))
    for version in ("1", "2"):
        (tmp_path / "references" / f"{version}.csv").write_text(f"amount,country,prediction,label\n{rows}")
        (tmp_path / "models" / "fraud" / version).mkdir(parents=True)
        (tmp_path / "models" / "fraud" / version / "model.onnx").write_bytes(b"not looked at")
    (tmp_path / "models" / "fraud" / "current").symlink_to("2")
    start = datetime(2026, 11, 20, tzinfo=UTC)
    with (tmp_path / "predictions.jsonl").open("w") as log:
        for number in range(6000):
            moved = number >= 2000
            features = {"amount": draw.lognormvariate(5 if moved else 3, 1), "country": draw.choice(("DE", "FR"))}
            moment = (start + timedelta(milliseconds=10 * number)).isoformat()
            log.write(
                json.dumps(
                    {"model": "fraud", "version": "2" if moved else "1", "time": moment, "features": features, "prediction": draw.random(), "latency_ms": 4.0}
                )
                + "\n"
            )
    return tmp_path


def test_check_and_replay_do_without_the_extras(light: Run, folder: Path) -> None:
    assert light("check", folder=folder).returncode == 0, light("check", folder=folder).stderr
    done = light("replay", "predictions.jsonl", "--json", folder=folder)
    assert done.returncode == 10, done.stderr
    lines = [json.loads(each) for each in done.stdout.splitlines()]
    assert {each["subject"] for each in lines if each["type"] == "alert" and each["state"] == "firing"} == {"amount"}
    assert lines[-1]["predictions"] == 6000


def test_a_trial_without_onnxruntime_is_broken_and_names_the_command(light: Run, folder: Path) -> None:
    done = light("replay", "predictions.jsonl", "--trial", "--json", folder=folder)
    assert done.returncode == 10, done.stderr
    held = [each for each in map(json.loads, done.stdout.splitlines()) if each["type"] == "decision" and each["decision"] == "hold"]
    assert [each["verdict"] for each in held] == ["broken"]
    assert "pip install" in held[0]["reason"]
    assert "watchtower-ml[shadow]" in held[0]["reason"]


@pytest.mark.parametrize(("words", "extra"), [(("dashboards", "out"), "watchtower-ml[dashboards]"), (("demo", "--folder", "demo-run"), "watchtower-ml[all]")])
def test_a_command_that_needs_an_extra_names_the_command_that_installs_it(light: Run, tmp_path: Path, words: tuple[str, ...], extra: str) -> None:
    done = light(*words, folder=tmp_path)
    assert done.returncode == 1
    assert "pip install" in done.stderr
    assert extra in done.stderr
    assert "Traceback" not in done.stderr
    assert not Folder(tmp_path / "demo-run").settings.exists()
