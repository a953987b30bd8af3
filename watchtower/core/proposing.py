"""What a reference suggests, for a person to decide: rules on quality, and that a binning no longer fits. Pure."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from watchtower.nouns.batch import Ints
from watchtower.nouns.binning import Binning, CategoryBins, NumericBins
from watchtower.nouns.profile import Profile

OUTGROWN = 0.2
"""Share of a feature's values outside its cells over a day from which new ones are proposed."""
MIN_ROWS = 200
"""What the rules ask for; their bounds leave three standard errors of so many rows."""
LEAST_BOUND = 0.01

Plain = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Outgrown:
    """A feature of which *share* of the values lie *where* ("below", "above" or "unseen") the binning has no cells of their own."""

    feature: str
    share: float
    where: str


@dataclass(frozen=True, slots=True, eq=False)
class _Feature:
    """One feature's cells: inside ones, then the three last (below and above, or other and unseen; missing)."""

    name: str
    bins: NumericBins | CategoryBins
    cells: Ints

    @property
    def rows(self) -> int:
        return int(self.cells.sum())

    @property
    def present(self) -> int:
        return self.rows - int(self.cells[-1])


def _features(binning: Binning, profile: Profile) -> Iterator[_Feature]:
    for i, subject in enumerate(binning.subjects):
        if binning.is_feature(subject):
            yield _Feature(subject, binning.bins[i], profile.cells[binning.offsets[i] : binning.offsets[i + 1]])


def outgrown(binning: Binning, profile: Profile) -> tuple[Outgrown, ...]:
    """The features of which more than 20 % of the values in *profile*, a day's, are below or above the reference's range, or unseen in it."""
    found: list[Outgrown] = []
    for each in _features(binning, profile):
        if not each.present:
            continue
        below, above = each.cells[-3:-1].tolist()
        outside = below + above if isinstance(each.bins, NumericBins) else above
        where = "unseen" if isinstance(each.bins, CategoryBins) else "above" if above >= below else "below"
        if each.bins.size > 3 and outside / each.present > OUTGROWN:
            found.append(Outgrown(each.name, outside / each.present, where))
    return tuple(found)


# -------------------------------------------------------------------------------------------- quality rules


def quality_rules(model: str, binning: Binning, profile: Profile) -> list[Plain]:
    """Rules for what *profile*, a reference, holds: values out of its ranges, categories that it never had, more missing ones than it has.

    One rule for all features where one bound does for all, else one a feature. A bound is the reference's own share and three standard errors of
    200 rows, at least 1 %.
    """
    features = list(_features(binning, profile))
    numeric = [each for each in features if isinstance(each.bins, NumericBins)]
    categories = [each for each in features if isinstance(each.bins, CategoryBins) and each.bins.names]
    return [
        *_rules(model, "OutOfRange", "quality.out_of_range_share", numeric, lambda each: (int(each.cells[-3] + each.cells[-2]), each.present)),
        *_rules(model, "UnseenCategory", "quality.unseen_share", categories, lambda each: (int(each.cells[-2]), each.present)),
        *_rules(model, "Missing", "quality.missing_share", features, lambda each: (int(each.cells[-1]), each.rows)),
    ]


def ranges(binning: Binning) -> list[str]:
    """What the reference holds of each feature, a line each: a range, or how many categories."""
    told = []
    for subject, bins in zip(binning.subjects, binning.bins, strict=True):
        if binning.is_feature(subject) and isinstance(bins, NumericBins):
            told.append(f"{subject}: {bins.edges[0]:g} to {bins.edges[-1]:g}")
        elif binning.is_feature(subject) and isinstance(bins, CategoryBins) and bins.names:
            told.append(f"{subject}: {len(bins.names) + len(bins.others):,} categories")
    return told


def _rules(model: str, name: str, measure: str, features: Sequence[_Feature], counted: Callable[[_Feature], tuple[int, int]]) -> Iterator[Plain]:
    bounds = {each.name: _bound(*counted(each)) for each in features}
    if len({*bounds.values()}) == 1:
        yield _rule(model, f"{name}-{model}", measure, "*", bounds[features[0].name])
        return
    for feature, bound in bounds.items():
        yield _rule(model, f"{name}-{model}-{feature}", measure, _exactly(feature), bound)


def _rule(model: str, name: str, measure: str, feature: str, bound: float) -> Plain:
    when = {"kind": "above", "measure": measure, "feature": feature, "value": bound, "min_rows": MIN_ROWS}
    return {"name": name[:200], "model": _exactly(model), "when": when, "over": "5 windows", "hold": "2 windows", "severity": "warn"}


def _bound(count: int, rows: int) -> float:
    """Rounded up to half a percent; never 1, which nothing is above."""
    share = count / rows if rows else 0.0
    bound = max(LEAST_BOUND, share + 3 * math.sqrt(share * (1 - share) / MIN_ROWS))
    return min(0.995, math.ceil(bound * 200 - 1e-9) / 200)


def _exactly(name: str) -> str:
    """A glob that only *name* matches."""
    return re.sub(r"([*?\[])", r"[\1]", name)
