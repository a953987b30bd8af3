"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("-c", "--config", help="The settings file.")]
Json = Annotated[bool, typer.Option("--json", help="Tell it as JSON.")]
