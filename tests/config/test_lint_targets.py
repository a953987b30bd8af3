"""What `check` says of targets: races, and what each kind cautions about, at its key."""

from pathlib import Path

import pytest

from tests.config.folder import RULE, SOURCE, problems, warnings, written

MODEL = "models: {fraud: {artifacts: {kind: directory, path: m}, rollback: {target: %s%s}}}\n"
COMMAND = "{kind: command, current: [echo], switch: [sh, -c, 'exit 1', '{version}']}"
WEBHOOK = "{kind: webhook, url: 'http://deploy.internal/switch', current_url: 'https://deploy.internal/live', secret: x%s}"
TRITON = "{kind: triton, url: 'http://127.0.0.1:8000'}"


@pytest.mark.parametrize("target", [COMMAND, WEBHOOK % "", TRITON])
def test_targets_without_compare_and_set_need_a_person_or_somebody_who_accepts_the_race(tmp_path: Path, target: str) -> None:
    path = written(tmp_path, SOURCE + MODEL % (target, ""), fraud=RULE)
    kind = target.partition(",")[0].removeprefix("{kind: ")
    said = f"target {kind} has no compare-and-set: it could undo a deployment of somebody else; set approval: required, or accept_race: true"
    assert [problem.partition(": ")[2] for problem in problems(path)] == [said]


@pytest.mark.parametrize("more", [", approval: required", ", accept_race: true"])
@pytest.mark.parametrize("target", [COMMAND, WEBHOOK % "", TRITON])
def test_with_either_they_are_accepted(tmp_path: Path, target: str, more: str) -> None:
    assert "compare-and-set" not in "".join(warnings(written(tmp_path, SOURCE + MODEL % (target, more), fraud=RULE)))


@pytest.mark.parametrize(
    "target",
    [COMMAND.replace("kind: command,", "kind: command, checks_expected: true,"), WEBHOOK % ", if_match: true"],
)
def test_one_that_says_that_its_far_end_refuses_has_a_compare_and_set(tmp_path: Path, target: str) -> None:
    assert "compare-and-set" not in "".join(warnings(written(tmp_path, SOURCE + MODEL % (target, ""), fraud=RULE)))


NOT_FOUND = "the daemon must find it where it runs"
READ = "http://deploy.internal is plain http beyond this machine: whoever is on the way reads it, and can change what is answered"
FORGETS = "Triton must run with --model-control-mode=explicit, and forgets a switch when it restarts: config.pbtxt decides again"


@pytest.mark.parametrize(
    ("target", "column", "what", "advice"),
    [
        ("{kind: command, current: [echo], switch: [no-such-program, '{version}']}", 117, "no-such-program is on no folder of PATH", NOT_FOUND),
        ("{kind: command, current: [echo], switch: [./go]}", 117, "go is not executable", NOT_FOUND),
        ("{kind: command, current: [echo], switch: [./none]}", 117, "none is not there", NOT_FOUND),
        (WEBHOOK % "", 97, READ, "use https, with ca_file where the certificate is your own"),
        (TRITON, 76, FORGETS, "after a rollback set version_policy there too; `watchtower check --connect` tries whether loading is allowed"),
    ],
)
def test_what_a_target_cautions_about_stands_at_its_key(tmp_path: Path, target: str, column: int, what: str, advice: str) -> None:
    path = written(tmp_path, SOURCE + MODEL % (target, ", accept_race: true"), fraud=RULE)
    (tmp_path / "go").write_text("text")
    assert warnings(path) == [f"watchtower.yaml:2:{column}: {what}; {advice}"]


def test_a_shell_string_is_refused_at_its_key(tmp_path: Path) -> None:
    target = "{kind: command, current: [echo], switch: kubectl rollout undo deployment/fraud}"
    (said,) = problems(written(tmp_path, SOURCE + MODEL % (target, ", accept_race: true"), fraud=RULE))
    assert said.startswith("watchtower.yaml:2:")
    assert "'kubectl rollout undo deployment/fraud' is a string, and no shell is asked" in said
