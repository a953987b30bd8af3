"""`python -m tests.benchmarks.calibration [--quick]`: do calibrated bounds keep to their budget? Seeded; a few minutes.

Each case draws references from known distributions, calibrates a rule on each reference alone, and then counts how often the rule begins to fire over new,
quiet windows of rows from the same distributions, folded and scored as the line does. The interval is over references drawn again.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.figures import say, table
from watchtower.core.binning import fold_columns, make_binning, make_reference_profile
from watchtower.core.calibration import Request, Terms, calibrate, corrected
from watchtower.core.drawing import Source
from watchtower.core.firing import runs, transitions
from watchtower.core.naming import statistic_of
from watchtower.nouns.batch import Column, Floats, Ints, NumberColumn, TextColumn
from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import MeasureName, Over, Pair

AT_ONCE = 500
NAMES = tuple(f"n{i}" for i in range(40))
WEIGHTS = 1 / np.arange(1, 41) / (1 / np.arange(1, 41)).sum()
SHAPES: Mapping[str, Callable[[np.random.Generator, int], Column]] = {
    "normal": lambda rng, n: NumberColumn(rng.normal(size=n)),
    "lognormal": lambda rng, n: NumberColumn(rng.lognormal(sigma=1.0, size=n)),
    "counts": lambda rng, n: NumberColumn(rng.poisson(3, n).astype(float)),
    "zipf": lambda rng, n: TextColumn(rng.choice(40, n, p=WEIGHTS).astype(np.int32), NAMES),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A rule, the rows of a window and of the reference, and the budget: 1 alarm in *period* windows."""

    what: str
    measure: str
    rows: int
    reference: int
    period: int
    over: int = 1
    hold: int = 1
    significance: float | None = None


CASES = (
    Case("psi, effect alone", "drift.psi", 500, 10_000, 100),
    Case("psi, effect alone", "drift.psi", 500, 10_000, 1_000),
    Case("psi, hold 2", "drift.psi", 500, 10_000, 1_000, hold=2),
    Case("psi over 5", "drift.psi", 300, 10_000, 1_000, over=5),
    Case("jensen_shannon, small reference", "drift.jensen_shannon", 1_000, 2_000, 100),
    Case("wasserstein, heavy tail among them", "drift.wasserstein", 500, 10_000, 100),
    Case("psi and significance 0.05", "drift.psi", 500, 10_000, 100, significance=0.05),
)


def columns(rng: np.random.Generator, n: int) -> dict[str, Column]:
    """Two of each shape."""
    return {f"{name}{i}": shape(rng, n) for name, shape in SHAPES.items() for i in range(2)}


def measured(case: Case, references: int, windows: int, seed: int) -> tuple[Floats, list[float]]:
    """Alarms a window for each reference, and the bounds."""
    rates, bounds = [], []
    for number in range(references):
        rng = np.random.default_rng([seed, number])
        made = columns(rng, case.reference)
        binning = make_binning(made, {}, None, ())
        reference = make_reference_profile(binning, made, case.reference)
        subjects = tuple(i for i in range(len(binning.subjects)) if binning.types[i] in statistic_of(MeasureName.parse(case.measure)).types)
        terms = Terms(
            measure=MeasureName.parse(case.measure),
            over=Over(case.over),
            hold=case.hold,
            keep=0,
            no_data="keep",
            below=False,
            significance=case.significance,
            min_rows=None,
            times=1,
            period=case.period,
        )
        found = calibrate(Request(terms, {"": Source(binning, subjects, reference, np.array([case.rows]))}, seed=seed + number))
        assert found.bound is not None, found.reason
        values = quiet(case, binning, reference, subjects, windows, rng)
        rates.append(int(transitions(runs(values[:, None, :], hold=case.hold, keep=0, no_data="keep"), found.bound).sum()) / windows)
        bounds.append(found.bound)
    return np.array(rates), bounds


def quiet(case: Case, binning: Binning, reference: Profile, subjects: tuple[int, ...], windows: int, rng: np.random.Generator) -> Floats:
    """The rule's scores of new windows; -inf where they are not significant."""
    folded = [fold_columns(binning, columns(rng, case.rows), case.rows) for _ in range(windows + case.over - 1)]
    cells, moments = np.array([each[0] for each in folded]), np.array([each[1] for each in folded])
    cells, moments = (np.concatenate([np.zeros_like(each[:1]), np.cumsum(each, axis=0)]) for each in (cells, moments))
    cells, moments = cells[case.over :] - cells[: -case.over], moments[case.over :] - moments[: -case.over]
    parts = [scored(case, binning, reference, subjects, cells[i : i + AT_ONCE], moments[i : i + AT_ONCE]) for i in range(0, windows, AT_ONCE)]
    values, p_values = (np.concatenate(side) for side in zip(*parts, strict=True))
    if case.significance is None:
        return values
    return np.where(corrected(p_values) < case.significance, values, -np.inf)


def scored(case: Case, binning: Binning, reference: Profile, subjects: tuple[int, ...], cells: Ints, moments: Floats) -> tuple[Floats, Floats]:
    """Values and p-values of some windows at once, from their rows' own cells and moments."""
    count, every = len(cells), len(binning.subjects)
    offsets = (np.arange(count)[:, None] * binning.size + np.array(binning.offsets[:-1])).ravel()
    many = Binning("", binning.subjects * count, binning.types * count, binning.bins * count, (*offsets.tolist(), count * binning.size), {})
    oddities = np.zeros((count * every, 2), dtype=np.int64)
    there = Profile("", 1, 1.0, np.tile(reference.cells, count), np.tile(reference.moments, (count, 1)), oddities)
    here = Profile("", 1, 1.0, cells.ravel(), moments.reshape(count * every, 5), oddities)
    indexes = tuple(window * every + i for window in range(count) for i in subjects)
    scores = statistic_of(MeasureName.parse(case.measure)).score(Pair(many, there, here, indexes))
    return scores.values.reshape(count, len(subjects)), scores.p_values.reshape(count, len(subjects))


def main() -> int:
    """Prints the table; 1 where the lower end of an interval is over the budget."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.calibration", description="Calibrated bounds, held to their budget.")
    parser.add_argument("--quick", action="store_true", help="fewer references and windows")
    asked = parser.parse_args()
    os.nice(10)
    references, rows, over = 4 if asked.quick else 8, [], False
    for number, case in enumerate(CASES):
        windows = min(20 * case.period, 4_000) // (2 if asked.quick else 1)
        rates, bounds = measured(case, references, windows, 1_000 * number)
        again = np.random.default_rng(number).choice(rates, (2_000, references)).mean(axis=1)
        low, high = np.quantile(again, [0.025, 0.975]) * case.period
        alarms = f"{rates.mean() * case.period:.2f} ({low:.2f} to {high:.2f})"
        over |= bool(low > 1)
        rows.append(
            [case.what, f"{case.rows:,} of {case.reference:,}", f"1 per {case.period:,}", f"{np.mean(bounds):.3g}", alarms, f"{references} x {windows:,}"]
        )
    say("Alarms over quiet windows, 8 features, in the budget's period (95 % interval over references):\n")
    say(table(["rule", "rows of window and reference", "budget", "mean bound", "alarms", "references x windows"], rows))
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
