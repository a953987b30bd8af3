"""`watchtower status` and `watchtower incidents`: what the store says, read-only."""

import json
from collections.abc import Mapping
from pathlib import Path
from time import sleep
from typing import Annotated, cast

import typer

from watchtower.cli.options import Config, Json

EVERY = 2.0
"""Seconds between two looks of `--watch`."""
Row = Mapping[str, object]


def status(
    config: Config = Path("watchtower.yaml"), as_json: Json = False, watch: Annotated[bool, typer.Option("--watch", help="Look again every 2 s.")] = False
) -> None:
    """Models, versions, windows, lag, alerts, jobs and the last decisions, exact at this moment."""
    while True:
        found = _store(config, "status")
        if as_json:
            print(json.dumps(found))
        else:
            _show(found)
        if not watch:
            return
        sleep(EVERY)


def incidents(config: Config = Path("watchtower.yaml"), as_json: Json = False) -> None:
    """Incidents, newest first, with what their trials concluded."""
    found = _store(config, "incidents")
    if as_json:
        print(json.dumps(found))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "model", "state", "opened", "step", "verdict", "why", title="incidents")
    for each in _rows(found, "incidents"):
        plan = cast("Row", each.get("plan") or {})
        table.add_row(
            *(
                str(cell or "–")
                for cell in (each["id"], each["model"], each["state"], each["opened"], plan.get("step"), plan.get("verdict"), plan.get("reason"))
            )
        )
    Console().print(table)


def _store(config: Path, what: str) -> Row:
    """Reads the store and nothing else; Unavailable where there is none."""
    from watchtower.config.reader import store_url
    from watchtower.edges.clock import Clock
    from watchtower.store import Store

    store = Store.open(store_url(config), read_only=True, now=Clock().now)
    try:
        return store.status() if what == "status" else store.incidents_json()
    finally:
        store.close()


def _rows(found: Row, name: str) -> list[Row]:
    return cast("list[Row]", found.get(name) or [])


def _show(found: Row) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    versions = Table("model", "version", "predictions", "late", title="what was counted")
    for model in _rows(found, "models"):
        for version in _rows(model, "versions"):
            live = " (live)" if version["version"] == model["live"] else ""
            versions.add_row(str(model["model"]), f"{version['version']}{live}", f"{version['predictions']:,}", f"{version['late']:,}")
    alerts = Table("rule", "model", "subject", "state", "since", "value", title="alerts")
    for alert in _rows(found, "alerts"):
        where = " ".join(str(alert[key]) for key in ("segment", "subject") if alert[key])
        alerts.add_row(str(alert["rule"]), str(alert["model"]), where or "–", str(alert["state"]), str(alert["since"]), f"{alert['value']}")
    console.print(versions, alerts)
    lag = sum(cast("int", each["lag"]) for each in _rows(found, "lag"))
    rejected = ", ".join(f"{reason} {n:,}" for reason, n in cast("Mapping[str, int]", found["rejected"]).items()) or "none"
    daemon = cast("Row", found.get("daemon") or {})
    console.print(
        f"lag {lag:,} · rejected {rejected} · daemon {'running' if daemon.get('running') else 'not running'}, last seen {daemon.get('heartbeat') or 'never'}"
    )
    for meter in _rows(found, "meters"):
        console.print(f"meter {meter['name']}: {meter['error'] or 'read'}, last at {meter['last'] or 'never'}", markup=False)
    for each in _rows(found, "labels"):
        share = "" if each["kept_share"] == 1 else f" (of {cast('float', each['kept_share']):.3g} of the ids)"
        console.print(f"labels of {each['model']}: {each['joined']:,} joined, {each['waiting']:,} predictions wait{share}", markup=False)
    for decision in _rows(found, "decisions")[:5]:
        console.print(
            f"  {decision.get('at') or decision.get('time')} {decision.get('decision')} {decision.get('model')}: {decision.get('reason')}", markup=False
        )
