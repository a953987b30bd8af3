"""The command line: exit codes, and errors in a sentence with a next step."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from watchtower.cli.main import COMMANDS, main
from watchtower.nouns.errors import WatchtowerError


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("words", [["bogus"], ["check", "--bogus"], ["schema"], ["schema", "nonsense"], ["check", "extra"], []])
def test_wrong_usage_ends_with_64(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(words, capsys)
    assert code == 64
    assert "Usage: watchtower" in err


def test_help_lists_every_command_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(["--help"], capsys)
    assert code == 0
    assert all(re.search(rf"^  {command} +\w", out, re.MULTILINE) for command in COMMANDS)
    assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told([command, "--help"], capsys)
    assert code == 0
    assert f"Usage: watchtower {command}" in out


def test_help_imports_no_command() -> None:
    look = "import sys; from watchtower.cli.main import build; build([]); print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout.split())
    assert {"numpy", "pydantic", "yaml", "rich", "sqlalchemy"} & loaded == set()


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(["--version"], capsys)[:2] == (0, "watchtower 0.3.0\n")


def test_an_error_is_a_sentence_on_stderr_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(["status", "-c", str(tmp_path / "none.yaml")], capsys)
    assert (code, out) == (1, "")
    assert "there is no such file; say -c FILE, or write one" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--debug", "status"], ["status", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(WatchtowerError):
        main([*words, "-c", str(tmp_path / "none.yaml")])


def test_a_reader_that_goes_away_is_no_error_to_talk_about() -> None:
    run = subprocess.run(f"{sys.executable} -m watchtower schema settings | head -c 1", shell=True, check=True, capture_output=True, text=True)  # noqa: S602  a pipe is what is tested
    assert (run.stdout, run.stderr) == ("{", "")
