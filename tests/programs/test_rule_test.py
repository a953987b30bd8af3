"""Rule unit tests: conditions that look back, that stand inside each other, and bounds that are calibrated."""

from pathlib import Path

import pytest

from watchtower.nouns.errors import ConfigError
from watchtower.programs.rule_test import run_file

RULES = """
rules:
  - {name: Sum, model: "*", when: {kind: cumulative, measure: latency.p99, target: 1.0, slack: 0.0, value: 1.5}}
  - {name: Moved, model: "*", when: {kind: change, measure: traffic.rate, ratio: 0.5, against: 2 windows}}
  - {name: Half, model: "*", when: {kind: share_of, value: 0.5, of: {kind: above, measure: drift.psi, value: 0.2}}}
  - name: Both
    model: "*"
    hold: 2 windows
    when: {kind: all_of, of: [{kind: above, measure: drift.psi, value: 0.2}, {kind: above, measure: latency.p99, value: 1.6}]}
  - {name: Auto, model: "*", when: {kind: above, measure: drift.psi, value: auto, false_alarms: 1 per 30d}}
"""
TESTS = """
rules: r.yaml
window: 1m
tests:
  - name: what looks back sees the windows before
    scores:
      latency.p99: {"": "1.0 1.7 1.7 1.7 1.0"}
      traffic.rate: {"": "10x2 4 4x2"}
      drift.psi: {a: "0.1x2 0.3x2 0.1", b: "0.1x5", c: "_x5"}
    expect:
      2: {"Sum[]": inactive, "Moved[]": inactive, "Both[a]": inactive}
      3: {"Sum[]": inactive, "Moved[]": firing, "Half[]": firing, "Both[a]": pending, "Both[b]": inactive}
      4: {"Sum[]": firing, "Moved[]": resolved, "Both[a]": firing}
      5: {"Sum[]": firing, "Moved[]": inactive, "Half[]": resolved, "Both[a]": resolved, "Auto[a]": inactive}
"""


def written(folder: Path, tests: str, rules: str = RULES) -> Path:
    (folder / "r.yaml").write_text(rules)
    path = folder / "r.test.yaml"
    path.write_text(tests)
    return path


def test_conditions_with_history_and_inside_each_other(tmp_path: Path) -> None:
    ran, failures = run_file(written(tmp_path, TESTS))
    assert (ran, [str(each) for each in failures]) == (1, [])


def test_a_wrong_expectation_is_told_with_its_window(tmp_path: Path) -> None:
    _, failures = run_file(written(tmp_path, TESTS.replace('4: {"Sum[]": firing', '4: {"Sum[]": inactive')))
    assert any("window 4: Sum[] is firing, expected inactive" in str(each) for each in failures)


def test_a_rule_that_cannot_be_read_names_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"r\.yaml:9:114: unknown key 'valu'; did you mean 'value'"):
        run_file(written(tmp_path, TESTS, RULES.replace("latency.p99, value: 1.6", "latency.p99, valu: 1.6")))
