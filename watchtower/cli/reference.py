"""`watchtower reference`: what a model is compared with from now on, who changed it, and rules from it."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json
from watchtower.cli.printing import moment, tell_table

Row = Mapping[str, object]


def reference(  # noqa: PLR0913, PLR0917  the words of the command line
    model: Annotated[str, typer.Argument(help="The model.")],
    data: Annotated[Path | None, typer.Option("--data", help="Rows of the new normal: a .parquet, .csv or .jsonl file.")] = None,
    windows: Annotated[str | None, typer.Option("--from-windows", metavar="A..B", help="Accept what was served from A to B (ISO times, UTC).")] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="Write the proposed rules into this new file (left out: to stdout).")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Tell who changed the reference, when and from what; change nothing.")] = False,
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
) -> None:
    """Accept a reference from a file or from windows (audited, from the next window on), and propose quality rules from it."""
    from watchtower.config.reader import read_settings
    from watchtower.edges.clock import Clock
    from watchtower.programs.reference import Desk, as_yaml, proposed, write_rules
    from watchtower.store import Store

    if sum((data is not None, windows is not None, listing)) > 1:
        asked_twice = "say one of --data, --from-windows and --list"
        raise typer.BadParameter(asked_twice)
    span = _span(windows)
    settings = read_settings(config).settings
    store = Store.open(settings.store.url, read_only=data is None and span is None, now=Clock().now)
    try:
        desk = Desk(settings, store, model, config)
        if listing:
            _tell_changes(store.references.changes(model), as_json=as_json)
            return
        put = desk.from_file(data) if data is not None else desk.from_windows(*span) if span is not None else None
        stored = desk.present() if put is None else put.stored
        if stored is None:
            print(f"{model} has no reference yet: say --data FILE or --from-windows A..B", file=sys.stderr)
            raise typer.Exit(1)
        if put is not None:
            print(put.sentence(), file=sys.stderr)
        if rules is not None:
            write_rules(rules, as_yaml(model, stored))
            print(f"proposed rules written to {rules}: `watchtower check` them before you keep them", file=sys.stderr)
        if as_json:
            print(json.dumps({**({} if put is None else put.plain()), "rules": proposed(model, stored)}))
        elif rules is None:
            print(as_yaml(model, stored), end="")
    finally:
        store.close()


def _span(windows: str | None) -> tuple[datetime, datetime] | None:
    from watchtower.programs.reference import span_of

    try:
        return None if windows is None else span_of(windows)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--from-windows") from wrong


def _tell_changes(changes: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"changes": list(changes)}))
        return
    columns = ("at", "who", "from", "rows", "valid from", "binning before", "after", "chain")
    tell_table("accepted references", columns, [_change(each) for each in changes], whole=("at",))


def _change(each: Row) -> list[str]:
    binnings = (str(each["before"] or "–")[:12], str(each["after"])[:12])
    return [
        moment(each["at"]),
        *(str(each[key]) for key in ("who", "from", "rows")),
        moment(each["valid_from"]),
        *binnings,
        "intact" if each["intact"] else "BROKEN",
    ]
