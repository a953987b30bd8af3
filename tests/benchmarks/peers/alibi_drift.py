"""Alibi Detect: TabularDrift with its defaults (Kolmogorov-Smirnov and chi-square, p 0.05 with Bonferroni's correction)."""

from collections.abc import Mapping
from importlib import import_module

import numpy as np

from tests.benchmarks.detection_cases import CATEGORIES, NUMBERS, Array, Table
from tests.benchmarks.peers import Found, Peer

SMALLEST = 1e-300
FEATURES = (*NUMBERS, *CATEGORIES)


def _matrix(table: Table) -> Array:
    return np.column_stack([table[name].astype(np.float64) for name in FEATURES])


class AlibiDrift(Peer):
    """The score is -log10 of the feature's p-value; a NaN is no alarm, as there."""

    packages = ("alibi-detect", "numpy", "scipy")

    def fit(self, reference: Table, rows: int) -> None:  # noqa: ARG002  the same for all
        kinds = {i: None for i, name in enumerate(FEATURES) if name in CATEGORIES}
        self.detector = import_module("alibi_detect.cd").TabularDrift(_matrix(reference), p_val=0.05, categories_per_feature=kinds)

    def score(self, window: Table) -> Mapping[str, Found]:
        told = self.detector.predict(_matrix(window), drift_type="batch", return_p_val=True)["data"]
        bound, p_values = told["threshold"], told["p_val"]
        return {name: Found(float(-np.log10(max(p, SMALLEST))) if p == p else 0.0, bool(p < bound)) for name, p in zip(FEATURES, p_values, strict=True)}  # noqa: PLR0124  NaN
