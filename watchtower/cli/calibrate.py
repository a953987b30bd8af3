"""`watchtower calibrate`: bounds that keep to a budget of false alarms, and what all bounds must be expected to do."""

import json
from pathlib import Path
from typing import Annotated

import typer

from watchtower.cli.options import Config, Json


def calibrate(model: Annotated[str, typer.Argument(help="The model.")], config: Config = Path("watchtower.yaml"), as_json: Json = False) -> None:
    """Calibrate the rules of a model that say `value: auto`, and tell how many false alarms each rule must be expected to give."""
    from watchtower.cli.bounds import plain, show
    from watchtower.config.reader import read_settings
    from watchtower.edges.clock import Clock
    from watchtower.programs.calibrate import lines
    from watchtower.store import Store

    loaded, clock = read_settings(config), Clock()
    Store.open(loaded.settings.store.url, read_only=True, now=clock.now).close()
    store = Store.open(loaded.settings.store.url, now=clock.now)
    try:
        found = list(lines(store, loaded.book, model, clock))
    finally:
        store.close()
    if as_json:
        print(json.dumps({"model": model, "rules": [plain(each) for each in found]}))
    else:
        show(model, found)
