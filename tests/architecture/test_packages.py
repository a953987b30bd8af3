"""What is installed, and what the line costs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WANTED = {"prometheus-client", "evidently", "pandas", "scipy", "kafka-python", "apscheduler", "slack-sdk", "onnxruntime-gpu"}
HEAVY = {"evidently", "pandas", "scipy.stats", "matplotlib", "onnxruntime", "onnx", "sklearn", "pyarrow", "slack_sdk"}


def name_of(requirement: str) -> str:
    """The package of a requirement."""
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]


def extra(name: str) -> set[str]:
    """The packages of an extra, those of the extras in it among them."""
    found: set[str] = set()
    for requirement in PROJECT["project"]["optional-dependencies"][name]:
        if name_of(requirement) == PROJECT["project"]["name"]:
            found |= {package for inner in requirement.partition("[")[2].partition("]")[0].split(",") for package in extra(inner.strip())}
        else:
            found.add(name_of(requirement))
    return found


def test_all_installs_the_eight_packages() -> None:
    core = {name_of(each) for each in PROJECT["project"]["dependencies"]}
    assert WANTED - (core | extra("all")) == set()


@pytest.mark.parametrize("pins", ["run", "all", "dev"])
def test_pins_have_hashes_and_name_no_index(pins: str) -> None:
    text = (ROOT / "requirements" / f"{pins}.txt").read_text(encoding="utf-8")
    pinned = re.findall(r"^[a-z0-9._-]+(?:\[.*\])?==.*$", text, re.MULTILINE)
    assert len(pinned) > 20
    assert all(each.endswith("\\") for each in pinned)
    assert "://" not in text


def test_core_and_extras_are_pinned() -> None:
    pins = {name: {name_of(line) for line in (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()} for name in ("run", "all")}
    core = {name_of(each) for each in PROJECT["project"]["dependencies"]}
    assert core - pins["run"] == set()
    assert (core | extra("all")) - pins["all"] == set()


def test_the_line_imports_nothing_heavy() -> None:
    look = "import sys, watchtower.line, watchtower.assembly, watchtower.programs.daemon; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout.split())
    assert HEAVY & loaded == set()


def test_check_imports_neither_the_store_nor_the_server() -> None:
    look = "import sys, watchtower.cli.check, watchtower.config.reader; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout.split())
    assert {"sqlalchemy", "starlette", "uvicorn", "kafka", "rich", *HEAVY} & loaded == set()
