"""NannyML: univariate drift with its defaults (Jensen-Shannon, an alarm above mean + 3 sd over the reference's chunks)."""

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from tests.benchmarks.detection_cases import Table
from tests.benchmarks.peers import Found, Peer
from tests.benchmarks.peers.evidently_drift import series

CHUNKS = 10
"""The fewest chunks of the reference that a spread is taken of: windows above a tenth of the reference have smaller chunks there."""


class NannymlDrift(Peer):
    """A chunk is a day: days of the reference have as many rows as windows will have. The score is (value - mean) / sd over the reference's chunks."""

    packages = ("nannyml", "numpy", "scipy", "pandas")

    def _frame(self, table: Table, chunk: int) -> Any:
        pandas = import_module("pandas")
        frame = pandas.DataFrame(series(table))
        frame["at"] = pandas.Timestamp("2026-01-01") + pandas.to_timedelta(np.arange(len(frame)) // chunk, unit="D")
        return frame

    def fit(self, reference: Table, rows: int) -> None:
        logging.disable(logging.WARNING)
        import_module("warnings").simplefilter("ignore")
        frame = self._frame(reference, min(rows, len(reference["n00"]) // CHUNKS))
        self.names = [name for name in frame.columns if name != "at"]
        nannyml = import_module("nannyml")
        self.calculator = nannyml.UnivariateDriftCalculator(column_names=self.names, timestamp_column_name="at", chunk_period="D")
        self.calculator.fit(frame)
        told = self.calculator.result.filter(period="reference").to_df()
        self.spread = {}
        for name in self.names:
            values = told[name, "jensen_shannon", "value"].to_numpy(dtype=float)
            self.spread[name] = float(np.nanmean(values)), float(np.nanstd(values))

    def score(self, window: Table) -> Mapping[str, Found]:
        told = self.calculator.calculate(self._frame(window, len(window["n00"]))).filter(period="analysis").to_df()
        found = {}
        for name in self.names:
            mean, sd = self.spread[name]
            value = float(told[name, "jensen_shannon", "value"].iloc[0])
            found[name] = Found((value - mean) / max(sd, 1e-12), bool(told[name, "jensen_shannon", "alert"].iloc[0]))
        return found
