"""`watchtower backtest`: what rules would have done over stored history, beside what happened."""

from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json


def backtest(
    rules: Annotated[Path, typer.Argument(help="A folder of rules, or one file.")] = Path("rules"),
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
    since: Annotated[str, typer.Option(help="How far back from the newest window (7d), or a time (2026-11-20T10:00Z).")] = "7d",
) -> None:
    """What these rules would have done over stored history, beside what happened. Acts on nothing and writes nothing."""
    from watchtower.cli.beside import tell
    from watchtower.config.reader import read_settings
    from watchtower.config.rulebook import read_rules
    from watchtower.edges.clock import Clock
    from watchtower.nouns.errors import ConfigError, Problem
    from watchtower.nouns.place import Place
    from watchtower.programs.backtest import backtest as played
    from watchtower.store import Store
    from watchtower.store.plain import moment_of

    settings, clock = read_settings(config).settings, Clock()
    book = read_rules([rules], settings.window.size)
    store = Store.open(settings.store.url, read_only=True, now=clock.now)
    try:
        until = store.history.newest() or clock.now()
        try:
            begin = moment_of(since, until) or until
        except ValueError as wrong:
            raise ConfigError([Problem(Place("--since"), f"{since!r} is no time and no duration", "write 7d, or 2026-11-20T10:00Z")]) from wrong
        done = played(store, settings, book, begin, until, clock)
    finally:
        store.close()
    tell(done, as_json=as_json)
