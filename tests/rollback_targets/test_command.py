"""The command target: arguments, environment, exit codes, limits."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.rollback_targets.far_end_command import write
from tests.rollback_targets.far_ends import SECRET
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import RollbackTarget, Switch
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._hiding import HIDDEN, Hiding
from watchtower.rollback_targets.command import Command, CommandSession

TELL = (
    f"#!{sys.executable}\n"
    """import json, os, sys
names = [name for name in os.environ if name not in ("LC_CTYPE", "__CF_USER_TEXT_ENCODING")]
print(json.dumps({"argv": sys.argv[1:], "env": {name: os.environ[name] for name in names}}), file=open("told", "w"))
open("live", "w").write("1" if sys.argv[1:2] == ["1"] else "2")
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    (tmp_path / "tell").write_text(TELL)
    (tmp_path / "tell").chmod(0o755)
    return tmp_path


def session(folder: Path, **more: Any) -> CommandSession:
    fields = {"current": ["./current"], "switch": ["./switch", "{version}", "{expected}"], "folder": str(folder), "time_limit": "10s"}
    return Command.model_validate({**fields, **more}).open_for("fraud")


def told(folder: Path) -> Any:
    return json.loads((folder / "told").read_text())


@pytest.mark.parametrize("key", ["current", "switch", "ready", "abort", "dry_run"])
def test_a_shell_string_is_refused_with_the_reason(key: str) -> None:
    fields = {"current": ["a"], "switch": ["b"], key: "kubectl rollout undo {version}"}
    with pytest.raises(ValidationError, match="is a string, and no shell is asked: a version's name could smuggle a command into it; write a list"):
        Command.model_validate(fields)


@pytest.mark.parametrize("argv", [["switch", "--to={version}"], ["{version}"], ["./{model}"], ["sh", "-c", "switch {version}"]])
def test_a_place_holder_stands_alone_and_is_never_the_program(argv: list[str]) -> None:
    with pytest.raises(ValidationError, match="stands as an argument of its own, after the program"):
        Command.model_validate({"current": ["a"], "switch": argv})


@pytest.mark.parametrize("fields", [{"switch": []}, {"env": {"A": "1"}, "env_file": {"A": "b"}}, {"moved_code": 0}, {"time_limit": "0s"}, {"time_limit": "2h"}])
def test_settings_that_cannot_work_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Command.model_validate({"current": ["a"], "switch": ["b"], **fields})


def test_its_folder_is_the_settings_files(tmp_path: Path) -> None:
    target = RollbackTarget.member("command").model_validate({"current": ["a"], "switch": ["b"]}, context={"folder": tmp_path})
    assert dict(target)["folder"] == str(tmp_path)


def test_arguments_and_variables_tell_what_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "not for commands")
    monkeypatch.setenv("HOME", "/home/watchtower")
    (folder / "token").write_text("t0ken\n")
    switch = ["./tell", "{version}", "{expected}", "{model}", "{key}", "plain {braces}"]
    session(folder, switch=switch, env={"REGION": "eu"}, env_file={"TOKEN": str(folder / "token")}).switch_to("1", expected="2", key="plan-7")
    assert told(folder)["argv"] == ["1", "2", "fraud", "plan-7", "plain {braces}"]
    env = told(folder)["env"]
    assert env.pop("PATH")
    assert env == {
        "HOME": "/home/watchtower",
        "REGION": "eu",
        "TOKEN": "t0ken",
        "WATCHTOWER_ACTION": "switch",
        "WATCHTOWER_EXPECTED": "2",
        "WATCHTOWER_KEY": "plan-7",
        "WATCHTOWER_MODEL": "fraud",
        "WATCHTOWER_VERSION": "1",
    }


def test_a_secret_in_a_file_is_read_again_when_it_changes(folder: Path) -> None:
    (folder / "token").write_text("first")
    opened = session(folder, switch=["./tell", "{version}"], env_file={"TOKEN": str(folder / "token")})
    opened.switch_to("1", expected="2")
    (folder / "live").write_text("2")
    (folder / "token").write_text("second one")
    opened.switch_to("1", expected="2")
    assert told(folder)["env"]["TOKEN"] == "second one"  # noqa: S105  of this test


