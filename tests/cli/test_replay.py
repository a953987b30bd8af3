"""What `watchtower replay` says on a terminal."""

import json
from pathlib import Path

import pytest

from watchtower.cli.main import main

SETTINGS = """
source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}
rules: rules/
models:
  fraud:
    features: {amount: numeric}
    reference: {kind: first_windows, count: 1}
    prediction: {kind: probability}
"""
RULES = """
rules:
  - {name: Failing, model: fraud, when: {kind: above, measure: errors.share, value: 0.1, min_rows: 100}, over: 2 windows}
  - {name: Busy, model: fraud, when: {kind: above, measure: traffic.rate, value: 100}}
  - {name: Drift, model: fraud, when: {kind: above, measure: drift.psi, value: 0.2}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two windows of 300 rows, and three messages that are none."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "any.yaml").write_text(RULES)
    (tmp_path / "watchtower.yaml").write_text(SETTINGS)
    rows = [{"model": "fraud", "time": f"2026-11-20T10:0{n // 300}:{n % 60:02}Z", "features": {"amount": n % 10}, "prediction": 0.5} for n in range(600)]
    wrong = [{"model": "fraud"}, {"model": "fraud", "features": {}}, {"features": {}}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in [*rows, *wrong]))
    return tmp_path


def told(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(folder / "log.jsonl"), "-c", str(folder / "watchtower.yaml"), *words])
    assert ended.value.code == 0
    return capsys.readouterr().out.splitlines()


def test_it_says_why_messages_were_rejected(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(folder, capsys)[-1].startswith("predictions 600, rejected 3 (bad_time 1, missing_field 2), late 0, windows 2, seconds ")


def test_scores_are_told_without_json_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(folder, capsys, "--scores")
    assert "2026-11-20 10:01:00 fraud 0 traffic.rate[] 5 (n 300)" in lines
    assert "2026-11-20 10:01:00 fraud 0 drift.psi[] – reference: 0 of 1 windows" in lines
    assert "2026-11-20 10:02:00 fraud 0 drift.psi[amount] 0 (p 1, n 300)" in lines


def test_scores_are_one_object_a_line_with_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [json.loads(line)["type"] for line in told(folder, capsys, "--scores", "--json")]
    assert set(kinds[:-1]) == {"score"}
    assert kinds[-1] == "summary"
