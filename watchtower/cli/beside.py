"""How a backtest is told: what would have been, beside what was."""

import json
from collections.abc import Mapping, Sequence

from watchtower.cli.lines import alert_line, stamp
from watchtower.cli.printing import tell_table
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
    print(f"{done.windows:,} windows, {done.since:%Y-%m-%d %H:%M} to {done.until:%Y-%m-%d %H:%M} UTC")
    columns = ("rule", "model", "would have fired", "fired")
    tell_table("rules", columns, [[str(each[key]) for key in ("rule", "model", "would_fire", "fired")] for each in rules])
    for change in done.would:
        value = "" if change.alert.value is None else f" ({change.alert.value:.4g})"
        print(f"{change.at:%Y-%m-%d %H:%M:%S} {change.alert.id.model} {change.alert.id} {change.alert.state}{value}")
