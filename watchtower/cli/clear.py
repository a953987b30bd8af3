"""`watchtower clear`: a version that was rolled back from may be gone back to again."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json


def clear(
    version: Annotated[str, typer.Argument(metavar="MODEL/VERSION", help="The model and the version, such as fraud/7.")],
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
) -> None:
    """Make a version healthy again after a rollback from it, so that it is a candidate once more (audited)."""
    from watchtower.programs.freezing import FreezeDesk

    model, mark, name = version.rpartition("/")
    if not (model and mark and name):
        wrong = f"{version!r}: write MODEL/VERSION, such as fraud/7"
        raise typer.BadParameter(wrong)
    with FreezeDesk.opened(config) as desk:
        cleared, others = desk.clear(model, name)
    known = f"; rolled back from: {', '.join(others)}" if others else ""
    text = f"{version} may be gone back to again" if cleared else f"{version} was not rolled back from{known}"
    print(json.dumps({"cleared": cleared, "rolled_back_from": list(others)}) if as_json else text, file=sys.stdout if cleared or as_json else sys.stderr)
    if not cleared:
        raise typer.Exit(1)
