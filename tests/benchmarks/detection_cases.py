"""Made-up tables that drift in known ways, or not at all: seeded, numpy only, so that ours and each peer's interpreter read the same rows.

50 features: numbers ``n00`` … ``n39`` (normal, eight of them correlated; lognormal, exponential, uniform, counts, mostly zero) and categories ``c0`` … ``c9``
(2 to 100 values, the k-th about 1/k as frequent). A column of categories holds codes: k is the category ``v<k>``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Table = dict[str, Array]

SEED = 20_261_121
REFERENCES = 10
"""References of each kind: a window is compared with the one of its number modulo this."""
SMALL, LARGE = 20_000, 100_000
"""Rows of a reference, and of one for windows of at least 100,000 rows."""
STRETCH = 200
"""Windows over which drift is slow."""

NORMAL, CORRELATED = tuple(f"n{i:02d}" for i in range(16)), tuple(f"n{i:02d}" for i in range(8))
LOGNORMAL = tuple(f"n{i:02d}" for i in range(16, 24))
EXPONENTIAL, UNIFORM = tuple(f"n{i:02d}" for i in range(24, 28)), tuple(f"n{i:02d}" for i in range(28, 32))
POISSON, ZEROS = tuple(f"n{i:02d}" for i in range(32, 36)), tuple(f"n{i:02d}" for i in range(36, 40))
NUMBERS = NORMAL + LOGNORMAL + EXPONENTIAL + UNIFORM + POISSON + ZEROS
CATEGORIES = tuple(f"c{i}" for i in range(10))
VALUES = (2, 3, 5, 8, 10, 10, 20, 20, 50, 100)
RARE = 1_000
SD = {**dict.fromkeys(NORMAL, 1.0), **dict.fromkeys(LOGNORMAL, float(np.sqrt((np.exp(0.25) - 1) * np.exp(0.25))))}
"""Standard deviations of what is shifted."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    *reference* is the kind of rows that windows are compared with; *drift* what happens to a window's rows: it changes the table and says which
    features it changed. *slow*: windows come in stretches of 200, over which the drift grows; *yesterday*: ours compares with the same hour a day
    ago; *further*: another size of a row above, shown apart.
    """

    name: str
    rows: int
    reference: str = "plain"
    drift: "Callable[[Table, np.random.Generator, int], tuple[str, ...]] | None" = None
    slow: bool = False
    yesterday: bool = False
    further: bool = False

    @property
    def quiet(self) -> bool:
        """Whether nothing drifts."""
        return self.drift is None


def _draw_codes(rng: np.random.Generator, shares: Array, rows: int) -> Array:
    edges = np.cumsum(shares)
    return np.searchsorted(edges / edges[-1], rng.random(rows), side="right").astype(np.float64)


def _harmonic(values: int) -> Array:
    return 1 / np.arange(1, values + 1)


def _categories(rng: np.random.Generator, rows: int, values: tuple[int, ...], tilt: float = 0.0) -> Table:
    """Shares about 1/k; *tilt* moves mass between even and odd categories."""
    return {name: _draw_codes(rng, _harmonic(k) * (1 + tilt * (np.arange(k) % 2)), rows) for name, k in zip(CATEGORIES, values, strict=True)}


def _plain(rng: np.random.Generator, rows: int) -> Table:
    common = rng.standard_normal(rows)
    table: Table = {name: 0.7 * common + np.sqrt(1 - 0.49) * rng.standard_normal(rows) for name in CORRELATED}
    table |= {name: rng.standard_normal(rows) for name in NORMAL[len(CORRELATED) :]}
    table |= {name: np.exp(0.5 * rng.standard_normal(rows)) for name in LOGNORMAL}
    table |= {name: rng.standard_exponential(rows) for name in EXPONENTIAL}
    table |= {name: rng.random(rows) for name in UNIFORM}
    table |= {name: rng.poisson(4.0, rows).astype(np.float64) for name in POISSON}
    table |= {name: np.where(rng.random(rows) < 0.6, 0.0, rng.standard_exponential(rows)) for name in ZEROS}
    return table | _categories(rng, rows, VALUES)


def _heavy(rng: np.random.Generator, rows: int) -> Table:
    """Student's t with 2 degrees of freedom, Pareto with exponent 1.5, lognormal with σ = 2."""
    table: Table = {name: rng.standard_t(2.0, rows) for name in NUMBERS[:16]}
    table |= {name: 1 + rng.pareto(1.5, rows) for name in NUMBERS[16:28]}
    table |= {name: np.exp(2 * rng.standard_normal(rows)) for name in NUMBERS[28:]}
    return table | _categories(rng, rows, VALUES)


def _rare(rng: np.random.Generator, rows: int) -> Table:
    return {**_plain(rng, rows), **_categories(rng, rows, (RARE,) * len(CATEGORIES))}


def _at_hours(rng: np.random.Generator, hours: NDArray[np.int64]) -> Table:
    """Normal and lognormal numbers move by half a standard deviation over the day, each with its own phase; two categories change their mix."""
    rows, table = len(hours), _plain(rng, len(hours))
    for i, name in enumerate(NORMAL + LOGNORMAL):
        table[name] = table[name] + 0.5 * SD[name] * np.sin(2 * np.pi * (hours / 24 + i / 24))
    night = hours < 8
    other = _categories(rng, rows, VALUES, tilt=1.0)
    for name in ("c3", "c6"):
        table[name] = np.where(night, other[name], table[name])
    return table


def _rhythm(rng: np.random.Generator, rows: int) -> Table:
    return _at_hours(rng, rng.integers(0, 24, rows))


