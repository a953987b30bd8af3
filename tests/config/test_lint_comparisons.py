"""Conditions that compare, and never can."""

from pathlib import Path

import pytest

from tests.config.folder import SOURCE, warnings, written


def said(folder: Path, condition: str) -> list[str]:
    rule = "rules:\n  - {name: R, model: fraud, when: {" + condition + "}}\n"
    return warnings(written(folder, SOURCE + "models: {fraud: {}}\n", fraud=rule))


@pytest.mark.parametrize(
    ("condition", "warning"),
    [
        ("kind: above, measure: traffic.share, value: 0.1, relative_to: 1d", "the difference of traffic.share has no p-value, so rule 'R' never fires"),
        ("kind: below, measure: traffic.rate, value: -1, relative_to: 'version:*'", "traffic.rate is the whole model's, not a version's"),
        ("kind: above, measure: version.age, value: 9, relative_to: 1d", "version.age has nothing to be compared with"),
        ("kind: above, measure: drift.psi, value: 0.1, relative_to: 60d", "windows are kept for 30 days only, so there are none 60d ago"),
    ],
)
def test_what_never_finds_anything_is_told(tmp_path: Path, condition: str, warning: str) -> None:
    assert any(warning in each for each in said(tmp_path, condition))


@pytest.mark.parametrize(
    "condition",
    [
        "kind: above, measure: traffic.share, value: 0.1, relative_to: 1d, significance: null",
        "kind: below, measure: traffic.rate, value: -1, relative_to: 7d",
        "kind: above, measure: errors.share, value: 0.01, relative_to: {version: canary*}",
        "kind: above, measure: drift.psi, value: 0.1, relative_to: previous_window",
    ],
)
def test_what_can_be_compared_is_fine(tmp_path: Path, condition: str) -> None:
    assert said(tmp_path, condition) == []
