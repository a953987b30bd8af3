"""`watchtower test`: rule unit tests."""

import json
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Json


def test(path: Annotated[Path, typer.Argument(help="A folder with *.test.yaml files, or one of them.")] = Path("rules"), as_json: Json = False) -> None:  # noqa: PT028  a command, no test
    """Run the rules' unit tests; exits 1 where one fails."""
    from watchtower.programs.rule_test import run_file, test_files

    ran, failures = 0, []
    for file in test_files(path):
        number, failed = run_file(file)
        ran += number
        failures += failed
    if as_json:
        print(
            json.dumps({"tests": ran, "failures": [{"file": str(each.file), "test": each.case, "window": each.window, "what": each.what} for each in failures]})
        )
    else:
        print("\n".join([*map(str, failures), f"{ran} tests, {len(failures)} failures"]))
    raise typer.Exit(1 if failures else 0)


test.__test__ = False  # type: ignore[attr-defined]
