"""`python -m tests.benchmarks.scoring`: how long the scores of a closed window take, in one process and one BLAS thread.

1,000 features (900 numbers of 64 fine bins and more, 100 categories of 20 values) by 8 statistics with p-values, a fresh pair each time: asked, 50 ms.
50 features by the four usual statistics through `core.scoring.score`, from a closed window to its board: asked, 5 ms. Medians of 7.
Exits 1 where one takes longer.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter

import numpy as np

from tests.benchmarks.figures import Figure, machine, median, say, table, versions
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.scoring import score
from watchtower.nouns.batch import Column, NumberColumn, TextColumn
from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, MeasureName, Need, Over, Pair
from watchtower.nouns.window import Window
from watchtower.statistics import Statistic

EIGHT = ("psi", "jensen_shannon", "chi_square", "hellinger", "kolmogorov_smirnov", "wasserstein", "cramer_von_mises", "anderson_darling")
USUAL = ("psi", "kolmogorov_smirnov", "wasserstein", "jensen_shannon")
TURNS = 7


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """A reference and a window under one binning."""

    binning: Binning
    reference: Profile
    current: Profile


def sides(numeric: int, categorical: int, rows: int = 5_000) -> Sides:
    """Made-up features, of which a tenth has drifted."""
    rng = np.random.default_rng(41)

    def columns(shift: float) -> dict[str, Column]:
        numbers = {f"n{i:04}": NumberColumn(rng.normal(shift * (i % 10 == 0), 1, rows)) for i in range(numeric)}
        names = tuple(f"v{i}" for i in range(20))
        return {**numbers, **{f"c{i:04}": TextColumn(rng.integers(0, 20, rows).astype(np.int32), names) for i in range(categorical)}}

    there = columns(0.0)
    binning = make_binning(there, {}, None, ())
    return Sides(binning, make_reference_profile(binning, there, rows), make_reference_profile(binning, columns(0.3), rows))


def by_statistic(found: Sides, kinds: tuple[str, ...] = EIGHT) -> dict[str, float]:
    """Milliseconds of each of *kinds* over all features, of one fresh pair: the first of those that share cells pays for them."""
    pair = Pair(found.binning, found.reference, found.current, tuple(range(len(found.binning.subjects))))
    spent = {}
    for statistic in [Statistic.member(kind)() for kind in kinds]:
        begun = perf_counter()
        statistic.score(pair)
        spent[statistic.kind_name()] = (perf_counter() - begun) * 1e3
    return spent


def window(found: Sides, kinds: tuple[str, ...] = USUAL) -> float:
    """Milliseconds from a closed window to the board of *kinds*."""
    start = datetime(2026, 11, 20, 10, tzinfo=UTC)
    profiles = {("1", "", Over()): found.current}
    closed = Closed("m", Window(start, start + timedelta(minutes=1)), "1", profiles, {("", Over()): 1}, {("", ""): found.reference}, {}, found.binning, "")
    needs = frozenset(Need(MeasureName("drift", kind)) for kind in kinds)
    begun = perf_counter()
    score(closed, needs)
    return (perf_counter() - begun) * 1e3


def _turns(measure: Callable[[], float]) -> list[float]:
    measure()
    return [measure() for _ in range(TURNS)]


def figures() -> list[Figure]:
    """Both figures; the table by statistic is printed."""
    wide, narrow = sides(900, 100), sides(40, 10)
    by_statistic(wide)
    each = [by_statistic(wide) for _ in range(TURNS)]
    say(table(["statistic", "ms over 1,000 features"], [[kind, f"{median([one[kind] for one in each]):.2f}"] for kind in EIGHT]))
    whole = [sum(one.values()) for one in each]
    board = _turns(lambda: window(narrow))
    return [
        Figure(
            "1,000 features x 8 statistics with p-values", "< 50 ms", f"{median(whole):.1f} ms ({min(whole):.1f} to {max(whole):.1f})", met=median(whole) < 50
        ),
        Figure(
            "a window's board, 50 features x 4 statistics", "< 5 ms", f"{median(board):.2f} ms ({min(board):.2f} to {max(board):.2f})", met=median(board) < 5
        ),
    ]


def main() -> int:
    """Measures and prints."""
    say(f"Machine: {machine()}\n{versions()}; one BLAS thread\n")
    found = figures()
    say("\n" + table(["figure", "asked", "measured", ""], [[each.what, each.asked, each.measured, "met" if each.met else "MISSED"] for each in found]))
    return 0 if all(each.met for each in found) else 1


if __name__ == "__main__":
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # numpy reads it as it is imported
        os.execve(sys.executable, [sys.executable, "-m", "tests.benchmarks.scoring"], {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})  # noqa: S606  ourselves
    sys.exit(main())
