"""The demo's models: a logistic regression trained with numpy, and what damage does to it."""

from dataclasses import dataclass, replace

import numpy as np

from watchtower.nouns.batch import Floats
from watchtower.programs.demo.applicants import NUMERIC, PURPOSES, Applicants, draw, pays_late, readable

INPUTS = (*NUMERIC, *(f"purpose={name}" for name in PURPOSES))
TRAINING_ROWS, TEST_ROWS = 6_000, 20_000
_STEPS = 12
_TRIES = 100
_LEAST_MOVE = 0.15
_SIZES = tuple(round(0.1 * step, 1) for step in range(1, 81))


@dataclass(frozen=True, slots=True, eq=False)
class Net:
    """P(pays late) = sigmoid(weights . inputs + bias): *mean*, *sd* float64[5] of the numeric inputs, *weights* float64[10] in the order of INPUTS."""

    mean: Floats
    sd: Floats
    weights: Floats
    bias: float

    def __call__(self, applicants: Applicants) -> Floats:
        """float64[n] probabilities."""
        return _sigmoid(self.design(applicants) @ self.weights + self.bias)

    def design(self, applicants: Applicants) -> Floats:
        """float64[n, 10]: scaled numbers, one column a purpose."""
        purpose = np.eye(len(PURPOSES))[applicants.purpose]
        return np.hstack([(readable(applicants.numeric) - self.mean) / self.sd, purpose])


@dataclass(frozen=True, slots=True)
class Damage:
    """What was done to a version's weights, and what it does to its error (share of wrong answers at 1/2, on fresh rows)."""

    what: str
    healthy_error: float
    error: float


def train(rng: np.random.Generator) -> Net:
    """A net fitted to rows of its own, by Newton's method."""
    applicants = draw(rng, TRAINING_ROWS)
    labels = pays_late(rng, applicants)
    read = readable(applicants.numeric)
    net = Net(read.mean(axis=0), read.std(axis=0), np.zeros(len(INPUTS)), 0.0)
    design = np.hstack([net.design(applicants), np.ones((len(labels), 1))])
    weights, pull = np.zeros(design.shape[1]), np.full(design.shape[1], 1.0)
    for _ in range(_STEPS):
        answers = _sigmoid(design @ weights)
        curve = np.maximum(answers * (1 - answers), 1e-4)
        weights = weights - np.linalg.solve((design * curve[:, None]).T @ design + np.diag(pull), design.T @ (answers - labels) + pull * weights)
    return replace(net, weights=weights[:-1], bias=float(weights[-1]))


def damage(rng: np.random.Generator, net: Net) -> tuple[Net, Damage]:
    """*net* with damaged weights: which ones, how and how much comes from *rng*; its predictions visibly move."""
    applicants = draw(rng, TEST_ROWS)
    labels = pays_late(rng, applicants)
    healthy, by = error(net, applicants, labels), float(rng.uniform(0.06, 0.18))
    for _ in range(_TRIES):
        what, direction, tilt = _some_damage(rng, net)
        sizes = {size: _moved(net, direction, tilt, size) for size in _SIZES}
        size, bad = min(sizes.items(), key=lambda each: abs(error(each[1], applicants, labels) - healthy - by))
        rise = error(bad, applicants, labels) - healthy
        if abs(rise - by) <= 0.1 * by and distance(bad(applicants), net(applicants)) >= _LEAST_MOVE:
            return bad, Damage(f"{what} {size:g}", healthy, healthy + rise)
    msg = "no damage of that size was found"
    raise AssertionError(msg)


def error(net: Net, applicants: Applicants, labels: Floats) -> float:
    """Share of wrong answers at 1/2."""
    return float(((net(applicants) > 0.5) != (labels > 0.5)).mean())


def distance(some: Floats, others: Floats) -> float:
    """Kolmogorov-Smirnov: the largest difference between two samples' distribution functions."""
    grid = np.sort(np.concatenate([some, others]))
    return float(np.abs(np.searchsorted(np.sort(some), grid, "right") / len(some) - np.searchsorted(np.sort(others), grid, "right") / len(others)).max())


def _some_damage(rng: np.random.Generator, net: Net) -> tuple[str, Floats, float]:
    """What is done, the direction in which the weights move, and the bias with them."""
    kind, side = int(rng.integers(3)), 1.0 if rng.random() < 0.5 else -1.0
    direction, usual = np.zeros(len(net.weights)), float(np.abs(net.weights).mean())
    if kind == 0:
        hit = np.sort(rng.choice(len(NUMERIC), 2, replace=False))
        direction[hit] = -net.weights[hit]
        names = " and ".join(INPUTS[i] for i in hit)
        return f"the weights of {names} were turned against themselves and the bias pushed {_way(side)}, by", direction, side * usual
    if kind == 1:
        return "every weight was jolted at random, by", rng.normal(0, usual, len(net.weights)), 0.0
    hit = np.sort(rng.choice(len(PURPOSES), 3, replace=False)) + len(NUMERIC)
    direction[hit] = side * usual
    return f"the weights of {', '.join(INPUTS[i] for i in hit)} were pushed {_way(side)}, by", direction, 0.0


def _way(side: float) -> str:
    return "up" if side > 0 else "down"


def _moved(net: Net, direction: Floats, tilt: float, size: float) -> Net:
    return replace(net, weights=net.weights + size * direction, bias=net.bias + size * tilt)


def _sigmoid(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
