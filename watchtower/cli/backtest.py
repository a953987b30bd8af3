"""`watchtower backtest`: what rules would have done over stored history, beside what happened."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchtower.cli.options import Config, Json

if TYPE_CHECKING:
    from watchtower.programs.backtest import Backtest


def backtest(
    rules: Annotated[Path, typer.Argument(help="A folder of rules, or one file.")] = Path("rules"),
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
    since: Annotated[str, typer.Option(help="How far back from the newest window (7d), or a time (2026-11-20T10:00Z).")] = "7d",
) -> None:
    """What these rules would have done over stored history, beside what happened. Acts on nothing and writes nothing."""
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
    _print(done, as_json=as_json)


def _print(done: "Backtest", *, as_json: bool) -> None:
    from watchtower.cli.lines import alert_line, stamp

    rules = [{"rule": rule, "model": model, "would_fire": would, "fired": fired} for (rule, model), (would, fired) in done.counts().items()]
    if as_json:
        sides = {name: [json.loads(alert_line(each)) for each in side] for name, side in (("would", done.would), ("happened", done.happened))}
        print(json.dumps({"since": stamp(done.since), "until": stamp(done.until), "windows": done.windows, "rules": rules, **sides}))
        return
    _show(done, rules)


def _show(done: "Backtest", rules: Sequence[Mapping[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(
        "rule", "model", "would have fired", "fired", title=f"{done.windows:,} windows, {done.since:%Y-%m-%d %H:%M} to {done.until:%Y-%m-%d %H:%M} UTC"
    )
    for each in rules:
        table.add_row(str(each["rule"]), str(each["model"]), f"{each['would_fire']}", f"{each['fired']}")
    console.print(table)
    for change in done.would:
        value = "" if change.alert.value is None else f" ({change.alert.value:.4g})"
        console.print(f"{change.at:%Y-%m-%d %H:%M:%S} {change.alert.id.model} {change.alert.id} {change.alert.state}{value}", markup=False, highlight=False)
