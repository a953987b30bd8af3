"""The pages about targets show settings that are accepted, and name every kind and key."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from watchtower.rollback_targets import RollbackTarget

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "targets").glob("*.md"))


def targets(page: Path) -> list[dict[str, Any]]:
    """Every `target:` of the page's YAML."""
    found = [yaml.safe_load(textwrap.dedent(each)) for each in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    return [each["target"] for each in found if "target" in each]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_targets_on_a_page_are_accepted(page: Path) -> None:
    shown = targets(page)
    assert shown
    for each in shown:
        fields = {key: value for key, value in each.items() if key != "kind"}
        assert RollbackTarget.member(each["kind"]).model_validate(fields).kind_name() == each["kind"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_every_key_of_its_kind(page: Path) -> None:
    if page.stem in RollbackTarget.kinds():
        text = page.read_text()
        assert [key for key in RollbackTarget.member(page.stem).model_fields if f"`{key}`" not in text and f"{key}:" not in text] == []


def test_the_overview_names_every_kind() -> None:
    overview = (DOCS / "targets.md").read_text()
    assert [kind for kind in RollbackTarget.kinds() if f"| `{kind}` |" not in overview] == []
