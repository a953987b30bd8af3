"""ARCHITECTURE.md says what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENTRY = re.compile(r"^(?P<indent> *)(?P<name>[a-z_]+(?:/|\.py)) *(?P<inside>[^·]*)·?")


def told() -> dict[str, set[str]]:
    """Room (path with slashes) -> the public modules and folders that ARCHITECTURE.md lists in it."""
    tree = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("```tree\n")[2].partition("```")[0]
    found: dict[str, set[str]] = {}
    above: list[str] = []
    for line in tree.splitlines():
        entry = ENTRY.match(line)
        assert entry, f"ARCHITECTURE.md: cannot read {line!r}"
        above[len(entry["indent"]) // 2 :] = [entry["name"]]
        parent = "".join(above[:-1])
        if parent:
            found[parent].add(entry["name"].removesuffix(".py"))
        if entry["name"].endswith("/"):
            found[parent + entry["name"]] = set(entry["inside"].split())
    return found


def there(room: str) -> set[str]:
    """The public modules and folders of a room as they are."""
    entries = [entry for entry in (ROOT / room).iterdir() if not entry.name.startswith(("_", "."))]
    return {entry.stem for entry in entries if entry.suffix == ".py"} | {f"{entry.name}/" for entry in entries if entry.is_dir()}


def test_the_tree_of_the_page_is_the_tree_of_the_code() -> None:
    listed = told()
    assert set(listed) >= {"watchtower/", "watchtower/core/", "watchtower/cli/"}
    assert {room: sorted(inside) for room, inside in listed.items()} == {room: sorted(there(room)) for room in listed}


def test_every_room_has_its_tests() -> None:
    rooms = {entry.name for entry in (ROOT / "watchtower").iterdir() if (entry / "__init__.py").is_file()}
    without = {room for room in rooms if not any((ROOT / "tests" / room).glob("test_*.py"))}
    assert without <= {"meters", "nouns"}
