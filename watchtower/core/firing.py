"""How often a rule would begin to fire over runs of windows, whatever its bound: its hold and keep_firing over many scores at once. Pure."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from watchtower.nouns.batch import Floats, Ints

NoData = Literal["keep", "fire", "resolve"]


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Scores of runs of windows, larger is worse.

    Attributes:
        values: float64[windows, runs, subjects]; NaN where there is no score, -inf where a score is no finding at any bound (it is not significant).
        held: float64[windows, runs, subjects]: the bound under which each subject's last `hold` scores all lie beyond; -inf where there are none yet.
        keep: how many evaluations without a finding a firing alert outlives.
        lengths: int64[runs], windows of each run (what is behind them is NaN).
    """

    values: Floats
    held: Floats
    keep: int
    lengths: Ints

    @property
    def windows(self) -> int:
        """Windows in all."""
        return int(self.lengths.sum())


def runs(values: Floats, *, hold: int, keep: int, no_data: NoData, lengths: Ints | None = None) -> Runs:
    """*values* (windows x runs x subjects, NaN without a score) as `hold` and `no_data` see them."""
    windows, count, _ = values.shape
    filled = values if no_data == "keep" else np.where(np.isnan(values), np.inf if no_data == "fire" else -np.inf, values)
    return Runs(filled, _held(filled, max(1, hold)), keep, np.full(count, windows, dtype=np.int64) if lengths is None else lengths)


def _held(values: Floats, hold: int) -> Floats:
    if hold == 1:
        return np.where(np.isnan(values), -np.inf, values)
    last: Floats = np.full((hold, *values.shape[1:]), -np.inf)
    found = np.full_like(values, -np.inf)
    for t, now in enumerate(values):
        scored = ~np.isnan(now)
        last[1:] = np.where(scored, last[:-1], last[1:])
        last[0] = np.where(scored, now, last[0])
        found[t] = np.where(scored, last.min(axis=0), -np.inf)
    return found


def transitions(them: Runs, bound: float) -> Ints:
    """int64[runs]: how often a subject begins to fire in each run where *bound* is the rule's.

    It fires when its last `hold` scores lie beyond, and resolves at one more than `keep` consecutive scores that do not; no score changes nothing.
    """
    firing = np.zeros(them.values.shape[1:], dtype=bool)
    misses = np.zeros(firing.shape, dtype=np.int64)
    begun: Ints = np.zeros(them.values.shape[1], dtype=np.int64)
    for now, held in zip(them.values, them.held, strict=True):
        with np.errstate(invalid="ignore"):
            miss = now <= bound
        begins = ~firing & (held > bound)
        begun += begins.sum(axis=1)
        misses = np.where(miss, misses + 1, np.where(np.isnan(now), misses, 0))
        firing = (firing | begins) & (misses <= them.keep)
    return begun


def peaks(them: Runs, bound: float) -> tuple[Floats, Ints]:
    """Of every alarm at *bound*: the highest bound at which it would still have fired, and its run."""
    firing = np.zeros(them.values.shape[1:], dtype=bool)
    misses = np.zeros(firing.shape, dtype=np.int64)
    top = np.full(firing.shape, -np.inf)
    found: list[Floats] = []
    owners: list[Ints] = []
    for now, held in zip(them.values, them.held, strict=True):
        with np.errstate(invalid="ignore"):
            miss = now <= bound
        begins = ~firing & (held > bound)
        misses = np.where(miss, misses + 1, np.where(np.isnan(now), misses, 0))
        top = np.where(firing | begins, np.maximum(top, held), -np.inf)
        after = (firing | begins) & (misses <= them.keep)
        over = (firing | begins) & ~after
        found.append(top[over])
        owners.append(np.nonzero(over)[0])
        firing = after
        top = np.where(over, -np.inf, top)
    found.append(top[firing])
    owners.append(np.nonzero(firing)[0])
    return np.concatenate(found), np.concatenate(owners)
