"""Whether segments are answered alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.measures._estimates import Estimate, newcombe, ratio, told
from watchtower.measures._positives import Rate, positive_share, true_positive_share
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Scores, View

LEAST = 100
"""Rows of a group where a rule asks for no other number."""
_TOLD = 5
WHOLE_ONLY = "the whole only: it compares segments"
"""Why a segment has no score."""


class Fairness(Measure):
    """Over a segment column (the subject), of the whole of a version; the groups are its frozen values and `other`; `n` is the compared groups' rows.

    The value is that of the two groups that are furthest apart, named in the note. Groups of fewer rows than `min_rows` (100) are left out and named;
    fewer than two is no score.

    demographic_parity_difference: largest less smallest share of positive predictions (a probability of at least ½, or the class
    `prediction.positive`); 0 is even. equal_opportunity_difference: the same of true positive rates, among labelled rows whose label is positive
    (Hardt et al. 2016). disparate_impact_ratio: smallest over largest share of positive predictions: 1 is even, *smaller is worse*.

    Intervals: Newcombe's of a difference, that of the logarithm of a ratio; both at 1 - 0.05/pairs (Bonferroni), so that they hold although the
    pair was picked for being furthest apart.
    """

    names: ClassVar[tuple[str, ...]] = ("demographic_parity_difference", "equal_opportunity_difference", "disparate_impact_ratio")

    def score(self, name: str, view: View) -> Scores:
        """A score for every segment column, in the settings' order."""
        if view.binning is None:
            return Scores.none([""], view.reason)
        columns = tuple(view.binning.segments)
        if view.segment or not columns:
            return Scores.none(columns or ("",), WHOLE_ONLY if view.segment else "no segments in the settings")
        if view.profile.rows == 0 or not view.profile.binning:
            return Scores.none(columns, "no rows" if view.profile.rows == 0 else view.reason)
        rate = _RATES[name]
        return _joined(columns, [_of_column(name, column, view, rate) for column in columns])


@dataclass(frozen=True, slots=True)
class _Gap:
    found: Estimate | str
    rows: int
    note: str


def _joined(columns: tuple[str, ...], gaps: list[_Gap]) -> Scores:
    scores = told(columns, [(gap.found, gap.rows) for gap in gaps])
    return replace(scores, notes=tuple(gap.note for gap in gaps))


def _of_column(name: str, column: str, view: View, rate: Callable[[View, Profile], Rate | str]) -> _Gap:
    least = LEAST if view.min_rows is None else view.min_rows
    asked = {part.removeprefix(f"{column}="): rate(view, profile) for part, profile in sorted(view.segments.items()) if part.startswith(f"{column}=")}
    rates = {group: each for group, each in asked.items() if isinstance(each, Rate)}
    groups = {group: each for group, each in rates.items() if each.rows >= max(1, least)}
    few = [f"{group} ({each.rows:,} rows)" for group, each in rates.items() if group not in groups]
    if len(groups) < 2:
        return _Gap(_why(asked, len(groups), least), sum(each.rows for each in groups.values()), _left_out(few))
    return _between(name, groups, few)


def _why(asked: Mapping[str, Rate | str], groups: int, least: int) -> str:
    reasons = [each for each in asked.values() if isinstance(each, str)]
    return reasons[0] if reasons and len(reasons) == len(asked) else f"{groups} of 2 groups with {least:,} rows"


def _between(name: str, groups: Mapping[str, Rate], few: list[str]) -> _Gap:
    lowest, highest = min(groups, key=lambda group: groups[group].share), max(groups, key=lambda group: groups[group].share)
    low, high = groups[lowest], groups[highest]
    rows = int(sum(each.rows for each in groups.values()))
    z = NormalDist().inv_cdf(1 - 0.025 / (len(groups) * (len(groups) - 1) / 2))
    note = f"{lowest} {low.share:.3g}, {highest} {high.share:.3g}" + (f"; {_left_out(few)}" if few else "")
    if name != "disparate_impact_ratio":
        found: Estimate | str = newcombe((high.share, high.effective), (low.share, low.effective), z)
    else:
        found = ratio((low.share, low.effective), (high.share, high.effective), z) if high.share > 0 else "no positive predictions"
    return _Gap(_held(found), rows, note)


def _held(found: Estimate | str) -> Estimate | str:
    """A ratio of smallest over largest is at most 1."""
    return found if isinstance(found, str) else Estimate(found.value, found.low, float(np.clip(found.high, found.value, 1.0)))


def _left_out(few: list[str]) -> str:
    more = f" and {len(few) - _TOLD} more" if len(few) > _TOLD else ""
    return f"left out: {', '.join(few[:_TOLD])}{more}" if few else ""


_RATES: Mapping[str, Callable[[View, Profile], Rate | str]] = {
    "demographic_parity_difference": positive_share,
    "equal_opportunity_difference": true_positive_share,
    "disparate_impact_ratio": positive_share,
}