KINDS: Mapping[str, Callable[[np.random.Generator, int], Table]] = {"plain": _plain, "heavy": _heavy, "rare": _rare, "rhythm": _rhythm}


def _shifted(by: float, slow: bool = False) -> Callable[[Table, np.random.Generator, int], tuple[str, ...]]:  # noqa: FBT001, FBT002  a table of cases
    """One normal or lognormal feature (another in each window or stretch) moves by *by* standard deviations."""

    def drift(table: Table, _: np.random.Generator, window: int) -> tuple[str, ...]:
        turn, share = (window // STRETCH, (window % STRETCH + 1) / STRETCH) if slow else (window, 1.0)
        name = (NORMAL + LOGNORMAL)[turn % 24]
        table[name] = table[name] + by * share * SD[name]
        return (name,)

    return drift


def _correlated(table: Table, _: np.random.Generator, __: int) -> tuple[str, ...]:
    for name in CORRELATED:
        table[name] = table[name] + 0.1
    return CORRELATED


def _wider(table: Table, _: np.random.Generator, window: int) -> tuple[str, ...]:
    name = NORMAL[window % len(NORMAL)]
    table[name] = 1.25 * table[name]
    return (name,)


def _heavy_shifted(table: Table, _: np.random.Generator, window: int) -> tuple[str, ...]:
    """A fifth more: about 0.2 of the interquartile range for the positive ones; Student's moves by 0.3."""
    name = NUMBERS[window % len(NUMBERS)]
    table[name] = table[name] + 0.3 if name in NUMBERS[:16] else 1.2 * table[name]
    return (name,)


def _new_category(table: Table, rng: np.random.Generator, window: int) -> tuple[str, ...]:
    name = CATEGORIES[window % len(CATEGORIES)]
    table[name] = np.where(rng.random(len(table[name])) < 0.02, RARE + 1, table[name])
    return (name,)


def _rescaled(table: Table, _: np.random.Generator, window: int) -> tuple[str, ...]:
    name = NUMBERS[window % len(NUMBERS)]
    table[name] = 100 * table[name]
    return (name,)


def _nulls(table: Table, rng: np.random.Generator, window: int) -> tuple[str, ...]:
    name = NUMBERS[window % len(NUMBERS)]
    table[name] = np.where(rng.random(len(table[name])) < 0.05, np.nan, table[name])
    return (name,)


CASES = (
    Case("no drift, 100 rows", 100),
    Case("no drift, 1,000 rows", 1_000),
    Case("no drift, 10,000 rows", 10_000),
    Case("no drift, 100,000 rows", 100_000),
    Case("no drift, 1,000,000 rows", 1_000_000),
    Case("no drift, daily rhythm", 10_000, "rhythm", yesterday=True),
    Case("no drift, heavy tails", 10_000, "heavy"),
    Case("no drift, rare categories", 10_000, "rare"),
    Case("no drift, 200 windows in a row", 1_000, slow=True),
    Case("1 of 50 shifted by 0.1 sd", 10_000, drift=_shifted(0.1)),
    Case("1 of 50 shifted by 0.3 sd", 10_000, drift=_shifted(0.3)),
    Case("1 of 50 shifted by 1 sd", 10_000, drift=_shifted(1.0)),
    Case("1 of 50 shifted by 0.1 sd, 1,000 rows", 1_000, drift=_shifted(0.1), further=True),
    Case("1 of 50 shifted by 0.3 sd, 1,000 rows", 1_000, drift=_shifted(0.3), further=True),
    Case("1 of 50 shifted by 1 sd, 100 rows", 100, drift=_shifted(1.0), further=True),
    Case("1 of 50 shifted by 0.1 sd, 100,000 rows", 100_000, drift=_shifted(0.1), further=True),
    Case("daily rhythm, 1 of 50 shifted by 0.3 sd", 10_000, "rhythm", _shifted(0.3), yesterday=True),
    Case("heavy tails, 1 of 50 shifted", 10_000, "heavy", _heavy_shifted),
    Case("a new category in 2 % of the rows", 10_000, drift=_new_category),
    Case("a unit change (x100)", 10_000, drift=_rescaled),
    Case("nulls from 0 to 5 %", 10_000, drift=_nulls),
    Case("8 correlated shifted by 0.1 sd", 10_000, drift=_correlated),
    Case("sd 1.25 times, the same mean", 10_000, drift=_wider),
    Case("slow: to 0.2 sd over 200 windows", 1_000, drift=_shifted(0.2, slow=True), slow=True),
)
BY_NAME = {case.name: case for case in CASES}


def _generator(*what: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([SEED, *what]))


def reference(case: Case, window: int) -> tuple[tuple[str, int, int], Table]:
    """What *window* of *case* is compared with, after the key that tells it from others; stretches keep one reference."""
    turn = window // STRETCH if case.slow else window
    key = case.reference, LARGE if case.rows >= LARGE else SMALL, turn % REFERENCES
    return key, KINDS[case.reference](_generator(1, list(KINDS).index(case.reference), *key[1:]), key[1])


def windowed(case: Case, window: int, rows: int | None = None, part: int = 0) -> tuple[Table, tuple[str, ...]]:
    """The rows of one window and the features that drifted; *rows* and *part*: only a piece of it, so that a million rows need not be held."""
    rng = _generator(2, CASES.index(case), window, part)
    size = case.rows if rows is None else rows
    table = _at_hours(rng, np.full(size, window % 24)) if case.reference == "rhythm" else KINDS[case.reference](rng, size)
    return table, case.drift(table, rng, window) if case.drift is not None else ()


def yesterday(case: Case, window: int) -> Table:
    """The same hour a day ago, without drift."""
    return _at_hours(_generator(3, CASES.index(case), window), np.full(case.rows, window % 24))
