"""What the pages for users show can be used as it stands."""

import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from watchtower.config.reader import read_settings
from watchtower.formats._message import Single
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Messages, Reason
from watchtower.nouns.window import Partition
from watchtower.programs import rule_test

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RULES = "rules:\n  - {name: Any, model: '*', when: {kind: above, measure: traffic.rate, value: 1}}\n"


def blocks(page: str) -> list[str]:
    """The YAML blocks of a page, moved to the margin."""
    return [textwrap.dedent(each) for each in re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)]


@pytest.mark.parametrize("page", ["README.md", "docs/settings.md"])
def test_the_settings_on_a_page_are_accepted(page: str, tmp_path: Path) -> None:
    settings = next(block for block in blocks(page) if re.search(r"^source:", block, re.MULTILINE))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "any.yaml").write_text(RULES)
    (tmp_path / "watchtower.yaml").write_text(settings)
    assert "fraud" in read_settings(tmp_path / "watchtower.yaml").settings.models


def test_the_rule_of_the_readme_is_accepted(tmp_path: Path) -> None:
    settings, rule = blocks("README.md")[:2]
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "fraud.yaml").write_text(rule)
    (tmp_path / "watchtower.yaml").write_text(settings)
    assert [each.name for each in read_settings(tmp_path / "watchtower.yaml").book.rules] == ["FeatureDrift"]


def test_the_rule_and_its_test_on_the_page_about_rules_pass(tmp_path: Path) -> None:
    rule, tests = (next(block for block in blocks("docs/rules.md") if marker in block) for marker in ("- name: FeatureDrift", "tests:"))
    (tmp_path / "fraud.yaml").write_text(rule)
    (tmp_path / "fraud.test.yaml").write_text(tests)
    assert rule_test.run_file(tmp_path / "fraud.test.yaml") == (1, [])


def test_the_shipped_rules_pass_their_tests() -> None:
    ran = {file.name: rule_test.run_file(file) for file in rule_test.test_files(ROOT / "rules")}
    assert {name: wrong for name, (_, wrong) in ran.items() if wrong} == {}
    assert all(tests > 0 for tests, _ in ran.values())
    assert set(ran) == {f"{file.stem}.test.yaml" for file in (ROOT / "rules").glob("*.yaml") if not file.name.endswith(".test.yaml")}


@pytest.mark.parametrize("page", ["README.md", "docs/messages.md"])
def test_the_messages_on_a_page_are_accepted(page: str) -> None:
    shown = [json.dumps(json.loads(each)).encode() for each in re.findall(r"```json\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)]
    nothing = np.zeros(len(shown), dtype=np.int64)
    decoded = WatchtowerJson().decode([Messages(Partition("log"), shown, nothing, 0, nothing - 1)], Catalog())
    assert (len(shown) > 0, list(decoded.rejected)) == (True, [])


def test_the_page_about_messages_names_every_reason_and_field() -> None:
    page = (ROOT / "docs/messages.md").read_text()
    assert [reason for reason in Reason if f"`{reason}`" not in page] == []
    assert [field for field in Single.__struct_fields__ if f"`{field}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists() and "images/" not in link]
    assert missing == []
