"""Warnings about slow scores."""

from pathlib import Path

import pytest

from watchtower.config.reader import read_settings

SOURCE = "source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}\n"
ARTIFACTS = "artifacts: {kind: directory, path: models}"
FILE = "reference: {kind: file, path: r.jsonl}"


def warnings(folder: Path, model: str, measure: str, more: str = "") -> list[str]:
    """Of one rule on *measure* of model fraud."""
    (folder / "watchtower.yaml").write_text(f"{SOURCE}models: {{fraud: {{{model}}}}}\n")
    (folder / "rules").mkdir()
    (folder / "rules" / "r.yaml").write_text(
        f"rules:\n  - {{name: A, model: fraud, when: {{kind: below, measure: {measure}, value: 0.5, min_rows: 50}}{more}}}\n"
    )
    return [str(each) for each in read_settings(folder / "watchtower.yaml").warnings]


@pytest.mark.parametrize(
    ("model", "measure", "more", "says"),
    [
        ("", "importance.ndcg", "", "importance.ndcg runs versions again, and model 'fraud' has no artifacts"),
        (FILE, "drift.weighted", "", "or importance: {feature: weight}"),
        (ARTIFACTS, "estimated.f1", "", "estimated.f1 needs labelled reference rows, and model 'fraud' has no reference file"),
        ("segments: [country]", "drift.energy", ", segment: country=*", "drift.energy looks at the live version's whole: rule 'A' never fires for country=*"),
    ],
)
def test_what_slow_scores_lack_is_said(tmp_path: Path, model: str, measure: str, more: str, says: str) -> None:
    found = warnings(tmp_path, model, measure, more)
    assert any(says in each for each in found), found


@pytest.mark.parametrize(
    ("model", "measure"),
    [
        ("", "drift.domain_classifier"),
        ("importance: {amount: 2}", "drift.weighted"),
        (f"{ARTIFACTS}, {FILE}", "estimated.roc_auc"),
        (ARTIFACTS, "importance.ndcg"),
    ],
)
def test_what_can_be_had_is_not_warned_of(tmp_path: Path, model: str, measure: str) -> None:
    assert warnings(tmp_path, model, measure) == []
