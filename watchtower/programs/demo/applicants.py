"""The people of the demo's story: applicants for a loan, and whether they will pay late."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from watchtower.nouns.batch import Floats, Ints

NUMERIC = ("income", "amount", "debt_share", "age", "late_payments")
LOGGED = ("income", "amount")
"""Features whose logarithm a model reads."""
PURPOSES = ("car", "education", "home", "renovation", "travel")
_SHARES = (0.3, 0.15, 0.3, 0.15, 0.1)
_EFFECTS = np.array([-1.3, 1.0, 1.5, -0.6, 1.2])
_RISK = np.array([0.1, -0.5, -0.8, 0.2, 1.0])
_CENTRE = np.array([10.3, 9.2, 0.33, 42.0, 0.8])
_VOUCHED = (-0.6, 0.6)
_SPREAD = np.array([0.5, 0.6, 0.18, 12.0, 0.9])


@dataclass(frozen=True, slots=True, eq=False)
class Applicants:
    """n rows: *numeric* float64[n, 5] in the order of NUMERIC, *purpose* int64[n] into PURPOSES."""

    numeric: Floats
    purpose: Ints

    def __len__(self) -> int:
        return len(self.purpose)

    def columns(self) -> dict[str, list[float] | list[str]]:
        """By feature, as plain values."""
        numbers: dict[str, list[float] | list[str]] = {name: self.numeric[:, i].tolist() for i, name in enumerate(NUMERIC)}
        return numbers | {"purpose": [PURPOSES[code] for code in self.purpose]}


@dataclass(frozen=True, slots=True)
class Moved:
    """How the inputs drift: numeric features by a factor."""

    factors: Mapping[str, float]

    def __str__(self) -> str:
        return ", ".join(f"{name} x {factor:.2f}" for name, factor in self.factors.items())


def some_drift(rng: np.random.Generator) -> Moved:
    """Two inputs drift: times get worse, or loans larger."""
    pairs = ({"income": 0.4, "debt_share": 1.5}, {"amount": 2.5, "debt_share": 1.5}, {"income": 0.42, "amount": 2.0})
    return Moved({name: factor * float(rng.uniform(0.95, 1.05)) for name, factor in pairs[int(rng.integers(len(pairs)))].items()})


def draw(rng: np.random.Generator, rows: int, moved: Moved | None = None) -> Applicants:
    """*rows* new applicants, rounded as a form would have them."""
    income, amount = rng.lognormal(10.3, 0.5, rows), rng.lognormal(9.2, 0.6, rows)
    debt, age, late = rng.beta(2, 4, rows), np.clip(rng.normal(42, 12, rows), 18, 85), rng.poisson(0.8, rows).astype(float)
    numeric = np.stack([income, amount, debt, age, late], axis=1)
    for name, factor in (moved.factors if moved else {}).items():
        numeric[:, NUMERIC.index(name)] *= factor
    numeric = np.stack([np.round(numeric[:, i], digits) for i, digits in enumerate((0, 0, 3, 0, 0))], axis=1)
    return Applicants(numeric, rng.choice(len(PURPOSES), rows, p=_SHARES).astype(np.int64))


def readable(numeric: Floats) -> Floats:
    """What a model reads: float64[n, 5] with the logarithms of LOGGED in their columns."""
    read = numeric.copy()
    for name in LOGGED:
        read[:, NUMERIC.index(name)] = np.log(read[:, NUMERIC.index(name)])
    return read


def pays_late(rng: np.random.Generator, applicants: Applicants) -> Floats:
    """The truth, float64[n] of 0 and 1.

    Debts weigh more on those who were late before, and from some point on neither a smaller income nor a larger loan adds to the risk
    (somebody vouches for them): a straight model that never saw such applicants cannot know.
    """
    scaled = (readable(applicants.numeric) - _CENTRE) / _SPREAD
    income, amount = NUMERIC.index("income"), NUMERIC.index("amount")
    scaled[:, income], scaled[:, amount] = np.maximum(scaled[:, income], _VOUCHED[0]), np.minimum(scaled[:, amount], _VOUCHED[1])
    logit = 1.5 * (scaled @ _EFFECTS + 0.4 * scaled[:, 2] * scaled[:, 4] + _RISK[applicants.purpose]) - 0.7
    late: Floats = (rng.random(len(applicants)) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    return late
