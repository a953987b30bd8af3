"""What is allowed and yet likely not meant."""

from pathlib import Path

import pytest

from tests.config.folder import RULE, SOURCE, problems, warnings, written
from watchtower.rollback_targets.directory import Directory

SHARE = "rules:\n  - {name: A, model: fraud, when: {kind: above, measure: errors.share, value: 0.1}}\n"
CANARY = "rules:\n  - {name: A, model: fraud, version: '*', when: {kind: above, measure: drift.psi, value: auto, false_alarms: 1 per 30d}}\n"
CUSUM = "rules:\n  - {name: A, model: fraud, over: 5 windows, when: {kind: cumulative, measure: drift.psi, target: 0, slack: 0.01, value: 1}}\n"
TWO = "rules:\n  - {name: A, model: fraud, when: {kind: all_of, of: [{kind: above, measure: drift.psi, feature: a, value: 1}, {kind: above, measure: drift.psi, feature: b, value: 1}]}}\n"  # noqa: E501  one rule
INNER = "rules:\n  - {name: A, model: fraud, when: {kind: any_of, of: [{kind: above, measure: errors.share, value: 0.1}]}}\n"
QUEUE = "rules:\n  - {name: A, model: fraud, when: {kind: above, measure: resource.queu, value: 3}}\n"
METER = "meters: [{kind: prometheus, url: 'http://localhost/metrics', metrics: {queue: depth}}]"
ROLLBACK = "rules:\n  - {name: A, model: fraud, when: {kind: above, measure: drift.psi, value: 0.2}, respond: [rollback]}\n"
RETRAIN = "    respond: [retrain]\n"
TARGET = "models: {fraud: {artifacts: {kind: directory, path: m}, rollback: {target: {kind: directory, path: m}"


@pytest.mark.parametrize(
    ("settings", "rules", "warning"),
    [
        ("", SHARE, "rules/fraud.yaml:2:35: errors.share has no p-value: a few rows can fire rule 'A'; say min_rows:, such as 200"),
        ("models: {credit: {}}", RULE, "rules/fraud.yaml:4:12: no configured model matches 'fraud'; models: credit"),
        (
            "models: {fraud: {healthy: ['6', '5'], unhealthy: ['5']}}",
            RULE,
            "watchtower.yaml:2:33: version '5' is listed healthy and unhealthy; unhealthy holds",
        ),
        ("models: {fraud: {features: {a: numeric}, segments: [a]}}", RULE, "watchtower.yaml:2:53: segment 'a' is no categorical feature of 'fraud'"),
        ("models: {fraud: {}}", ROLLBACK, "rules/fraud.yaml:2:91: model 'fraud' has no artifacts: no version can be re-run; say models: fraud: artifacts:"),
        ("models: {'*': {}}", ROLLBACK, "rules/fraud.yaml:2:91: model '*' has no rollback target: nothing can be switched"),
        (TARGET + "}}}", RULE, "watchtower.yaml:2:76: a writer of `current` that does not take .watchtower.lock can come between look and switch"),
        ("", RULE + RETRAIN, "rules/fraud.yaml:6:14: model '*' has no retrain: nobody is told that rule 'Slow' asks for it; say models: *: retrain:"),
        ("models: {fraud: {}}", RULE + RETRAIN, "rules/fraud.yaml:6:14: model 'fraud' has no retrain: nobody is told that rule 'Slow' asks for it"),
        ("models: {fraud: {retrain: {kind: log}}}", RULE, "watchtower.yaml:2:27: no rule asks for a retraining of 'fraud'; say respond: [retrain] in one"),
        ("models: {credit: {retrain: {kind: log}}}", RULE + RETRAIN, "no rule asks for a retraining of 'credit'"),
        ("models: {fraud: {retrain: {kind: log}}}", RULE + RETRAIN + "    dry_run: true\n", "no rule asks for a retraining of 'fraud'"),
        ("", CANARY, "rules/fraud.yaml:2:38: value: auto is calibrated to the live version's rows and history"),
        ("", CUSUM, "rules/fraud.yaml:2:52: cumulative adds up scores of windows that overlap, so that each counts several times; say over: 1 window"),
        ("", TWO, "all_of joins on the subject, and 'a' and 'b' are two: it never finds anything"),
        ("", RULE + "    over: 7d\n", "rules/fraud.yaml:6:11: 10,080 windows: only the last 120 are merged in this release"),
        ("", INNER, "errors.share has no p-value: a few rows can fire rule 'A'"),
        ("", QUEUE, "rules/fraud.yaml:2:35: no meter reads resource.queu: rule 'A' never fires; say under meters: {kind: prometheus, queries: …} what it is"),
        (METER, QUEUE, "no meter reads resource.queu: rule 'A' never fires; did you mean resource.queue?"),
        ("", "rules: []\n", "there are no rules, so nothing will ever fire"),
    ],
)
def test_it_says_what_is_likely_not_meant(tmp_path: Path, settings: str, rules: str, warning: str) -> None:
    found = warnings(written(tmp_path, SOURCE + settings + "\n", fraud=rules))
    assert any(warning in each for each in found), found


@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        ("", RULE),
        (METER, QUEUE.replace("queu,", "queue,")),
        ("models: {fraud: {}}", RULE),
        ("models: {'*': {}, credit: {}}", RULE),
        ("models: {fraud: {retrain: {kind: log}}}", RULE + RETRAIN),
        ("models: {'*': {retrain: {kind: log}}}", RULE + RETRAIN),
        ("", SHARE.replace("value: 0.1", "value: 0.1, min_rows: 200")),
        ("models: {fraud: {healthy: ['6'], unhealthy: ['5'], features: {c: categorical}, segments: [c]}}", RULE),
    ],
)
def test_it_says_nothing_of_what_is_fine(tmp_path: Path, settings: str, rules: str) -> None:
    assert warnings(written(tmp_path, SOURCE + settings + "\n", fraud=rules)) == []


@pytest.mark.parametrize(("more", "refused"), [("", True), (", approval: required", False), (", accept_race: true", False)])
def test_a_target_without_compare_and_set_needs_somebody_to_accept_the_race(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, *, refused: bool
) -> None:
    monkeypatch.setattr(Directory, "compare_and_set", False)
    path = written(tmp_path, SOURCE + TARGET + more + "}}}\n", fraud=RULE)
    if refused:
        said = "target directory has no compare-and-set: it could undo a deployment of somebody else; set approval: required, or accept_race: true"
        assert problems(path) == [f"watchtower.yaml:2:76: {said}"]
    else:
        assert warnings(path)
