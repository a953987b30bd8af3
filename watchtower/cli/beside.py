"""How a backtest is told: what would have been, beside what was."""

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from watchtower.cli.lines import alert_line, stamp
from watchtower.programs.backtest import Backtest


def tell(done: Backtest, *, as_json: bool) -> None:
    """What would have been, beside what was."""
    rules = [{"rule": rule, "model": model, "would_fire": would, "fired": fired} for (rule, model), (would, fired) in done.counts().items()]
    if as_json:
        sides = {name: [json.loads(alert_line(each)) for each in side] for name, side in (("would", done.would), ("happened", done.happened))}
        print(json.dumps({"since": stamp(done.since), "until": stamp(done.until), "windows": done.windows, "rules": rules, **sides}))
        return
    _show(done, rules)


def _show(done: Backtest, rules: Sequence[Mapping[str, object]]) -> None:
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
