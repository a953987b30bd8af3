"""`python -m tests.benchmarks.peers.verdict WAY ROWS`: one window's verdict over 50 columns, timed in the interpreter of whom it is about. JSON out.

40 normal numbers and 10 columns of strings (20 values), 2 % of both missing; a reference of 100,000 rows. What is timed begins with the window's columns in
memory, in the form that the way takes (pandas frames with strings; matrices of numbers for Alibi Detect, which gets no missing values: it cannot),
and ends with a verdict on each column. Reading the reference is not timed.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tests.benchmarks.detection_cases import Array, Table
from tests.benchmarks.peers.run import SILENT, versions

REFERENCE = 100_000
NUMBERS, TEXTS = tuple(f"n{i:02d}" for i in range(40)), tuple(f"c{i}" for i in range(10))
VALUES = tuple(f"category {i}" for i in range(20))
MISSING = 0.02
LONG = 1.0
"""Seconds above which a verdict is timed once."""
Verdict = Callable[[], object]


def rows(count: int, seed: int) -> Table:
    """Numbers, and codes of VALUES; NaN where missing."""
    rng = np.random.default_rng(seed)

    def some(values: Array) -> Array:
        values[rng.random(count) < MISSING] = np.nan
        return values

    table: Table = {name: some(rng.standard_normal(count)) for name in NUMBERS}
    return table | {name: some(np.floor(20 * rng.random(count) ** 2)) for name in TEXTS}


def _frame(table: Table) -> Any:
    pandas = import_module("pandas")
    names = np.array([*VALUES, None], dtype=object)
    texts = {name: names[np.where(np.isnan(table[name]), len(VALUES), table[name]).astype(int)] for name in TEXTS}
    return pandas.DataFrame({name: texts.get(name, column) for name, column in table.items()})


def evidently_psi(reference: Table, window: Table) -> Verdict:
    """A report of 50 ValueDrift with PSI."""
    drift = import_module("evidently.metrics").ValueDrift
    return _evidently(reference, window, [drift(column=name, method="psi") for name in (*NUMBERS, *TEXTS)])


def evidently_preset(reference: Table, window: Table) -> Verdict:
    """A report of DataDriftPreset."""
    return _evidently(reference, window, [import_module("evidently.presets").DataDriftPreset()])


def _evidently(reference: Table, window: Table, metrics: list[Any]) -> Verdict:
    evidently = import_module("evidently")
    definition = evidently.DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=list(TEXTS))
    there, here = (evidently.Dataset.from_pandas(_frame(each), data_definition=definition) for each in (reference, window))
    return lambda: evidently.Report(metrics).run(here, there).dict()


def nannyml(reference: Table, window: Table) -> Verdict:
    """Kolmogorov-Smirnov and chi-square; its `fit` is not timed."""
    calculator = import_module("nannyml").UnivariateDriftCalculator(
        column_names=[*NUMBERS, *TEXTS], continuous_methods=["kolmogorov_smirnov"], categorical_methods=["chi2"], chunk_number=1
    )
    calculator.fit(_frame(reference))
    frame = _frame(window)
    return lambda: calculator.calculate(frame).to_df()


def alibi(reference: Table, window: Table) -> Verdict:
    """TabularDrift."""

    def matrix(table: Table) -> Array:
        return np.column_stack([np.nan_to_num(column) for column in table.values()])

    kinds = dict.fromkeys(range(len(NUMBERS), len(NUMBERS) + len(TEXTS)))
    detector = import_module("alibi_detect.cd").TabularDrift(matrix(reference), p_val=0.05, categories_per_feature=kinds)
    mine = matrix(window)
    return lambda: detector.predict(mine)


def whylogs(reference: Table, window: Table) -> Verdict:
    """A profile of the window, and its drift scores (Kolmogorov-Smirnov, chi-square) against the reference's profile."""
    why, scores = import_module("whylogs"), import_module("whylogs.viz.drift.column_drift_algorithms").calculate_drift_scores
    there, frame = why.log(_frame(reference)).view(), _frame(window)
    return lambda: scores(target_view=why.log(frame).view(), reference_view=there, with_thresholds=True)


WAYS: dict[str, tuple[str, tuple[str, ...], Callable[[Table, Table], Verdict]]] = {
    "Evidently, 50 ValueDrift PSI": ("evidently", ("evidently", "numpy", "pandas"), evidently_psi),
    "Evidently, DataDriftPreset": ("evidently", ("evidently", "numpy", "pandas"), evidently_preset),
    "NannyML, KS + chi2 (without fit)": ("nannyml", ("nannyml", "numpy", "pandas"), nannyml),
    "Alibi Detect, TabularDrift": ("alibi", ("alibi-detect", "numpy", "scipy"), alibi),
    "whylogs, profile + KS/chi2": ("whylogs", ("whylogs", "numpy", "scipy"), whylogs),
}
"""Way -> the virtual environment, whose versions are noted, how."""


def timed(verdict: Verdict, most: int) -> tuple[float, float]:
    """CPU and wall seconds of one verdict: the medians of *most*; of one where it takes long."""
    taken: list[tuple[float, float]] = []
    while len(taken) < most and (not taken or taken[0][1] < LONG):
        cpu, wall = time.process_time(), time.perf_counter()
        verdict()
        taken.append((time.process_time() - cpu, time.perf_counter() - wall))
    return float(np.median([each for each, _ in taken])), float(np.median([each for _, each in taken]))


def main() -> None:
    """Warms up on a small window, then times the large one."""
    os.environ.update(SILENT)
    import_module("logging").disable()
    _, packages, way = WAYS[sys.argv[1]]
    reference = rows(REFERENCE, 1)
    way(reference, rows(1_000, 2))()
    verdict = way(reference, rows(int(sys.argv[2]), 3))
    cpu, wall = timed(verdict, 5)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    json.dump({"cpu": cpu, "wall": wall, "bytes": largest, "versions": versions(packages)}, sys.stdout)


if __name__ == "__main__":
    main()
