"""`watchtower check`: every problem of settings and rules at once."""

import json
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json
from watchtower.cli.printing import complain, listed
from watchtower.nouns.errors import ConfigError

FAILED = 1


def check(
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
    connect: Annotated[bool, typer.Option("--connect", help="Try sources, store, notifiers, model stores and targets too. Changes nothing.")] = False,
) -> None:
    """Tell every problem of settings and rules at once, and what is likely not meant. Exits 1 where something must be edited."""
    from watchtower.config.reader import read_settings

    try:
        loaded = read_settings(config)
    except ConfigError as wrong:
        if as_json:
            print(json.dumps({"problems": listed(wrong.problems), "warnings": [], "connections": []}))
        complain([] if as_json else wrong.problems)
        raise typer.Exit(FAILED) from None
    tries = []
    if connect:
        from watchtower.edges.clock import Clock
        from watchtower.programs.connect import tried

        tries = list(tried(loaded.settings, Clock()))
    if as_json:
        connections = [{"what": each.what, "fine": each.fine, "said": each.said} for each in tries]
        print(json.dumps({"problems": [], "warnings": listed(loaded.warnings), "connections": connections}))
    else:
        complain(loaded.warnings, kind="warning: ")
        settings = loaded.settings
        counts = {"source": len(settings.sources), "model": len(settings.models), "rule": len(loaded.book.rules), "notifier": len(settings.notifiers)}
        print(f"{config}: {', '.join(_count(number, noun) for noun, number in counts.items())}; {_count(len(loaded.warnings), 'warning')}")
        print("".join(f"{'reached' if each.fine else 'FAILED '} {each.what}: {each.said}\n" for each in tries), end="")
    raise typer.Exit(0 if all(each.fine for each in tries) else FAILED)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
