"""What import-linter cannot see: who reads the clock, who imports a sibling, who is too large."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "watchtower").rglob("*.py"))
FAMILIES = ("formats", "statistics", "analyses", "measures", "conditions", "sources", "notifiers", "runners", "rollback_targets", "model_stores", "meters")
CLOCK = ROOT / "watchtower" / "edges" / "clock.py"
WALL = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}


def parsed(path: Path) -> ast.Module:
    """The module *path*."""
    return ast.parse(path.read_text(encoding="utf-8"))


def named(path: Path) -> str:
    """Its path in the clone."""
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of *path*, and its lines."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{named(path)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def calls(path: Path) -> Iterator[str]:
    """What *path* calls by name, with the module of what it imported from `time`."""
    tree = parsed(path)
    from_time = {name.asname or name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "time" for name in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            text = ast.unparse(node.func)
            yield f"time.{text}" if text in from_time else text


def test_only_the_clock_reads_the_wall_clock() -> None:
    readers = [
        f"{named(path)}: {call}" for path in MODULES if path != CLOCK for call in calls(path) if any(call == wall or call.endswith(f".{wall}") for wall in WALL)
    ]
    assert readers == []


@pytest.mark.parametrize("family", FAMILIES)
def test_siblings_do_not_import_each_other(family: str) -> None:
    public = {f"watchtower.{family}.{kind.stem}" for kind in (ROOT / "watchtower" / family).glob("[!_]*.py")}
    wrong = [
        f"{named(path)} imports {node.module}"
        for path in (ROOT / "watchtower" / family).glob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.module in public
    ]
    assert wrong == []


def test_nothing_is_imported_for_types_only() -> None:
    assert [named(path) for path in MODULES if "TYPE_CHECKING" in path.read_text(encoding="utf-8")] == []


def test_no_module_is_over_300_lines() -> None:
    assert [f"{named(path)}: {lines}" for path in MODULES if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300] == []


def test_no_function_is_over_50_lines_and_most_are_under_20() -> None:
    sizes = [each for path in MODULES for each in functions(path)]
    assert [f"{name}: {lines}" for name, lines in sizes if lines > 50] == []
    assert sum(lines < 20 for _, lines in sizes) > 0.85 * len(sizes)
