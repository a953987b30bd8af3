"""Seeded samples of every manner, and pairs in which each value has a bin of its own (so that binning hides nothing)."""

from collections.abc import Callable, Mapping

import numpy as np

from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.nouns.batch import FeatureType, Floats, NumberColumn
from watchtower.nouns.binning import NumericBins
from watchtower.nouns.score import Pair
from watchtower.nouns.settings import FeatureSettings

Draw = Callable[[np.random.Generator, int], Floats]

DRAWS: Mapping[str, Draw] = {
    "normal": lambda rng, n: rng.normal(10, 3, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "pareto": lambda rng, n: rng.pareto(1.2, n),
    "uniform": lambda rng, n: rng.random(n),
    "zero-inflated": lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, rng.lognormal(0, 1, n)),
    "integers": lambda rng, n: rng.poisson(4, n).astype(np.float64),
    "many integers": lambda rng, n: rng.integers(0, 2_000, n).astype(np.float64),
    "two humps": lambda rng, n: np.where(rng.random(n) < 0.3, rng.normal(-50, 1, n), rng.normal(50, 5, n)),
}
CHANGES: Mapping[str, Callable[[Floats], Floats]] = {
    "same": lambda x: x,
    "moved": lambda x: x + 0.3 * (np.quantile(x, 0.75) - np.quantile(x, 0.25) + 1),
    "wider": lambda x: np.median(x) + 1.5 * (x - np.median(x)),
    "elsewhere": lambda x: x + 1e4,
}


def samples(draw: str, change: str, seed: int, there: int = 4_000, here: int = 900) -> tuple[Floats, Floats]:
    """Reference and window."""
    rng = np.random.default_rng([seed, list(DRAWS).index(draw)])
    return DRAWS[draw](rng, there), CHANGES[change](DRAWS[draw](rng, here))


def binned(reference: Floats, current: Floats) -> Pair:
    """Under the reference's own fine bins, as on the line."""
    return _pair(reference, current, None)


def exactly(reference: Floats, current: Floats) -> Pair:
    """Under edges by hand at both sides of every value."""
    distinct = np.unique(np.concatenate([reference, current]))
    return _pair(reference, current, tuple(np.unique(np.concatenate([distinct, np.nextafter(distinct, np.inf)])).tolist()))


def _pair(reference: Floats, current: Floats, edges: tuple[float, ...] | None) -> Pair:
    there, here = {"x": NumberColumn(reference)}, {"x": NumberColumn(current)}
    binning = make_binning(there, {"x": FeatureSettings(type=FeatureType.NUMERIC, edges=edges)}, None, ())
    return Pair(binning, make_reference_profile(binning, there, len(reference)), make_reference_profile(binning, here, len(current)), (0,))


def inside(pair: Pair) -> tuple[NumericBins, Floats, Floats]:
    """The bins, and the shares of both sides in the inside cells."""
    bins = pair.binning.bins[0]
    assert isinstance(bins, NumericBins)
    there, here = (profile.cells[: bins.inside] / profile.cells[:-1].sum() for profile in (pair.reference, pair.current))
    return bins, there, here
