"""`watchtower schema`: JSON Schemas for editors."""

import json
from typing import Annotated, Literal

import typer

Described = Annotated[Literal["settings", "rules", "message"], typer.Argument(metavar="settings|rules|message", help="What it describes.")]


def schema(of: Described) -> None:
    """Write the JSON Schema of settings, of rule files, or of the messages of watchtower_json to stdout."""
    from watchtower.config.schemas import SCHEMAS

    print(json.dumps(SCHEMAS[of](), indent=2, ensure_ascii=False))
