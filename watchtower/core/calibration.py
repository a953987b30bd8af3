"""A bound that keeps to a budget of false alarms: drawn from the reference, and held against quiet history. Pure, seeded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from watchtower.core.drawing import Drawn, Source, drawn
from watchtower.core.firing import NoData, Runs, runs, transitions
from watchtower.core.levels import Expected, Level, counted, expected, level
from watchtower.core.tails import Tail
from watchtower.nouns.batch import Floats
from watchtower.nouns.score import MeasureName, Over

HISTORY = 200
"""Quiet windows of history that count."""
EXTRAPOLATED = "extrapolated"
_WINDOWS = 120
"""Windows of one draw."""
_MOST, _FEWEST = 24_000, 4_000
_CELLS = 400_000_000
_SUPPORTED = 3
"""A budget under which the history would hold at least so many alarms is supported by it."""
_COMPARED = 10
"""Alarms in the history at which its level is compared with the draws'."""
_RHYTHM = 1.1


@dataclass(frozen=True, slots=True)
class Terms:
    """What of a rule decides when it fires; *hold* and *keep* in evaluations, *period* in windows; *bound* is given where only alarms are asked for."""

    measure: MeasureName
    over: Over
    hold: int
    keep: int
    no_data: NoData
    below: bool
    significance: float | None
    min_rows: int | None
    times: int
    period: float
    bound: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """*sources* by segment, empty where nothing can be drawn; *history*: quiet stretches of the rule's scores, all with the same subjects."""

    terms: Terms
    sources: Mapping[str, Source]
    history: tuple[Drawn, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """A bound with all that it rests on; *bound* None where there is none yet, and *reason* why.

    Attributes:
        expected, low, high: false alarms in the budget's period, 95 % bounds.
        label: `extrapolated` where the budget is rarer than the history supports.
        basis: what it was made from, in words.
        draws, windows: how many draws of how many windows; rows: median rows of a window; history: quiet windows.
        scale: what history made of the drawn scores (1: nothing).
        tail: the fitted Pareto, where one was needed.
        rule, model, digest, binning, at: whose it is, and when it was made; times, per: the budget, so many in so many seconds.
        row_windows: windows whose rows were drawn from; boards: boards that there were.
    """

    bound: float | None
    reason: str = ""
    expected: float = 0.0
    low: float = 0.0
    high: float = 0.0
    label: str = ""
    basis: str = ""
    draws: int = 0
    windows: int = 0
    rows: float = 0.0
    history: int = 0
    scale: float = 1.0
    tail: Tail | None = None
    seed: int = 0
    rule: str = ""
    model: str = ""
    digest: str = ""
    binning: str = ""
    at: datetime | None = None
    times: int = 0
    per: float = 0.0
    row_windows: int = 0
    boards: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Both:
    """Runs with the rule's significance, and without."""

    tested: Runs
    plain: Runs
    sign: float

    def level(self, times: float, period: float, least: int = 20) -> Level | None:
        return level(self.tested, self.plain, times, period, least=least)


def calibrate(request: object) -> Calibration:
    """The calibration that a :class:`Request` asks for; what a child process runs."""
    assert isinstance(request, Request)
    rng = np.random.default_rng(request.seed)
    draws = _drawn(request, rng) if request.sources else None
    history = _of_history(request)
    seen = history.tested.windows if history is not None else 0
    if request.terms.bound is not None:
        return _told(request, request.terms.bound * (-1 if request.terms.below else 1), None, draws or history, history, 1.0, rng)
    if draws is None:
        return _from_history(request, history, seen, rng)
    found = draws.level(request.terms.times, request.terms.period)
    if found is None:
        return Calibration(None, "not calibrated: the reference gives too few scores", seed=request.seed)
    if history is None or seen < HISTORY:
        return _told(request, found.bound, found.tail, draws, None, 1.0, rng)
    return _rescaled(request, found, draws, history, rng)


def _drawn(request: Request, rng: np.random.Generator) -> _Both:
    """Runs of quiet windows, every segment's subjects beside each other."""
    terms = request.terms
    cells = sum(source.binning.offsets[i + 1] - source.binning.offsets[i] for source in request.sources.values() for i in source.indexes)
    windows = int(np.clip(_CELLS / max(1, cells), _FEWEST, _MOST))
    found = []
    for _ in range(windows // _WINDOWS):
        parts = [drawn(source, terms.measure, terms.over, terms.min_rows, _WINDOWS, rng) for source in request.sources.values()]
        found.append(Drawn(np.concatenate([each.values for each in parts], axis=1), np.concatenate([each.p_values for each in parts], axis=1)))
    return _both(terms, found)


def _of_history(request: Request) -> _Both | None:
    return _both(request.terms, request.history) if request.history else None


def _both(terms: Terms, found: "list[Drawn] | tuple[Drawn, ...]") -> _Both:
    longest = max(len(each.values) for each in found)
    sign = -1.0 if terms.below else 1.0
    values = np.stack([_padded(each.values, longest) for each in found], axis=1) * sign
    lengths = np.array([len(each.values) for each in found], dtype=np.int64)
    plain = runs(values, hold=terms.hold, keep=terms.keep, no_data=terms.no_data, lengths=lengths)
    if terms.significance is None:
        return _Both(plain, plain, sign)
    p_values = np.stack([_padded(each.p_values, longest) for each in found], axis=1)
    if np.isnan(p_values[~np.isnan(values)]).all() and not np.isnan(values).all():
        return _Both(plain, plain, sign)
    with np.errstate(invalid="ignore"):
        by_chance = ~np.isnan(values) & ~(corrected(p_values) < terms.significance)
    tested = runs(np.where(by_chance, -np.inf, values), hold=terms.hold, keep=terms.keep, no_data=terms.no_data, lengths=lengths)
    return _Both(tested, plain, sign)


def corrected(p_values: Floats) -> Floats:
    """Benjamini-Hochberg over the last axis, many evaluations at once; NaN stays NaN and does not count. As `conditions/_significance.py` does one."""
    size = p_values.shape[-1]
    order = np.argsort(p_values, axis=-1, kind="stable")
    ordered = np.take_along_axis(p_values, order, axis=-1)
    there = (~np.isnan(p_values)).sum(axis=-1, keepdims=True)
    scaled = np.where(np.isnan(ordered), np.inf, ordered * there / np.arange(1, size + 1))
    stepped = np.minimum(np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1], 1.0)
    found = np.empty_like(p_values)
    np.put_along_axis(found, order, np.where(np.isnan(ordered), np.nan, stepped), axis=-1)
    return found


def _padded(values: Floats, length: int) -> Floats:
    return np.vstack([values, np.full((length - len(values), values.shape[1]), np.nan)]) if len(values) < length else values


def _from_history(request: Request, history: _Both | None, seen: int, rng: np.random.Generator) -> Calibration:
    """What is no comparison with a reference cannot be drawn: only history says how it moves."""
    if history is None or seen < HISTORY:
        return Calibration(None, f"not calibrated: needs history ({seen} of {HISTORY} quiet windows)", history=seen, seed=request.seed)
    found = history.level(request.terms.times, request.terms.period)
    if found is None:
        return Calibration(None, f"not calibrated: the scores of {seen:,} quiet windows move too seldom to tell their tail", history=seen, seed=request.seed)
    return _told(request, found.bound, found.tail, history, history, 1.0, rng)


def _rescaled(request: Request, found: Level, draws: _Both, history: _Both, rng: np.random.Generator) -> Calibration:
    """The drawn bound as history has it: scores of real windows have a rhythm, and features that move together."""
    terms, windows = request.terms, history.plain.windows
    supported = terms.times * windows / terms.period
    rate = max(supported, _COMPARED) / windows
    there, here = (counted_at(each.plain, rate) for each in (draws, history))
    scale = here / there if there > 0 and here > 0 else 1.0
    if supported < _SUPPORTED:
        scale = max(scale, 1.0)
    if scale > _RHYTHM:
        found = level(draws.plain, draws.plain, terms.times, terms.period) or found
    bound = found.bound * scale
    if supported >= _SUPPORTED:
        own = history.level(terms.times, terms.period, least=_SUPPORTED)
        bound = max(bound, own.bound) if own is not None and scale > _RHYTHM else bound
    return _told(request, bound, found.tail, draws, history, scale, rng)


def counted_at(them: Runs, rate: float) -> float:
    """The bound at which *them* begin to fire *rate* times a window."""
    return counted(lambda bound: int(transitions(them, bound).sum()), them, rate * them.windows)


def _told(  # noqa: PLR0913, PLR0917  what a calibration rests on
    request: Request, bound: float, tail: Tail | None, base: _Both | None, history: _Both | None, scale: float, rng: np.random.Generator
) -> Calibration:
    terms = request.terms
    if base is None:
        return Calibration(None, f"not calibrated: needs history (0 of {HISTORY} quiet windows)", seed=request.seed)
    seen = history.plain.windows if history is not None else 0
    supported = history is not None and seen >= HISTORY and terms.times * seen / terms.period >= _SUPPORTED
    alarms = _alarms(base, bound / scale, tail, terms.period, rng) if not supported or history is None else _alarms(history, bound, None, terms.period, rng)
    drawn_ones = bool(request.sources)
    rows = float(np.median(np.concatenate([source.rows for source in request.sources.values()]))) if drawn_ones else 0.0
    return Calibration(
        bound=bound * base.sign,
        expected=alarms.value,
        low=alarms.low,
        high=alarms.high,
        label="" if supported else EXTRAPOLATED,
        basis=_basis(drawn=drawn_ones, seen=seen if history is not None else 0, scale=scale),
        draws=len(base.plain.lengths) if drawn_ones else 0,
        windows=int(base.plain.lengths[0]) if drawn_ones else 0,
        rows=rows,
        history=seen,
        scale=scale,
        tail=tail,
        seed=request.seed,
    )


def _alarms(base: _Both, bound: float, tail: Tail | None, period: float, rng: np.random.Generator) -> Expected:
    return expected(base.tested, base.plain, bound, period, tail, rng)


def _basis(*, drawn: bool, seen: int, scale: float) -> str:
    if not drawn:
        return f"{seen:,} quiet windows"
    return f"drawn from the reference, times {scale:.3g} by {seen:,} quiet windows" if seen else "drawn from the reference"
