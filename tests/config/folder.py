"""Settings and rules written into a folder."""

from pathlib import Path
from textwrap import dedent

import pytest

from watchtower.config.reader import read_settings
from watchtower.nouns.errors import ConfigError

SOURCE = "source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}\n"
RULE = """
rules:
  - name: Slow
    model: fraud
    when: {kind: above, measure: latency.p99, value: 0.5}
"""


def written(folder: Path, settings: str, **rules: str) -> Path:
    """The settings file, with each of *rules* in a file of its name."""
    (folder / "rules").mkdir(exist_ok=True)
    for name, text in rules.items():
        (folder / "rules" / f"{name}.yaml").write_text(dedent(text), encoding="utf-8")
    path = folder / "watchtower.yaml"
    path.write_text(dedent(settings), encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    """Everything that is wrong with the settings *path*, without the folder."""
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    return [str(each).replace(f"{path.parent}/", "") for each in caught.value.problems]


def warnings(path: Path) -> list[str]:
    """What lint thinks of the settings *path*, without the folder."""
    return [str(each).replace(f"{path.parent}/", "") for each in read_settings(path).warnings]