@pytest.mark.parametrize("version", ["--force", "-", "", "1\n2", "a\0b", "x" * 201])
def test_a_version_that_could_be_taken_for_an_option_is_given_to_no_command(folder: Path, version: str) -> None:
    with pytest.raises(RollbackError, match="is no version that a command is given: nothing was switched"):
        session(folder, switch=["./tell", "{version}"]).switch_to(version, expected="2")
    assert not (folder / "told").exists()


def test_neither_is_what_it_is_to_replace_nor_a_model_s_name(folder: Path) -> None:
    with pytest.raises(RollbackError, match="'-rf' is no expected that a command is given"):
        session(folder, current=["echo", "-rf"], switch=["./tell"]).switch_to("1", expected="-rf")
    target = Command.model_validate({"current": ["./tell", "{model}"], "switch": ["./tell"], "folder": str(folder)})
    with pytest.raises(RollbackError, match="'--all' is no model that a command is given"):
        target.open_for("--all").current()
    assert not (folder / "told").exists()


@pytest.mark.parametrize(("said", "version"), [("echo 7", "7"), ("echo noise; echo ' v-2 '; echo", "v-2"), ("exit 0", None), ("printf 7", "7")])
def test_the_last_line_of_current_is_the_version(folder: Path, said: str, version: str | None) -> None:
    assert session(folder, current=["sh", "-c", said]).current() == version


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("echo one >&2; echo the reason >&2; exit 4", "command current ended with exit code 4: the reason"),
        ("kill -9 $$", "command current ended with signal 9"),
        ("head -c 300 /dev/zero | tr '\\0' x", "command current printed a line of 300 characters, which is no version"),
        ("echo so far >&2; sleep 60", "command current took over 0.5 s and was ended: so far"),
    ],
)
def test_a_current_that_fails_names_no_version(folder: Path, said: str, why: str) -> None:
    with pytest.raises(RollbackError, match=why):
        session(folder, current=["sh", "-c", said], time_limit="500ms").current()


@pytest.mark.parametrize("code", [75, 9])
def test_its_own_exit_code_says_that_somebody_else_switched(folder: Path, code: int) -> None:
    with pytest.raises(Moved, match=f"exit code {code} that somebody else switched"):
        session(folder, switch=["sh", "-c", f"exit {code}"], moved_code=code).switch_to("1", expected="2")


def test_a_switch_that_fails_tells_its_last_line(folder: Path) -> None:
    with pytest.raises(RollbackError, match="command switch ended with exit code 2: there is no version 9") as failed:
        session(folder).switch_to("9", expected="2")
    assert not isinstance(failed.value, Moved)


@pytest.mark.parametrize(("does", "left"), [("", "it names 2 now"), ("printf 1 >live; ", "it names 1 now"), ("rm live; ", "what it names now cannot be read")])
def test_a_switch_that_is_ended_half_way_tells_what_it_left(folder: Path, does: str, left: str) -> None:
    half = ["sh", "-c", f"{does}sleep 60; printf 3 >live"]
    with pytest.raises(RollbackError, match=f"command switch took over 1 s and was ended; {left}"):
        session(folder, current=["cat", "live"], switch=half, time_limit="1s").switch_to("1", expected="2")


def test_a_switch_that_ends_well_and_changes_nothing_is_a_failure(folder: Path) -> None:
    with pytest.raises(RollbackError, match="switch ended with 0, but it names 2 and not 1"):
        session(folder, switch=["true"], time_limit="600ms").switch_to("1", expected="2")


def test_a_switch_that_shows_later_is_waited_for(folder: Path) -> None:
    current = "import os; print(open('live').read()); os.path.exists('asked') and open('live', 'w').write('1')"
    opened = session(folder, current=[sys.executable, "-c", current], switch=["touch", "asked"])
    assert opened.switch_to("1", expected="2").after == "1"


def test_what_it_said_is_kept_without_secrets(folder: Path) -> None:
    (folder / "token").write_text("tk1")
    switch = session(folder, env={"SHARED": SECRET}, env_file={"TOKEN": str(folder / "token")}).switch_to("1", expected="2")
    assert switch.detail == {"argv": ["./switch", "1", "2"], "code": 0, "stdout": f"switched with {HIDDEN} and {HIDDEN}\n", "stderr": "", "cut": False}


