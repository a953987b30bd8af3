"""The tree of rooms in ARCHITECTURE.md is the tree on disk."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "watchtower"


def written() -> dict[str, set[str]]:
    """Every room that the page names, and the names that stand behind it (what follows a dot is prose)."""
    tree = re.search(r"```tree\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert tree is not None
    rooms: dict[str, set[str]] = {"": set()}
    parents = [""]
    for line in tree[1].splitlines()[1:]:
        depth = (len(line) - len(line.lstrip())) // 2
        name, *words = line.split("·")[0].split()
        if name.endswith(".py"):
            rooms[""].add(name.removesuffix(".py"))
            continue
        parents[depth:] = [(f"{parents[depth - 1]}/" if depth > 1 else "") + name.rstrip("/")]
        rooms[parents[depth]] = set(words)
    rooms[""] |= {f"{room}/" for room in rooms if room and "/" not in room}
    return rooms


def real(folder: Path) -> set[str]:
    """Public modules, and folders with a slash."""
    modules = {each.stem for each in folder.glob("*.py") if not each.stem.startswith("_")}
    return modules | {f"{each.name}/" for each in folder.iterdir() if each.is_dir() and each.name != "__pycache__"}


def test_every_room_is_on_the_page_as_it_is_on_disk() -> None:
    differences = {room or "watchtower": sorted(names ^ real(PACKAGE / room)) for room, names in written().items() if names != real(PACKAGE / room)}
    assert differences == {}
