"""How calibrations are told."""

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from watchtower.core.wording import span
from watchtower.programs.calibrate import Line


def plain(line: Line) -> dict[str, object]:
    """A rule's calibration as JSON."""
    made = line.made
    tail = made.tail
    return {
        "rule": line.rule.name,
        "calibrated": line.is_auto,
        "bound": made.bound,
        "reason": made.reason,
        "budget": {"times": made.times, "per_seconds": made.per},
        "expected": made.expected,
        "low": made.low,
        "high": made.high,
        "label": made.label,
        "basis": made.basis,
        "draws": made.draws,
        "windows": made.windows,
        "rows": made.rows,
        "history": made.history,
        "scale": made.scale,
        "tail": None
        if tail is None
        else {"threshold": tail.threshold, "shape": tail.shape, "scale": tail.scale, "count": tail.count, "distance": tail.distance},
        "binning": made.binning,
        "seed": made.seed,
        "at": None if made.at is None else made.at.isoformat(),
    }


def show(model: str, found: Sequence[Line]) -> None:
    """Every rule's calibration as a table."""
    table = Table("rule", "bound", "false alarms expected", "", "from", title=f"calibration of {model}")
    for line in found:
        made = line.made
        if made.bound is None:
            table.add_row(line.rule.name, "–", "–", "", made.reason)
            continue
        alarms = f"{made.expected:.2g} ({made.low:.2g} to {made.high:.2g}) per {span(timedelta(seconds=made.per))}"
        bound = f"{made.bound:.4g}{'' if line.is_auto else ' (written)'}"
        table.add_row(line.rule.name, bound, alarms, made.label, _from(line))
    Console().print(table)


def _from(line: Line) -> str:
    """What the bound rests on, the fit of its tail among it."""
    made, parts = line.made, [line.made.basis]
    if made.draws:
        parts.append(f"{made.draws} draws of {made.windows} windows of {made.rows:,.0f} rows")
    if made.tail is not None:
        tail = made.tail
        parts.append(
            f"Pareto tail over {tail.threshold:.3g}: shape {tail.shape:.2f}, scale {tail.scale:.2g}, {tail.count} alarms, distance {tail.distance:.2f}"
        )
    return "; ".join(parts)
