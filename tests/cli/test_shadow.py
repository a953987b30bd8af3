"""`watchtower shadow` as a gate: the real command, over the store of a daemon that ran, and of one that runs."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.end_to_end.running import Daemon, free_port, watchtower
from tests.runners.models import logistic, placed
from watchtower.cli.main import main
from watchtower.config.reader import read_settings
from watchtower.edges.clock import Clock
from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.evidence import Diagnosis, Judgement, Verdict
from watchtower.nouns.memory import Memory, Served
from watchtower.programs.junit import junit, parts
from watchtower.programs.shadow import Asked, Shadow, Shadowed
from watchtower.store import Store

pytest.importorskip("onnxruntime")
TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
GOOD, BAD = [2.0, -1.0], [-1.0, 2.0]
MINUTES, ROWS = 6, 150
SETTINGS = """
source: {{kind: file, path: log.jsonl, format: {{kind: watchtower_json}}}}
store: {{url: "sqlite:///store.db"}}
rules: rules/
window: {{size: 1m, lateness: 1s}}
server: {{listen: "127.0.0.1:{port}"}}
models:
  fraud: &model
    features: {{amount: numeric, age: numeric}}
    prediction: {{kind: probability}}
    reference: {{kind: file, path: "references/fraud/{{version}}.jsonl"}}
    artifacts: {{kind: directory, path: models}}
    shadow: {{device: cpu}}
  plain:
    <<: *model
    reference: {{kind: file, path: "references/plain/{{version}}.jsonl"}}
"""


def probability(weights: list[float], x: np.ndarray) -> np.ndarray:
    logit = x.astype(np.float32) @ np.array(weights, dtype=np.float32)
    return 1 / (1 + np.exp(-logit.astype(np.float64)))


def laid(folder: Path, port: int) -> None:
    """Version 2 serves two models, of which only one has labelled reference rows; 1 is better, 3 as bad, and there is no 9."""
    rng = np.random.default_rng(6)
    for version, weights in (("1", GOOD), ("2", BAD), ("3", [-1.02, 2.05])):
        placed(folder / "models", version, logistic(weights))
    x = rng.normal(0, 1, (3_000, 2))
    y = rng.random(3_000) < probability(GOOD, x)
    for model in ("fraud", "plain"):
        (folder / "references" / model).mkdir(parents=True)
        rows = [
            {"amount": a, "age": b, "prediction": p} | ({"label": int(label)} if model == "fraud" else {})
            for (a, b), p, label in zip(x.tolist(), probability(BAD, x).tolist(), y.tolist(), strict=True)
        ]
        (folder / "references" / model / "2.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    served = rng.normal(0, 1, (MINUTES * ROWS, 2))
    answers = probability(BAD, served)
    with (folder / "log.jsonl").open("w") as log:
        for i, ((a, b), p) in enumerate(zip(served.tolist(), answers.tolist(), strict=True)):
            when = TEN + i * timedelta(minutes=1) / ROWS
            for model in ("fraud", "plain"):
                row = {"model": model, "version": "2", "id": f"{model}-{i}", "time": when.isoformat(), "features": {"amount": a, "age": b}, "prediction": p}
                log.write(json.dumps(row) + "\n")
    (folder / "rules").mkdir()
    (folder / "rules" / "none.yaml").write_text("rules: []\n")
    (folder / "watchtower.yaml").write_text(SETTINGS.format(port=port))


def evaluated(folder: Path) -> bool:
    """Whether all but the last minute are."""
    try:
        store = Store.open(f"sqlite:///{folder / 'store.db'}", read_only=True, now=Clock().now)
    except Unavailable:
        return False
    try:
        through = [store.evaluations.memory(model).evaluated_through for model in ("fraud", "plain")]
        return all(each is not None and each >= TEN + (MINUTES - 1) * timedelta(minutes=1) for each in through)
    finally:
        store.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store that a daemon wrote; it still runs."""
    there, port = tmp_path_factory.mktemp("shadow"), free_port()
    laid(there, port)
    with Daemon(there, port) as daemon:
        daemon.start()
        daemon.wait_until(lambda: evaluated(there), 60, "five minutes are evaluated")
        yield there


def asked(folder: Path, *words: str) -> int:
    """The exit code of the command in this process."""
    with pytest.raises(SystemExit) as ended:
        main(["shadow", *words, "-c", str(folder / "watchtower.yaml")])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_better_version_passes_beside_a_running_daemon_and_the_contract_names_every_key(folder: Path) -> None:
    done = watchtower("shadow", "fraud", "--candidate", "1", "--json", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert {*found} == {"model", "live", "candidate", "verdict", "diagnosis", "reason", "rows", "providers", "evidence"}
    assert [found[key] for key in ("model", "live", "candidate", "verdict", "diagnosis")] == ["fraud", "2", "1", "accept", "model_regression"]
    assert (found["rows"], found["providers"]) == ((MINUTES - 1) * ROWS, {"live": "CPUExecutionProvider", "candidate": "CPUExecutionProvider"})
    assert found["reason"].startswith("candidate error 0.")
    assert {"labels", "reference", "invalid", "speed", "predictions"} & {*found["evidence"]["candidates"]["1"]} == {
        "reference",
        "invalid",
        "speed",
        "predictions",
    }


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["fraud", "--candidate", "3"], 10, "REJECT"),
        (["plain", "--candidate", "1"], 11, "nothing is labelled, and different is not worse"),
        (["fraud", "--candidate", "9"], 12, "9/model.onnx is missing"),
        (["fraud", "--candidate", "1", "--live", "2", "--device", "cpu", "--since", "2m", "--rows", "200"], 0, " rows of 2 windows"),
    ],
)
def test_the_exit_code_is_the_verdict(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str) -> None:
    assert asked(folder, *words) == code
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["fraud", "--candidate", "2"], 1, "version 2 is live: it cannot be compared with itself"),
        (["nobody", "--candidate", "1"], 1, "nothing of 'nobody' was evaluated yet"),
        (["fraud", "--candidate", "1", "--live", "8"], 1, "no stored window has rows of version 8"),
        (["fraud", "--candidate", "1", "--since", "yesterday"], 1, "'yesterday' is no time and no duration"),
        (["fraud", "--candidate", "1", "--device", "tpu"], 64, "tpu"),
        (["fraud"], 64, "--candidate"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str) -> None:
    assert asked(folder, *words) == code
    assert says in capsys.readouterr().err


