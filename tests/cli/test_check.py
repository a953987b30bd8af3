"""`watchtower check`."""

import json
from pathlib import Path

import pytest

from tests.cli.test_main import told
from tests.config.folder import RULE, SOURCE, written
from tests.config.test_reader import FIVE
from watchtower.edges.clock import Clock
from watchtower.store import Store

TARGET = "models: {fraud: {artifacts: {kind: directory, path: m}, rollback: {target: {kind: directory, path: m}}}}\n"


def test_settings_without_a_problem_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, SOURCE, fraud=RULE)
    assert told(["check", "-c", str(path)], capsys) == (0, f"{path}: 1 source, 0 models, 1 rule, 0 notifiers; 0 warnings\n", "")


def test_every_problem_is_a_line_of_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, FIVE, fraud=RULE)
    monkeypatch.chdir(tmp_path)
    code, out, err = told(["check"], capsys)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 6
    assert err.startswith("watchtower.yaml:1:9: 'format' is missing\n")


def test_warnings_leave_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, SOURCE + "models: {credit: {}}\n", fraud=RULE)
    monkeypatch.chdir(tmp_path)
    code, out, err = told(["check"], capsys)
    assert code == 0
    assert out.endswith("; 1 warning\n")
    assert err == "rules/fraud.yaml:4:12: warning: no configured model matches 'fraud'; models: credit\n"


def test_json_has_the_places_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, FIVE, fraud=RULE)
    monkeypatch.chdir(tmp_path)
    code, out, err = told(["check", "--json"], capsys)
    assert (code, err) == (1, "")
    assert json.loads(out)["problems"][1] == {
        "file": "watchtower.yaml",
        "line": 1,
        "column": 39,
        "what": "unknown key 'formt'",
        "advice": "did you mean 'format'?",
    }


def test_connect_tries_what_is_outside_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, SOURCE + TARGET + "notifiers: {a: {kind: log}}\n", fraud=RULE)
    (tmp_path / "m" / "7").mkdir(parents=True)
    (tmp_path / "m" / "current").symlink_to("7")
    (tmp_path / "log.jsonl").write_text("{}\n")
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = told(["check", "--connect", "-c", str(path)], capsys)
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()[1:]] == [
        "reached source file",
        "reached store",
        "reached notifier a",
        "reached artifacts of fraud",
        "reached target of fraud",
    ]
    assert "source file: 3 bytes" in out
    assert "target of fraud: it names 7" in out
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("healthy", "code", "said"),
    [
        ("['6']", 0, "reached target of fraud: it names 7; going back to 6 would work"),
        ("['5', '7']", 1, "FAILED  target of fraud: it names 7, and going back to 5 would fail: {m} has no folder for version '5': nothing was switched"),
    ],
)
def test_connect_asks_a_target_whether_going_back_would_work(tmp_path: Path, capsys: pytest.CaptureFixture[str], healthy: str, code: int, said: str) -> None:
    path = written(tmp_path, SOURCE + TARGET.replace("{fraud: {", f"{{fraud: {{healthy: {healthy}, "), fraud=RULE)
    for version in ("6", "7"):
        (tmp_path / "m" / version).mkdir(parents=True)
    (tmp_path / "m" / "current").symlink_to("7")
    (tmp_path / "log.jsonl").write_text("{}\n")
    before = sorted(tmp_path.rglob("*"))
    found, out, _ = told(["check", "--connect", "-c", str(path)], capsys)
    assert (found, said.format(m=tmp_path / "m") in out) == (code, True)
    assert sorted(tmp_path.rglob("*")) == before


def test_connect_looks_into_a_store_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, SOURCE, fraud=RULE)
    Store.open(f"sqlite:///{tmp_path}/watchtower.db", now=Clock().now).close()
    assert "reached store: it can be read" in told(["check", "--connect", "-c", str(path)], capsys)[1]


def test_what_cannot_be_reached_exits_1_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kafka = 'source: {kind: kafka, brokers: ["127.0.0.1:1"], topic: t, format: {kind: watchtower_json}}\n'
    code, out, _ = told(["check", "--connect", "--json", "-c", str(written(tmp_path, kafka, fraud=RULE))], capsys)
    assert code == 1
    first = json.loads(out)["connections"][0]
    assert (first["what"], first["fine"]) == ("source kafka", False)
    assert "no Kafka broker answers (127.0.0.1:1: " in first["said"]
