"""How calibrations are told."""

from collections.abc import Sequence
from datetime import timedelta

from watchtower.conditions._bounded import Bounded
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
    """Every rule's calibration: its bound and the false alarms to expect in a line, and what that rests on in the next."""
    print(f"calibration of {model}: bounds, and the false alarms to expect of them")
    widest = max((len(line.rule.name) for line in found), default=0)
    for line in found:
        print(f"{line.rule.name:<{widest}}  {_bound(line)}")
        print(f"    {_from(line) if line.made.bound is not None else _why_not(line)}")


def _bound(line: Line) -> str:
    made = line.made
    if made.bound is None:
        return f"{line.rule.when.value:.4g} (written)" if isinstance(line.rule.when, Bounded) and not isinstance(line.rule.when.value, str) else "–"
    alarms = f"{_about(made.expected)} ({_about(made.low)} to {_about(made.high)}) per {span(timedelta(seconds=made.per))}"
    bound = f"{made.bound:.4g}{'' if line.is_auto else ' (written)'}"
    return f"{bound}: {alarms}{', ' + made.label if made.label else ''}"


def _about(alarms: float) -> str:
    return f"{alarms:,.0f}" if alarms >= 10 else f"{alarms:.2g}"


def _why_not(line: Line) -> str:
    """A written bound holds all the same: only what to expect of it is unknown."""
    return line.made.reason if line.is_auto else line.made.reason.replace("not calibrated", "false alarms not known")


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
