"""Features that break statistics: each as (reference, window), folded as the line folds them."""

from collections.abc import Mapping

import numpy as np

from tests.statistics.pairs import Values
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.edges.tables import as_column
from watchtower.nouns.batch import Column, FeatureType
from watchtower.nouns.score import Pair

RNG = np.random.default_rng(2026)
N, M = 2_000, 600
NAN = float("nan")
FIRST, LAST = RNG.normal(size=N), RNG.normal(size=M)

CASES: Mapping[str, tuple[Values, Values]] = {
    "ties": (np.round(FIRST), np.round(LAST)),
    "zero inflation": (np.where(RNG.random(N) < 0.9, 0.0, np.exp(FIRST)), np.where(RNG.random(M) < 0.8, 0.0, np.exp(LAST))),
    "constant reference": ([3.0] * N, LAST),
    "constant on both sides": ([3.0] * N, [3.0] * M),
    "constant window": (FIRST, [3.0] * M),
    "all missing in the window": (FIRST, [NAN] * M),
    "all missing in the reference": ([NAN] * N, LAST),
    "all missing on both sides": ([NAN] * N, [NAN] * M),
    "unseen categories": (["a", "b"] * (N // 2), ["c", "d", "e"] * (M // 3)),
    "no category missing before": (["a", "b"] * (N // 2), [None] * M),
    "infinite": (np.where(RNG.random(N) < 0.1, np.inf, FIRST), np.where(RNG.random(M) < 0.3, -np.inf, LAST)),
    "only infinite": (FIRST, [np.inf] * M),
    "huge": (FIRST, np.where(RNG.random(M) < 0.5, 1e308, -1e308)),
    "huge in the reference": (np.where(RNG.random(N) < 0.5, 1e308, -1e308), LAST),
    "huge on both sides": (FIRST * 1e300, LAST * 1e300),
    "too large for their squares": (FIRST, [1e160] * M),
    "denormal": (np.abs(FIRST) * 5e-320, np.abs(LAST) * 5e-320),
    "denormal window": (FIRST, np.abs(LAST) * 5e-320),
    "integers": (RNG.integers(0, 50, N).astype(float), RNG.integers(0, 50, M).astype(float)),
    "booleans": (RNG.integers(0, 2, N).astype(float), RNG.integers(0, 2, M).astype(float)),
    "heavy tails": (RNG.standard_cauchy(N), RNG.standard_cauchy(M)),
    "another unit": (FIRST, LAST * 1e9),
    "a thousand categories": ([f"n{i}" for i in RNG.integers(0, 1_000, N)], [f"n{i}" for i in RNG.integers(0, 1_200, M)]),
    "one category": (["a"] * N, ["a"] * M),
    "one reference row": ([1.0], LAST),
}
"""What must have a score or a reason."""

SOUND: tuple[Values, Values] = (FIRST, LAST + 0.2)
"""A feature that is fine, to stand beside."""


def column(values: Values) -> Column:
    """As a reference file's column: infinite numbers are missing."""
    listed = list(values)
    kind = FeatureType.CATEGORICAL if any(isinstance(each, str) for each in listed) else FeatureType.NUMERIC
    return as_column(listed, kind)


def features(cases: Mapping[str, tuple[Values, Values]], min_rows: int | None = None) -> Pair:
    """Both sides of *cases*, each a feature by its name; the window's columns are of the reference's types."""
    there = {name: column(first) for name, (first, _) in cases.items()}
    binning = make_binning(there, {}, None, ())
    here = {name: as_column(list(last), binning.types[binning.subjects.index(name)]) for name, (_, last) in cases.items()}
    reference, current = make_reference_profile(binning, there, N), make_reference_profile(binning, here, M)
    return Pair(binning, reference, current, tuple(range(len(binning.subjects))), min_rows)
