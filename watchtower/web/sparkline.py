"""A small curve as SVG path data."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

WIDTH = 168.0
HEIGHT = 36.0
_MARGIN = 3.0


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Path data for a box of WIDTH x HEIGHT: *line*, the *area* under it, with gaps where there is no score; *dot* is the newest window's, if it has one."""

    line: str
    area: str
    dot: tuple[float, float] | None


def sparkline(values: Sequence[float | None], *, slots: int, top: float = 0.0) -> Sparkline:
    """Draws *values*, oldest first, at the right of *slots* places; from 0 (or the smallest, where it is negative) to the largest value, at least *top*."""
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([top, *known])
    span = high - low or 1.0
    step = (WIDTH - 2 * _MARGIN) / max(1, slots - 1)
    first = slots - len(values)

    def place(index: int, value: float) -> tuple[float, float]:
        return round(_MARGIN + (first + index) * step, 1), round(HEIGHT - _MARGIN - (value - low) / span * (HEIGHT - 2 * _MARGIN), 1)

    runs = [
        [place(i, value) for i, value in run if value is not None] for is_known, run in groupby(enumerate(values), lambda each: each[1] is not None) if is_known
    ]
    floor = HEIGHT - _MARGIN
    line = " ".join("M" + " L".join(f"{x},{y}" for x, y in (run if len(run) > 1 else [(run[0][0] - 0.5, run[0][1]), run[0]])) for run in runs)
    area = " ".join(f"M{run[0][0]},{floor} " + " ".join(f"L{x},{y}" for x, y in run) + f" L{run[-1][0]},{floor} Z" for run in runs if len(run) > 1)
    return Sparkline(line, area, runs[-1][-1] if runs and values[-1] is not None else None)
