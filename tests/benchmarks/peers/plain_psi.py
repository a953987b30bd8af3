"""Plain PSI on the reference's deciles, as it is written in a hundred notebooks: an alarm above 0.2."""

from collections.abc import Mapping

import numpy as np

from tests.benchmarks.detection_cases import Array, Table
from tests.benchmarks.peers import Found, Peer

BOUND = 0.2
LEAST = 1e-4
"""An empty bin's share."""


class PlainPsi(Peer):
    """Sum of (q - p) ln(q / p) over ten bins (or the categories), empty bins count as 0.0001; missing rows are left out."""

    packages = ("numpy",)

    def fit(self, reference: Table, rows: int) -> None:  # noqa: ARG002  the same for all
        self.edges = {name: np.unique(np.quantile(column, np.arange(1, 10) / 10)) for name, column in reference.items() if name.startswith("n")}
        self.shares = {name: self._shares(name, column) for name, column in reference.items()}

    def _shares(self, name: str, column: Array) -> Array:
        if name in self.edges:
            there = column[~np.isnan(column)]
            counts = np.bincount(np.searchsorted(self.edges[name], there, side="right"), minlength=len(self.edges[name]) + 1)
        else:
            counts = np.bincount(column.astype(np.int64), minlength=1_002)
        shares: Array = counts / counts.sum()
        return shares

    def score(self, window: Table) -> Mapping[str, Found]:
        found = {}
        for name, column in window.items():
            p, q = self.shares[name], self._shares(name, column)
            there = (p > 0) | (q > 0)
            p, q = np.maximum(p[there], LEAST), np.maximum(q[there], LEAST)
            psi = float(np.sum((q - p) * np.log(q / p)))
            found[name] = Found(psi, psi > BOUND)
        return found
