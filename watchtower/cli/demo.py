"""`watchtower demo`: the whole story on made-up loans."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def demo(
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which weights are damaged, how and how much, and what the traffic is.")] = 1,
    scenario: Annotated[Literal["rollback", "data-drift"], typer.Option("--scenario", help="A bad version goes live, or other inputs come.")] = "rollback",
    keep: Annotated[bool, typer.Option("--keep", help="Keep everything running at the end, until Ctrl-C.")] = False,
    folder: Annotated[Path, typer.Option("--folder", help="Where everything is written; a new run replaces it.")] = Path("demo-run"),
) -> None:
    """Watch a bad version being found and rolled back: real models, real requests, the real daemon, in under two minutes."""
    from watchtower.programs.demo import run

    raise typer.Exit(run(seed, scenario, keep=keep, folder=folder))
