"""A measure `relative_to` something: what it is here less what it is there, with the two-sample test that suits it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchtower.core.comparing import REFERENCE, other_side, when
from watchtower.core.measuring import measured, view_of, view_then
from watchtower.core.naming import is_of_model
from watchtower.core.two_samples import Moments, beyond_quantile, either, from_intervals, mann_whitney, poisson_rates, two_proportions, welch
from watchtower.measures import Measure
from watchtower.nouns.batch import Floats, Ints
from watchtower.nouns.binning import PREDICTION, NumericBins
from watchtower.nouns.profile import Durations, Profile
from watchtower.nouns.readings import Readings
from watchtower.nouns.score import Closed, MeasureName, Need, Scores, View

ABOUT_INTERVALS = "p from both 95 % intervals, as normal"
ONLY_LOGGED = "only what rows log of machines is compared"
UNTESTED = frozenset({"traffic.share", "traffic.imbalance", "latency.max", "quality.constant", "quality.schema_changes"})
"""Differences that have no p-value."""
WITHOUT_OTHER_SIDE = frozenset({"resource", "capacity", "cost", "version", "importance", "estimated"})
"""Families that are not read from profiles of predictions, so nothing is kept to compare them with."""
_TAILS = {"p90": 0.9, "p95": 0.95, "p99": 0.99}
_COUNTED = frozenset({("prediction", "class_share"), ("performance", "accuracy"), ("performance", "hit_rate_at_k")})
"""Names that are shares of their rows without saying so; `quality.*_share` are as well."""


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One side: what the measure saw, and its scores of the common subjects."""

    view: View
    values: Floats
    n: Ints
    widths: tuple[Floats, Floats]
    """How far the 95 % interval reaches below and above each value; NaN where there is none."""


def difference(closed: Closed, need: Need, place: tuple[str, str], profile: Profile) -> Scores:
    """The scores of *need*, which is `relative_to` something, at *place* (version, segment) whose merge is *profile*.

    value = own value - the other side's, in the measure's unit, its sign kept; `n` is the own side's. No score where either side has none. Shares are
    tested as two proportions, latencies by rank sums (tail quantiles by the rows beyond them too), means by Welch's t, `traffic.rate` as Poisson rates,
    whatever else has an interval on both sides by these as normal; what has none has no p-value, and no rule finds it unless it says `significance: null`.
    Of devices only what rows log is compared, on both sides: what meters read is kept for no other time.
    """
    version, segment = place
    closed = replace(closed, readings=Readings(reason=ONLY_LOGGED))
    reference = other_side(closed, replace(need, against=REFERENCE), version, segment)
    own = measured(closed, need, place, profile, reference)
    other = other_side(closed, need, "" if is_of_model(need.measure) else version, segment)
    if isinstance(other, str):
        return Scores.none(own.subjects, other, own.n.tolist())
    there = view_then(closed, need, place, other, reference)
    then = Measure.member(need.measure.family)().score(need.measure.name, there)
    own, then = _with_each_other(need.measure, own, then)
    reasons = _reasons(need, own, then)
    sides = (_side(view_of(closed, need, place, profile, reference), own, own.subjects), _side(there, then, own.subjects))
    return _told(need.measure, own, sides, reasons)


def _with_each_other(measure: MeasureName, own: Scores, then: Scores) -> tuple[Scores, Scores]:
    """Both with all statuses: one that occurs on one side only has a share of 0 on the other."""
    if measure.family != "errors" or own.reasons[0] is not None or then.reasons[0] is not None:
        return own, then
    subjects = tuple(dict.fromkeys((*own.subjects, *then.subjects)))
    return _filled(own, subjects), _filled(then, subjects)


def _filled(scores: Scores, subjects: Sequence[str]) -> Scores:
    known = dict(zip(scores.subjects, scores.values.tolist(), strict=True))
    return Scores.of(tuple(subjects), [(known.get(subject, 0.0), int(scores.n[0])) for subject in subjects])


def _reasons(need: Need, own: Scores, then: Scores) -> tuple[str | None, ...]:
    """Why a subject has no difference: the own side's reason, else the other side's."""
    index = {subject: i for i, subject in enumerate(then.subjects)}
    there = when(need.against)

    def lacks(subject: str) -> str | None:
        i = index.get(subject)
        if i is None:
            return f"{then.reasons[0]} {there}" if then.subjects in ((), ("",)) and then.reasons and then.reasons[0] else f"none {there}"
        reason = then.reasons[i]
        few = need.min_rows is not None and need.measure != MeasureName("traffic", "rate") and then.n[i] < need.min_rows
        return f"{reason} {there}" if reason is not None else f"{int(then.n[i]):,} of {need.min_rows:,} rows {there}" if few else None

    return tuple(reason if reason is not None else lacks(subject) for subject, reason in zip(own.subjects, own.reasons, strict=True))


def _side(view: View, scores: Scores, subjects: Sequence[str]) -> _Side:
    """*scores* in the order of *subjects*; NaN and 0 rows for one that it lacks."""
    index = {subject: i for i, subject in enumerate(scores.subjects)}
    places = np.array([index.get(subject, -1) for subject in subjects], dtype=np.int64)
    nothing = np.full(len(scores.subjects), np.nan)
    low, high = (nothing if each is None else each for each in (scores.low, scores.high))

    def at(column: Floats) -> Floats:
        return np.append(column, np.nan)[places]

    return _Side(view, at(scores.values), np.append(scores.n, 0)[places], (at(scores.values - low), at(high - scores.values)))


