"""`watchtower shadow`: evidence and verdict by hand."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import typer

from watchtower.cli.options import Config, Json
from watchtower.cli.printing import tell_table
from watchtower.nouns.evidence import Verdict
from watchtower.programs.junit import parts, write
from watchtower.programs.shadow import Asked, Shadow, Shadowed, Told

EXITS = MappingProxyType({Verdict.ACCEPT: 0, Verdict.REJECT: 10, Verdict.INCONCLUSIVE: 11, Verdict.BROKEN: 12})


def shadow(  # noqa: PLR0913, PLR0917  the words of the command line
    model: Annotated[str, typer.Argument(help="The model.")],
    candidate: Annotated[str, typer.Option("--candidate", help="The version that would serve instead.")],
    live: Annotated[str, typer.Option("--live", help="The version that serves (left out: as the traffic shows it).")] = "",
    device: Annotated[Literal["cuda", "cpu", "auto"] | None, typer.Option("--device", help="Where versions run (left out: as the settings say).")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="How far back from the newest window (1d), or a time; left out: back until there are --rows.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=100, help="The most rows that each version runs (left out: as the settings say).")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the parts of the evidence as JUnit XML.")] = None,
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
) -> None:
    """Would another version serve better? Run both on what was logged. Exits 0 accept, 10 reject, 11 inconclusive, 12 broken; acts on nothing."""
    from watchtower.config.reader import read_settings
    from watchtower.edges.clock import Clock
    from watchtower.store import Store

    loaded, clock, began = read_settings(config), Clock(), time.monotonic()
    at = clock.now()
    store = Store.open(loaded.settings.store.url, read_only=True, now=clock.now)
    try:
        with _quiet(), _watched() as told:
            found = Shadow(loaded, store, Asked(model, candidate, live, device, since, rows), clock).run(told)
    finally:
        store.close()
    if junit is not None:
        write(junit, found, at, time.monotonic() - began)
    if as_json:
        print(json.dumps(found.plain()))
    else:
        _tell(found)
    raise typer.Exit(EXITS[found.judgement.verdict])


@contextmanager
def _quiet() -> Iterator[None]:
    """The verdict says which rows are gone: a line a window does not."""
    ours = logging.getLogger("watchtower")
    before = ours.level
    ours.setLevel(logging.ERROR)
    try:
        yield
    finally:
        ours.setLevel(before)


@contextmanager
def _watched() -> Iterator[Told]:
    """Somebody who shows progress on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("running", total=None)

        def told(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        yield told


def _tell(found: Shadowed) -> None:
    told = found.plain()
    providers = told["providers"]
    assert isinstance(providers, dict)
    ran = ", ".join(f"{version} on {providers[role] or 'nothing'}" for role, version in (("live", found.live), ("candidate", found.candidate)))
    print(f"{found.model}: version {found.candidate} beside {found.live}, the live one, over {told['rows']:,} rows of {found.windows} windows ({ran})")
    print(f"{str(told['verdict']).upper()} ({str(told['diagnosis']).replace('_', ' ')}): {told['reason']}")
    tell_table("parts", ("part", "outcome", "what it says"), [(each.name, each.outcome, each.text) for each in parts(found)[:-1]], whole=("part", "outcome"))
