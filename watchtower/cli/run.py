"""`watchtower run`: the daemon."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from watchtower.cli.options import Config


def run(
    config: Config = Path("watchtower.yaml"),
    log: Annotated[Literal["text", "json"], typer.Option("--log", help="How lines are logged to stderr.")] = "text",
) -> None:
    """Run the daemon until it is asked to stop (SIGTERM, SIGINT). Exits 3 where its source or store is lost for good."""
    from watchtower.cli.logging import configure
    from watchtower.config.reader import read_settings
    from watchtower.edges.clock import Clock
    from watchtower.programs.daemon import Daemon

    configure(log)
    raise typer.Exit(Daemon(config, read_settings(config), Clock()).run())
