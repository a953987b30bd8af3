"""Evidently: the tests and thresholds that its DataDriftPreset picks (for a reference above 1,000 rows: normed Wasserstein and Jensen-Shannon, 0.1)."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tests.benchmarks.detection_cases import CATEGORIES, Table
from tests.benchmarks.peers import Found, Peer


def series(table: Table) -> "dict[str, Any]":  # numbers as they are, categories as text
    """The columns as pandas series."""
    pandas = import_module("pandas")
    names = [f"v{i}" for i in range(1_002)]
    return {
        name: pandas.Series([names[code] for code in column.astype(int).tolist()], dtype="object") if name in CATEGORIES else pandas.Series(column)
        for name, column in table.items()
    }


class EvidentlyDrift(Peer):
    """Its own test functions, called as its reports do, less the plots (`check` says whether a report has the same numbers)."""

    packages = ("evidently", "numpy", "scipy", "pandas")

    def fit(self, reference: Table, rows: int) -> None:  # noqa: ARG002  the same for all
        self.registry = import_module("evidently.legacy.calculations.stattests.registry")
        self.kinds = import_module("evidently.legacy.core").ColumnType
        self.reference = series(reference)

    def score(self, window: Table) -> Mapping[str, Found]:
        found = {}
        for name, column in series(window).items():
            kind = self.kinds.Categorical if name in CATEGORIES else self.kinds.Numerical
            current, there = column.dropna(), self.reference[name]
            test = self.registry.get_stattest(there, current, kind.value, None)
            result = test(there, current, kind, None)
            found[name] = Found(float(result.drift_score), bool(result.drifted))
        return found

    def check(self, reference: Table, window: Table) -> float:
        """The largest difference to the scores in a report of DataDriftPreset over the same rows."""
        evidently, pandas = import_module("evidently"), import_module("pandas")
        preset = import_module("evidently.presets").DataDriftPreset()
        definition = evidently.DataDefinition(numerical_columns=[n for n in window if n not in CATEGORIES], categorical_columns=list(CATEGORIES))
        there, here = (evidently.Dataset.from_pandas(pandas.DataFrame(series(each)), data_definition=definition) for each in (reference, window))
        told = evidently.Report([preset]).run(here, there).dict()["metrics"]
        self.fit(reference, 0)
        ours = self.score(window)
        theirs = {each["config"]["column"]: float(each["value"]) for each in told if "column" in each.get("config", {})}
        return max(abs(theirs[name] - ours[name].score) for name in ours)
