"""Which bound a budget of alarms asks for, and how often a bound would be passed. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from watchtower.core.firing import Runs, peaks, transitions
from watchtower.core.tails import Tail, fitted
from watchtower.nouns.batch import Floats, Ints

LEAST = 20
"""Alarms that must be expected in the runs for the bound to be counted in them; a rarer budget is read from the tail."""
_OVER = 200
"""Alarms over the threshold that a tail is fitted to, where there are so many."""
_LOWER = 20
_STEPS = 30
_RESAMPLED = 200


@dataclass(frozen=True, slots=True)
class Level:
    """A bound, and the tail that it was read from (None: it was counted)."""

    bound: float
    tail: Tail | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """Alarms in a period, with 95 % bounds."""

    value: float
    low: float
    high: float


def level(them: Runs, plain: Runs, times: float, period: float, *, least: int = LEAST) -> Level | None:
    """The smallest bound at which *them* would begin to fire at most *times* in *period* windows; None where too little is there to say.

    Where fewer than *least* alarms may be expected in the runs, the tail of *plain* is read instead: the same scores without their significance, of which
    there are more; far out every score is significant, so it is the same tail, and elsewhere it is the careful side.
    """
    wanted = times * them.windows / period
    if not np.isfinite(plain.held).any():
        return None
    if wanted >= least:
        return Level(counted(lambda bound: int(transitions(them, bound).sum()), them, wanted))
    over = min(_OVER, max(2 * LEAST, plain.windows // 20))
    threshold = counted(lambda bound: int(transitions(plain, bound).sum()), plain, over)
    tail = _tail(plain, threshold)
    return None if tail is None else Level(tail.level(min(1.0, wanted / tail.count)), tail)


def _tail(plain: Runs, threshold: float) -> Tail | None:
    """The tail over *threshold*, or over the next lower score where scores are so coarse that too few are over it."""
    for _ in range(_LOWER):
        tops, _ = _bounded_peaks(plain, threshold)
        tail = fitted(tops, (threshold + float(tops.min())) / 2) if len(tops) else None  # between two scores: coarse ones have a gap there
        lower = plain.held[np.isfinite(plain.held) & (plain.held < threshold)]
        if tail is not None or not len(lower):
            return tail
        threshold = float(lower.max())
    return None


def counted(count: Callable[[float], int], them: Runs, wanted: float) -> float:
    """The smallest bound at which *count* is at most *wanted*, coming from above: far below everything fires once and never again."""
    levels = them.held[np.isfinite(them.held)]
    if not len(levels):
        return 0.0
    levels = np.sort(levels)
    low, high, step = 0, len(levels) - 1, 1
    place = high
    while place > 0:
        place = max(0, high - step)
        if count(float(levels[place])) > wanted:
            low = place
            break
        high, step = place, step * 2
    else:
        return 0.0 if levels[0] >= 0 and count(0.0) <= wanted else float(levels[0])
    for _ in range(_STEPS):
        if high - low <= 1:
            break
        middle = (low + high) // 2
        if count(float(levels[middle])) > wanted:
            low = middle
        else:
            high = middle
    return float(levels[high])


def expected(them: Runs, plain: Runs, bound: float, period: float, tail: Tail | None, rng: np.random.Generator) -> Expected:  # noqa: PLR0913, PLR0917  what an expectation rests on
    """Alarms at *bound* in *period* windows, with bounds from runs drawn again (alarms, where the runs are few); of a *tail*, from its fit to the peaks.

    Alarms that no bound keeps from firing (`no_data: fire`) are no part of a tail.
    """
    if tail is None or bound <= tail.threshold:
        return _of_runs(transitions(them, bound), them, period, rng)
    tops, owners = _bounded_peaks(plain, tail.threshold)
    rates = [refit.count / plain.windows * refit.beyond(bound) for refit in _refits(tops, owners, len(plain.lengths), tail.threshold, rng) if refit is not None]
    value = tail.count / plain.windows * tail.beyond(bound)
    low, high = np.quantile(rates, [0.025, 0.975]) if rates else (0.0, poisson(tail.count)[1] / plain.windows * tail.beyond(bound))
    return Expected(value * period, float(low) * period, float(high) * period)


def _refits(tops: Floats, owners: Ints, runs: int, threshold: float, rng: np.random.Generator) -> Iterator[Tail | None]:
    """The tail over *threshold* of whole runs drawn again, or of the alarms themselves where there are too few runs to draw from."""
    for _ in range(_RESAMPLED):
        if runs < LEAST:
            yield fitted(rng.choice(tops, rng.poisson(len(tops))), threshold)
            continue
        weights = np.bincount(rng.integers(0, runs, runs), minlength=runs)[owners]
        yield fitted(np.repeat(tops, weights), threshold)


def _bounded_peaks(them: Runs, bound: float) -> tuple[Floats, Ints]:
    """As :func:`peaks`, without the alarms that no bound keeps from firing (`no_data: fire`)."""
    tops, owners = peaks(them, bound)
    finite = np.isfinite(tops)
    return tops[finite], owners[finite]


def _of_runs(begun: np.ndarray[tuple[int], np.dtype[np.int64]], them: Runs, period: float, rng: np.random.Generator) -> Expected:
    total = int(begun.sum())
    if len(begun) < LEAST:
        low, high = poisson(total)
        return Expected(*(each / them.windows * period for each in (float(total), low, high)))
    again = rng.integers(0, len(begun), (_RESAMPLED, len(begun)))
    rates = begun[again].sum(axis=1) / them.lengths[again].sum(axis=1)
    low, high = np.quantile(rates, [0.025, 0.975])
    most = poisson(total)[1] / them.windows
    return Expected(total / them.windows * period, float(low) * period, float(max(high, most if total == 0 else 0.0)) * period)


def poisson(count: int) -> tuple[float, float]:
    """95 % bounds of a Poisson mean of which *count* were seen. Source: Garwood (1936)."""
    from scipy.special import chdtri  # noqa: PLC0415  31 MB that only a calibration needs

    low = float(chdtri(2 * count, 0.975)) / 2 if count else 0.0
    return low, float(chdtri(2 * count + 2, 0.025)) / 2
