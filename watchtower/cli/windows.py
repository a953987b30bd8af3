"""`watchtower windows`: what each window counted, from the store, read-only."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json
from watchtower.cli.printing import tell_table

MOST = 1_000
"""Rows that a terminal is shown."""


def windows(
    model: Annotated[str | None, typer.Argument(help="One model; left out: all.")] = None,
    config: Config = Path("watchtower.yaml"),
    as_json: Json = False,
    since: Annotated[str, typer.Option(help="How far back from the newest window (1d), or a time (2026-11-20T10:00Z).")] = "1h",
) -> None:
    """What every window of a model counted: rows, errors, latency, by version and segment."""
    from watchtower.config.reader import store_url
    from watchtower.edges.clock import Clock
    from watchtower.nouns.errors import ConfigError, Problem
    from watchtower.nouns.place import Place
    from watchtower.store import Store
    from watchtower.store.history import Stretch
    from watchtower.store.plain import moment_of, window_rows

    clock = Clock()
    store = Store.open(store_url(config), read_only=True, now=clock.now)
    try:
        try:
            begin = moment_of(since, store.history.newest(model) or clock.now())
        except ValueError as wrong:
            raise ConfigError([Problem(Place("--since"), f"{since!r} is no time and no duration", "write 1d, or 2026-11-20T10:00Z")]) from wrong
        rows = window_rows(store.history, Stretch(model, begin))
        if as_json:
            print(json.dumps({"windows": [{key: _plain(value) for key, value in row.items()} for row in rows]}))
        else:
            _show(rows)
    finally:
        store.close()


def _show(rows: Iterable[object]) -> None:
    listed = list(rows)
    columns = ("end", "model", "version", "segment", "rows", "errors", "p50 s", "p99 s")
    tell_table("windows", columns, [_cells(row) for row in listed[-MOST:]], whole=("end",))
    if len(listed) > MOST:
        print(f"the last {MOST:,} of {len(listed):,}; --json has all")


def _cells(row: object) -> list[str]:
    assert isinstance(row, dict)
    version = f"{row['version']}{' (live)' if row['live'] else ''}"
    figures = [f"{row['rows']:,}", *("–" if row[key] is None else f"{row[key]:.4g}" for key in ("errors", "latency_p50", "latency_p99"))]
    return [f"{row['end']:%Y-%m-%d %H:%M:%S}", str(row["model"]), version, str(row["segment"]) or "–", *figures]


def _plain(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