def _told(measure: MeasureName, own: Scores, sides: tuple[_Side, _Side], reasons: tuple[str | None, ...]) -> Scores:
    """The differences, their p-values, their intervals, and what was taken from what."""
    here, there = sides
    lacking = np.array([reason is not None for reason in reasons], dtype=bool)
    p_values, how = _p_values(measure, own.subjects, here, there)
    values = np.where(lacking, np.nan, here.values - there.values)
    low, high = values - np.hypot(here.widths[0], there.widths[1]), values + np.hypot(here.widths[1], there.widths[0])
    said = [f"{mine:.4g} - {its:.4g}{how}" for mine, its in zip(here.values.tolist(), there.values.tolist(), strict=True)]
    bounded = bool(np.isfinite(low).any())
    return Scores(
        own.subjects,
        values,
        np.where(lacking, np.nan, p_values),
        own.n,
        reasons,
        low=low if bounded else None,
        high=high if bounded else None,
        notes=tuple("" if reason is not None else note for reason, note in zip(reasons, said, strict=True)),
    )


def _p_values(measure: MeasureName, subjects: Sequence[str], here: _Side, there: _Side) -> tuple[Floats, str]:
    """The p-value of each subject, NaN where nothing fits; and what a note says of how."""
    if (measure.family, measure.name) == ("traffic", "rate"):
        return _once(subjects, _rates(here, there)), ""
    if measure.family == "errors":
        return two_proportions(_with_status(here, subjects), here.n, _with_status(there, subjects), there.n), ""
    if _is_counted(measure) and not _is_estimated(measure, here, there):
        return two_proportions(_hits(here), here.n, _hits(there), there.n), ""
    if measure.family == "latency":
        return _once(subjects, _durations(measure.name, here.view.profile, there.view.profile)), ""
    if measure.family == "prediction":
        return _once(subjects, _means(measure.name, here.view, there.view)), ""
    found = from_intervals(here.values - there.values, *(_width(measure, side) for side in (here, there)))
    return found, f", {ABOUT_INTERVALS}" if np.isfinite(found).any() else ""


def _is_counted(measure: MeasureName) -> bool:
    return (measure.family, measure.name) in _COUNTED or (measure.family == "quality" and measure.name.endswith("_share"))


def _is_estimated(measure: MeasureName, *sides: _Side) -> bool:
    """Duplicates are estimated from a few ids, and then have an interval, where there are more than are kept: their rows would make them too sure."""
    return measure.name == "duplicate_share" and any(np.isfinite(each).any() for side in sides for each in side.widths)


def _width(measure: MeasureName, side: _Side) -> Floats:
    """From end to end of each interval; duplicates without one were counted, not estimated."""
    found: Floats = side.widths[0] + side.widths[1]
    return np.nan_to_num(found) if measure.name == "duplicate_share" else found


def _once(subjects: Sequence[str], p_value: float) -> Floats:
    return np.full(len(subjects), p_value)


def _rates(here: _Side, there: _Side) -> float:
    """Logged rows, over the time in which so many are logged at that side's sampling."""
    times = [float(side.n[0] / side.values[0]) if side.values[0] > 0 else side.view.seconds for side in (here, there)]
    return poisson_rates(int(here.n[0]), times[0], int(there.n[0]), times[1])


def _with_status(side: _Side, subjects: Sequence[str]) -> Ints:
    """Logged rows of each status; "" is every one but ``ok``."""
    rows = side.view.profile.status_rows
    bad = sum(count for status, count in rows.items() if status != "ok")
    return np.array([bad if subject == "" else rows.get(subject, 0) for subject in subjects], dtype=np.int64)


def _hits(side: _Side) -> Ints:
    """The rows that an unweighted share counts."""
    found: Ints = np.rint(np.nan_to_num(side.values) * side.n).astype(np.int64)
    return found


def _durations(name: str, here: Profile, there: Profile) -> float:
    part, _, quantity = name.rpartition("_")
    one, other = ({"": profile.latency, "queue": profile.queue, "compute": profile.compute}[part] for profile in (here, there))
    if one is None or other is None or quantity == "max":
        return float("nan")
    counts, others = _logged(one), _logged(other)
    ranks = mann_whitney(counts, others)
    return either(ranks, beyond_quantile(counts, others, _TAILS[quantity])) if quantity in _TAILS else ranks


def _logged(durations: Durations) -> Floats:
    """Logged rows by cell: the weights, less what sampling adds."""
    return durations.counts * (durations.rows / durations.weight)


def _means(name: str, here: View, there: View) -> float:
    """Of the prediction itself, or of what is made of it (its confidence, its entropy)."""
    one, other = (_moments(name, view) for view in (here, there))
    return welch(one, other) if one is not None and other is not None else float("nan")


def _moments(name: str, view: View) -> Moments | None:
    binning = view.binning
    if binning is None or view.profile.binning != binning.id:
        return None
    made = {each.how.value: subject for subject, each in binning.derived.items() if each.source == PREDICTION}
    subject = PREDICTION if name == "mean" else made.get(name)
    if subject is None or subject not in binning.subjects:
        return None
    i = binning.subjects.index(subject)
    bins = binning.bins[i]
    n, first, second = view.profile.moments[i, :3].tolist()
    if not isinstance(bins, NumericBins) or n <= 0:
        return None
    return Moments(n, bins.mean + first / n, max(0.0, second / n - (first / n) ** 2))