def test_a_log_that_is_gone_is_told_once(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    copied = shutil.copytree(folder, tmp_path / "copied")
    (copied / "log.jsonl").unlink()
    assert asked(copied, "plain", "--candidate", "1") == 11
    told = capfd.readouterr()
    assert "inputs expired: " in told.out
    assert "(there are no further rows)" in told.out.replace("\n", " ")
    assert "trial_rows_expired" not in told.err


def test_nothing_is_kept_of_it(folder: Path) -> None:
    store = Store.open(f"sqlite:///{folder / 'store.db'}", read_only=True, now=Clock().now)
    try:
        assert store.plans.open_plans() == []
        assert store.trials.load("shadow|2") is None
    finally:
        store.close()


def test_a_pipeline_reads_its_parts_as_junit(folder: Path, tmp_path: Path) -> None:
    for candidate, failures, errors in (("1", 0, 0), ("3", 2, 0), ("9", 0, 1)):
        asked(folder, "fraud", "--candidate", candidate, "--junit", str(tmp_path / "gate.xml"))
        root = ET.parse(tmp_path / "gate.xml").getroot()  # noqa: S314  what we wrote ourselves
        suite = root[0]
        cases = {case.get("name"): [each.tag for each in case if each.tag != "system-out"] for case in suite.iter("testcase")}
        assert [*cases] == ["integrity", "labelled rows", "labelled reference rows", "invalid outputs", "speed", "inputs", "verdict"]
        for element in (root, suite):
            assert [element.get(key) for key in ("tests", "failures", "errors")] == ["7", str(failures), str(errors)]
            assert int(element.get("skipped") or 0) == sum("skipped" in found for found in cases.values())
        assert cases["verdict"] == {"1": [], "3": ["failure"], "9": ["error"]}[candidate]
        assert {each.get("name"): each.get("value") for each in suite.iter("property")}["candidate"] == candidate


def test_what_xml_cannot_hold_is_replaced_and_the_rest_is_escaped() -> None:
    judgement = Judgement(Verdict.BROKEN, Diagnosis.UNKNOWN, 'a < b & "c" \x00\x1b]0;\ud800 ü', "1", final=True, evidence={})
    found = Shadowed("fr<aud", "2", "1", judgement, 3)
    root = ET.fromstring(junit(found, TEN, 1.5))  # noqa: S314  what we wrote ourselves
    error = root.find(".//error")
    assert error is not None
    assert error.get("message") == 'broken (unknown): a < b & "c" \ufffd\ufffd]0;\ufffd ü'
    assert (root.get("name"), root[0].get("timestamp"), root.get("time")) == ("watchtower shadow fr<aud", "2026-11-20T10:00:00", "1.500")


def test_a_ground_that_another_one_outranks_does_not_fail_an_open_gate() -> None:
    grounds = {"labels": {"reason": "better", "accepts": True}, "reference": {"reason": "no better", "rejects": True}}
    accepted = Judgement(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "better", "1", final=True, evidence={"candidates": {"1": grounds}})
    outcomes = {each.name: each.outcome for each in parts(Shadowed("fraud", "2", "1", accepted, 3))}
    assert (outcomes["labelled rows"], outcomes["labelled reference rows"], outcomes["verdict"]) == ("passed", "skipped", "passed")


def test_while_an_alert_fires_on_what_serves_only_rows_since_then_are_paired_with_labels(folder: Path) -> None:
    """Those before are selected for its bad luck; another version's rows are not."""
    (folder / "rules" / "slow.yaml").write_text("rules: [{name: Slow, model: fraud, when: {kind: above, measure: latency.p50, value: 1}}]\n")
    loaded = read_settings(folder / "watchtower.yaml")
    fired = Alert(AlertId("Slow", "fraud", "", ""), "2", AlertState.FIRING, TEN, fired_at=TEN + timedelta(minutes=3))
    memory = Memory("fraud", (fired, replace(fired, state=AlertState.PENDING, fired_at=None)), served=Served(live="2"))
    store = Store.open("sqlite://", now=Clock().now)
    try:
        of = Shadow(loaded, store, Asked("fraud", "1"))
        assert of._plan(memory, "2", TEN).opened_at == TEN + timedelta(minutes=3)
        assert of._plan(memory, "2", TEN).fired == (("Slow", "latency.p50"),)
        assert of._plan(memory, "2", TEN + timedelta(minutes=4)).opened_at == TEN + timedelta(minutes=4)
        assert (of._plan(memory, "3", TEN).opened_at, of._plan(memory, "3", TEN).fired) == (TEN, ())
    finally:
        store.close()
        (folder / "rules" / "slow.yaml").unlink()
