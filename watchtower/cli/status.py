"""`watchtower status` and `watchtower incidents`: what the store says, read-only."""

import json
from collections.abc import Mapping
from pathlib import Path
from time import sleep
from typing import Annotated, cast

import typer

from watchtower.cli.options import Config, Json
from watchtower.cli.printing import moment, tell_table

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
    columns = ("id", "model", "state", "opened", "step", "verdict", "why")
    tell_table("incidents", columns, [_incident(each) for each in _rows(found, "incidents")], whole=("id",))


def _incident(each: Row) -> list[str]:
    plan = cast("Row", each.get("plan") or {})
    cells = (each["id"], each["model"], each["state"], moment(each["opened"]), plan.get("step"), plan.get("verdict"), plan.get("reason"))
    return [str(cell or "–") for cell in cells]


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


def _versions(model: Row) -> list[list[str]]:
    live = model["live"]
    return [
        [str(model["model"]), f"{each['version']}{' (live)' if each['version'] == live else ''}", f"{each['predictions']:,}", f"{each['late']:,}"]
        for each in _rows(model, "versions")
    ]


def _alert(alert: Row) -> list[str]:
    where = " ".join(str(alert[key]) for key in ("segment", "subject") if alert[key])
    value = "–" if alert["value"] is None else f"{cast('float', alert['value']):.4g}"
    return [str(alert["rule"]), str(alert["model"]), where or "–", str(alert["state"]), moment(alert["since"]), value]


def _show(found: Row) -> None:
    tell_table("predictions", ("model", "version", "predictions", "late"), [row for model in _rows(found, "models") for row in _versions(model)])
    alerts = [_alert(each) for each in _rows(found, "alerts")]
    tell_table("alerts", ("rule", "model", "subject", "state", "since", "value"), alerts, whole=("rule", "state"))
    lag = sum(cast("int", each["lag"]) for each in _rows(found, "lag"))
    rejected = ", ".join(f"{reason} {n:,}" for reason, n in cast("Mapping[str, int]", found["rejected"]).items()) or "none"
    daemon = cast("Row", found.get("daemon") or {})
    running = "running" if daemon.get("running") else "not running"
    print(f"lag {lag:,} · rejected {rejected} · daemon {running}, last seen {moment(daemon.get('heartbeat') or 'never')}")
    for each in _rows(found, "frozen"):
        until = f"until {moment(each['until'])}" if each["until"] else "until it is thawed"
        print(f"frozen: {each['model'] or 'every model'} {until}, by {each['by']}" + (f" ({each['reason']})" if each["reason"] else ""))
    for meter in _rows(found, "meters"):
        print(f"meter {meter['name']}: {meter['error'] or 'read'}, last at {meter['last'] or 'never'}")
    for each in _rows(found, "labels"):
        share = "" if each["kept_share"] == 1 else f" (of {cast('float', each['kept_share']):.3g} of the ids)"
        print(f"labels of {each['model']}: {each['joined']:,} joined, {each['waiting']:,} predictions wait{share}")
    for each in _rows(found, "drills"):
        ready = f"{each['live']} → {each['candidate']} could be done" if each["ready"] else "; ".join(map(str, cast("list[str]", each["reasons"])))
        print(f"going back of {each['model']}, drilled {moment(each['at'])}: {ready}")
    for each in _rows(found, "servings")[:5]:
        by = each["by"] or {"person": "somebody", "watchtower": "watchtower"}.get(str(each["how"]), "")
        print(f"  {moment(each['from'])} {each['model']} serves version {each['version']}{f', by {by}' if by else ''}")
    for decision in _rows(found, "decisions")[:5]:
        print(f"  {moment(decision.get('at') or decision.get('time'))} {decision.get('decision')} {decision.get('model')}: {decision.get('reason')}")
