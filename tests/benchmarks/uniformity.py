"""`python -m tests.benchmarks.uniformity [--quick]`: how uniform the homogeneity p-value of psi and its kin is where nothing drifted.

Each trial draws a reference and a window from one distribution and scores them with our own cells. Categories that the reference never had are
*unseen*, as they are on the line. Of numbers the reference's cells are its own quantiles, so the true masses between them are Dirichlet, exactly.
Fixed seeds. Exits 1 where significance comes twice as often as asked: a lower Wilson limit (99.9 %) above twice the asked share.
Where no cell is expected to hold 5 rows of the smaller sample one cell is left: value 0, p-value 1, and a KS distance of 1.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from tests.benchmarks.figures import say, table
from watchtower.core.merging import empty
from watchtower.nouns.batch import FeatureType, Floats, Ints
from watchtower.nouns.binning import Binning, Bins, CategoryBins, NumericBins
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Pair
from watchtower.statistics._cells import cells
from watchtower.statistics._homogeneity import homogeneity

ASKED = (0.001, 0.01, 0.05, 0.5)
PIECE = 500
"""Trials that are scored at once, each a feature of one pair."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is drawn: *shape* is equal, zipf (categories) or numbers (quantile cells); *k* cells; rows of reference and window."""

    shape: str
    k: int
    there: int
    here: int


def draw(case: Case, trials: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """p-values, and compared cells, of *trials* trials."""
    p_values, kept = [], []
    for first in range(0, trials, PIECE):
        size = min(PIECE, trials - first)
        sides = _numbers(case, size, rng) if case.shape == "numbers" else _categories(case, size, rng)
        p_values.append(homogeneity(sides, 64))
        kept.append(cells(sides, 64).count.astype(float))
    return np.concatenate(p_values), np.concatenate(kept)


def _categories(case: Case, size: int, rng: np.random.Generator) -> Pair:
    mass = np.ones(case.k) if case.shape == "equal" else 1 / np.arange(1.0, case.k + 1)
    there, here = (rng.multinomial(rows, mass / mass.sum(), size) for rows in (case.there, case.here))
    new = there == 0
    extra = [np.zeros((size, 3), dtype=np.int64) for _ in range(2)]
    extra[1][:, 1] = (here * new).sum(axis=1)
    bins = CategoryBins(tuple(f"n{i}" for i in range(case.k)))
    return _pair(bins, FeatureType.CATEGORICAL, np.hstack([there, extra[0]]), np.hstack([here * ~new, extra[1]]))


def _numbers(case: Case, size: int, rng: np.random.Generator) -> Pair:
    there = np.tile(np.diff(np.floor(np.linspace(0, case.there, case.k + 1))).astype(np.int64), (size, 1))
    true = rng.dirichlet([*there[0].tolist(), 1.0, 1.0], size)
    here = np.array([rng.multinomial(case.here, each) for each in true])
    bins = NumericBins(np.arange(case.k + 1.0), np.zeros(case.k), 0.0, 1.0)
    return _pair(bins, FeatureType.NUMERIC, np.hstack([there, np.zeros((size, 3), dtype=np.int64)]), np.hstack([here, np.zeros((size, 1), dtype=np.int64)]))


def _pair(bins: Bins, kind: FeatureType, there: Ints, here: Ints) -> Pair:
    size, width = there.shape
    binning = Binning("b", tuple(f"t{i}" for i in range(size)), (kind,) * size, (bins,) * size, tuple(range(0, (size + 1) * width, width)), {})

    def profile(counts: Ints) -> Profile:
        return replace(empty(binning), rows=int(counts[0].sum()), cells=counts.ravel())

    return Pair(binning, profile(there), profile(here), tuple(range(size)))


def wilson(hits: int, n: int, z: float) -> tuple[float, float]:
    """Wilson's interval of a share."""
    share = hits / n
    middle, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def distance(p_values: Floats) -> float:
    """Kolmogorov-Smirnov distance to the uniform distribution."""
    ordered, n = np.sort(p_values), len(p_values)
    return float(np.maximum(np.arange(1, n + 1) / n - ordered, ordered - np.arange(n) / n).max())


def cases() -> Iterator[tuple[Case, int]]:
    """Every case, and its trials."""
    for there in (10_000, 1_000_000):
        for here in (200, 10_000, 1_000_000):
            for k in (3, 10, 64, 1_000):
                yield Case("equal", k, there, here), 20_000 if k < 1_000 else 4_000
            for k in (64, 1_000):
                yield Case("zipf", k, there, here), 20_000 if k < 1_000 else 4_000
            for k in (10, 64):
                yield Case("numbers", k, there, here), 20_000


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.uniformity", description="Is the p-value of psi uniform where nothing drifted?")
    parser.add_argument("--quick", action="store_true", help="a tenth of the trials")
    quick = parser.parse_args().quick
    rows, too_often = [], []
    for number, (case, wanted) in enumerate(cases()):
        trials = wanted // 10 if quick else wanted
        p_values, kept = draw(case, trials, np.random.default_rng([71, number]))
        found = []
        for level in ASKED:
            hits = int((p_values < level).sum())
            low, high = wilson(hits, trials, 1.96)
            found.append(f"{hits / trials:.4f} ({low:.4f}-{high:.4f})")
            if wilson(hits, trials, 3.29)[0] > 2 * level:
                too_often.append(f"{case}: p < {level} in {hits / trials:.4f}")
        rows.append([case.shape, case.k, f"{case.there:,}", f"{case.here:,}", f"{kept.mean():.1f}", *found, f"{distance(p_values):.3f}"])
    say(table(["shape", "k", "n_r", "n_c", "cells left", *(f"p < {level}" for level in ASKED), "KS"], rows))
    say("\n" + ("\n".join(["Twice as often as asked:", *too_often]) if too_often else "Nowhere twice as often as asked."))
    return 1 if too_often else 0


if __name__ == "__main__":
    sys.exit(main())
