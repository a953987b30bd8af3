"""`watchtower dashboards`: Grafana and Prometheus files."""

from pathlib import Path
from typing import Annotated

import typer


def dashboards(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them; made where it is missing.")]) -> None:
    """Writes the Grafana dashboard of a model, and Prometheus rules about Watchtower itself."""
    from watchtower.dashboards import write

    for written in write(folder):
        typer.echo(f"wrote {written}")
