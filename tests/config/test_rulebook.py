"""Rules: all of them, or every problem at once."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.config.folder import RULE, SOURCE, problems, written
from watchtower.config.reader import read_settings
from watchtower.config.rulebook import RuleFolder, read_rules
from watchtower.nouns.errors import ConfigError

MINUTE = timedelta(minutes=1)


def rule(when: str, more: str = "", name: str = "A") -> str:
    """A rule file with one rule, `when` on line 4 and *more* on line 5."""
    return f"rules:\n  - name: {name}\n    model: fraud\n    when: {when}\n    {more}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (rule("{kind: abov, measure: drift.psi, value: 1}"), "4:18: unknown condition kind 'abov'; did you mean 'above'?"),
        (rule("{kind: above, measure: drift.ps, value: 1}"), "4:34: unknown measure 'drift.ps' (did you mean drift.psi?)"),
        (rule("{kind: above, measure: psi, value: 1}"), "4:34: measure: 'psi' is no measure: expected <family>.<name>"),
        (rule("{kind: above, measure: drift.psi}"), "4:11: 'value' is missing"),
        (rule("{kind: above, measure: drift.psi, value: high}"), "4:52: value: expected a valid number"),
        (rule("{kind: above, measure: drift.psi, value: 1, signifcance: 0.1}"), "4:55: unknown key 'signifcance'; did you mean 'significance'?"),
        (rule("{kind: above, measure: latency.p99, value: 1, significance: 0.1}"), "4:71: latency.p99 has no p-value to be significant"),
        (rule("{kind: above, measure: drift.psi, value: 1}", "hold: long"), "5:11: hold: 'long'"),
        (rule("{kind: above, measure: drift.psi, value: 1}", "hold: 0 windows"), "5:11: hold: at least 1 window; 1 window fires at once"),
        (rule("{kind: above, measure: drift.psi, value: 1}", "keep_firing: at least 5 rows"), "5:18: keep_firing: rows do not say how long"),
        (rule("{kind: above, measure: drift.psi, value: 1}", "severity: pag"), "5:15: severity: expected 'info', 'warn' or 'page'; did you mean 'page'?"),
        (
            rule("{kind: above, measure: drift.psi, value: 1}", "respond: [rolback]"),
            "5:15: expected 'shadow', 'rollback' or 'retrain'; did you mean 'rollback'?",
        ),
        (rule("{kind: above, measure: drift.psi, value: 1}", "notify: [b]"), "5:14: unknown notifier 'b'; known notifiers: "),
        (rule("{kind: above, measure: drift.psi, value: 1}", "notfy: [b]"), "5:5: unknown key 'notfy'; did you mean 'notify'?"),
        (rule("{kind: above, measure: drift.psi, value: auto}"), "4:11: when: value: auto needs a budget; say false_alarms: 1 per 30d"),
        (rule("{kind: above, measure: drift.psi, value: 1, false_alarms: 1 per 30d}"), "4:11: when: false_alarms: is what value: auto is calibrated to"),
        (rule("{kind: above, measure: drift.psi, value: auto, false_alarms: often}"), "4:72: false_alarms: 'often'"),
        (
            rule("{kind: share_of, value: 0.5, of: {kind: above, measure: drift.psi, value: auto, false_alarms: 1 per 30d}}"),
            "4:85: value: auto stands inside another condition; write a number here",
        ),
        (rule("{kind: any_of, of: [{kind: above, measure: drift.ps, value: 1}]}"), "4:54: unknown measure 'drift.ps' (did you mean drift.psi?)"),
        (rule("{kind: any_of, of: [{kind: abov, measure: drift.psi, value: 1}]}"), "4:38: unknown condition kind 'abov'; did you mean 'above'?"),
        (rule("{kind: all_of, of: [{kind: above, measure: latency.p99, value: 1, significance: 0.1}]}"), "4:91: latency.p99 has no p-value to be significant"),
        (rule("{kind: all_of, of: []}"), "4:30: of: "),
        (rule("{kind: change, measure: drift.psi}"), "4:11: when: say by: (in the score's unit) or ratio: (a share of what it was), one of them"),
        (rule("{kind: burn_rate, measure: latency.p99, objective: 0.9, long: 1h, short: 5m, factor: 2}"), "4:11: when: latency.p99 is no share of good or bad"),
        ("rules:\n  - {model: fraud}\n", "2:5: 'name' is missing"),
        ("rules: {}\n", "1:8: a rule file is a mapping with a list of rules"),
        ("- name: A\n", "1:1: a rule file is a mapping with a list of rules"),
        ("rules: []\ngroups: []\n", "2:1: unknown key 'groups'; a rule file has only rules:"),
    ],
)
def test_a_problem_says_what_and_what_instead(tmp_path: Path, text: str, problem: str) -> None:
    found = problems(written(tmp_path, SOURCE, fraud=text))
    assert any(each.startswith(f"rules/fraud.yaml:{problem}") for each in found), found


def test_problems_of_settings_and_rules_come_together(tmp_path: Path) -> None:
    found = problems(written(tmp_path, SOURCE + "windw: {}\n", a=rule("{kind: abov}"), b=rule("{kind: above, measure: drift.ps, valu: 1}", name="B")))
    assert [each.partition(": ")[0] for each in found] == [
        "watchtower.yaml:2:1",
        "rules/a.yaml:4:18",
        "rules/b.yaml:4:11",
        "rules/b.yaml:4:34",
        "rules/b.yaml:4:44",
    ]


def test_a_name_that_stands_twice_is_told_at_both_places(tmp_path: Path) -> None:
    assert problems(written(tmp_path, SOURCE, a=RULE, b=RULE)) == [
        "rules/a.yaml:3:11: rule 'Slow' stands twice; the other is at rules/b.yaml:3:11: give one another name",
        "rules/b.yaml:3:11: rule 'Slow' stands twice; the other is at rules/a.yaml:3:11: give one another name",
    ]


def test_rules_are_read_from_folders_below_without_tests_and_hidden_copies(tmp_path: Path) -> None:
    for name in ("a.yaml", "team/b.yml", "team/b.test.yaml", "..data/a.yaml", ".c.yaml", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(RULE.replace("Slow", name))
    assert [str(file.relative_to(tmp_path)) for file in RuleFolder(tmp_path).files()] == ["a.yaml", "team/b.yml"]
    assert {each.name for each in read_rules([tmp_path], MINUTE).rules} == {"a.yaml", "team/b.yml"}


def test_one_file_may_stand_for_the_folder(tmp_path: Path) -> None:
    path = written(tmp_path, SOURCE + "rules: rules/a.yaml\n", a=RULE, b=RULE)
    assert [each.name for each in read_settings(path).book.rules] == ["Slow"]


def test_the_book_knows_the_window_and_what_notify_left_out_means(tmp_path: Path) -> None:
    settings = SOURCE + "window: {size: 5m}\nnotifiers: {a: {kind: log}, b: {kind: log}}\n"
    book = read_settings(written(tmp_path, settings, fraud=RULE)).book
    assert (book.size, book.notifiers) == (timedelta(minutes=5), ("a", "b"))


def test_the_digest_changes_with_any_rule_file_and_with_nothing_else(tmp_path: Path) -> None:
    digest = read_settings(written(tmp_path, SOURCE, fraud=RULE)).book.digest
    assert read_settings(written(tmp_path, SOURCE + "window: {size: 5m}\n", fraud=RULE)).book.digest == digest
    assert read_settings(written(tmp_path, SOURCE, fraud=RULE.replace("0.5", "0.6"))).book.digest != digest


def test_rules_alone_may_name_any_notifier(tmp_path: Path) -> None:
    file = tmp_path / "fraud.yaml"
    file.write_text(RULE + "    notify: [anybody]\n")
    assert read_rules([file], MINUTE).rules[0].notify == ("anybody",)
    with pytest.raises(ConfigError, match="unknown notifier 'anybody'; known notifiers: none"):
        read_rules([file], MINUTE, ())


def test_an_empty_rule_file_has_no_rules(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert read_rules([tmp_path], MINUTE).rules == ()


def test_the_rules_that_come_with_watchtower_have_no_problem() -> None:
    folder = Path(__file__).parents[2] / "rules"
    assert read_rules([folder], MINUTE).rules