def test_a_secret_that_the_bound_cuts_through_is_hidden_too(folder: Path) -> None:
    script = "import os; print(os.environ['TOKEN'] * 2000, end='')"
    token = "0123456789abcdefghij+"  # noqa: S105  of this test
    ran = session(folder, switch=[sys.executable, "-c", script + "; open('live','w').write('1')"], env={"TOKEN": token}).switch_to("1", expected="2")
    assert ran.detail["cut"]
    assert set(str(ran.detail["stdout"]).split(HIDDEN)) == {""}


def test_of_a_text_cut_at_its_beginning_the_rest_of_a_secret_goes() -> None:
    assert Hiding(["abcdef"]).of_tail("def and abcdef") == f" and {HIDDEN}"
    assert Hiding(["abcdef"]).of("def and abcdef") == f"def and {HIDDEN}"
    assert Hiding(["ab"], ["ab", "abcd efgh"]).of("ab abcd efgh") == f"{HIDDEN} {HIDDEN}"


def test_a_dry_run_calls_what_dry_run_says_and_else_only_current(folder: Path) -> None:
    assert session(folder, switch=["./tell"]).switch_to("1", expected="2", dry_run=True) == Switch("2", "1", changed=True, dry_run=True)
    assert not (folder / "told").exists()
    session(folder, switch=["false"], dry_run=["./tell", "check", "{version}"]).switch_to("1", expected="2", dry_run=True)
    assert (told(folder)["argv"], told(folder)["env"]["WATCHTOWER_ACTION"]) == (["check", "1"], "dry_run")
    with pytest.raises(RollbackError, match="command dry_run ended with exit code 1"):
        session(folder, dry_run=["false"]).switch_to("1", expected="2", dry_run=True)


def test_it_aborts_canaries_only_where_there_is_a_command_for_it(folder: Path) -> None:
    plain = Command.model_validate({"current": ["a"], "switch": ["b"]})
    able = Command.model_validate({"current": ["a"], "switch": ["b"], "abort": ["c"]})
    assert (plain.aborts_canaries, able.aborts_canaries) == (False, True)
    with pytest.raises(RollbackError, match="has no abort: canary 3 goes on"):
        session(folder).abort("3", stable="2")
    opened = session(folder, abort=["./tell", "stop", "{canary}", "{stable}"])
    assert opened.abort("3", stable="2", dry_run=True) == Switch("3", "2", changed=True, dry_run=True)
    assert not (folder / "told").exists()
    assert opened.abort("3", stable="2", key="p") == Switch("3", "2", changed=True)
    assert told(folder)["argv"] == ["stop", "3", "2"]


def test_it_has_a_compare_and_set_where_the_command_says_that_it_checks() -> None:
    assert not Command.model_validate({"current": ["a"], "switch": ["b"]}).compare_and_set
    assert Command.model_validate({"current": ["a"], "switch": ["b"], "checks_expected": True}).compare_and_set


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["true"], []),
        (["sh", "-c", "echo the old release is gone; echo no access; exit 1"], ["the old release is gone", "no access"]),
        (["sh", "-c", "echo hm >&2; exit 3"], ["command ready ended with exit code 3: hm"]),
        (["no-such-program"], ["no-such-program is on no folder of PATH"]),
    ],
)
def test_ready_tells_what_its_command_prints(folder: Path, argv: list[str], found: list[str]) -> None:
    assert list(session(folder, ready=argv).ready("1")) == found


def test_programs_that_are_not_there_or_not_executable_are_cautioned_of(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("text")
    fields = {"current": ["./plain"], "switch": ["./missing"], "abort": ["no-such-program"], "ready": ["sh"], "folder": str(tmp_path)}
    cautions = [(each.key, each.what) for each in Command.model_validate(fields).cautions()]
    expected = [("current", f"{tmp_path / 'plain'} is not executable"), ("switch", f"{tmp_path / 'missing'} is not there")]
    assert cautions == [*expected, ("abort", "no-such-program is on no folder of PATH")]


def test_a_secret_whose_file_is_missing_runs_nothing(folder: Path) -> None:
    with pytest.raises(RollbackError, match=r"the secret's file .* cannot be read"):
        session(folder, switch=["./tell"], env_file={"TOKEN": str(folder / "none")}).switch_to("1", expected="2")
    assert not (folder / "told").exists()
