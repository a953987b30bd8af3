"""What is wrong with the values of features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watchtower.measures import Measure
from watchtower.measures._duplicates import duplicate_share
from watchtower.measures._estimates import Estimate, told, wilson
from watchtower.measures._schema import schema_changes
from watchtower.nouns.batch import FeatureType, Ints
from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Scores, View

NOBODY = "no rows"
Found = tuple[Estimate | float | str, int]
_OF_ALL = frozenset({"duplicate_share", "schema_changes"})


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """One feature's cells in a window."""

    kind: FeatureType
    cells: Ints
    moments: tuple[float, float, float]
    type_errors: int
    nonfinite: int

    @property
    def rows(self) -> int:
        return int(self.cells.sum())

    @property
    def present(self) -> int:
        return self.rows - int(self.cells[-1])


class Quality(Measure):
    """Shares of a feature's rows, with Wilson's interval; `n` is the rows that the share is of.

    missing_share, nonfinite_share, type_error_share: of all rows (the latter two are missing as well). unseen_share (categorical: values that the
    reference never had) and out_of_range_share (numeric: outside the reference's smallest to largest value, or the outer edges given by hand):
    of the rows with a value. constant: 1 where all rows with a value have the same one, else 0; values that the reference never had are
    not told apart and count as several. Derived features are left out: they have what their source has.

    duplicate_share (subject ""): of the rows with an id those whose id came before in the same rows; see measures/_duplicates.py.
    schema_changes (subject ""): how many features are new, gone, or of another type; see measures/_schema.py.
    """

    names: ClassVar[tuple[str, ...]] = (
        *("missing_share", "nonfinite_share", "out_of_range_share", "unseen_share", "type_error_share", "constant"),
        *("duplicate_share", "schema_changes"),
    )

    def score(self, name: str, view: View) -> Scores:
        """A score for every feature, in the binning's order; before there is a binning the reason why."""
        if view.binning is None:
            return Scores.none([""], view.reason)
        features = [""] if name in _OF_ALL else [subject for subject in view.binning.subjects if view.binning.is_feature(subject)]
        if view.profile.rows == 0 or not view.profile.binning:
            return Scores.none(features, NOBODY if view.profile.rows == 0 else view.reason)
        if name == "duplicate_share":
            return told([""], [duplicate_share(view.profile.ids)])
        if name == "schema_changes":
            return schema_changes(view.binning, view.profile, view.reference)
        rule = _RULES[name]
        return told(features, [rule(_counted(view.binning, view.profile, subject)) for subject in features])


def _counted(binning: Binning, profile: Profile, subject: str) -> _Counted:
    i = binning.subjects.index(subject)
    n, first, second = profile.moments[i, :3].tolist()
    cells = profile.cells[binning.offsets[i] : binning.offsets[i + 1]]
    return _Counted(binning.types[i], cells, (n, first, second), *profile.oddities[i].tolist())


def _share(count: int, rows: int) -> Found:
    return (wilson(count / rows, rows), rows) if rows else (NOBODY, 0)


def _out_of_range(each: _Counted) -> Found:
    return _share(int(each.cells[-3] + each.cells[-2]), each.present) if each.kind is FeatureType.NUMERIC else ("numeric features only", 0)


def _unseen(each: _Counted) -> Found:
    return _share(int(each.cells[-2]), each.present) if each.kind is FeatureType.CATEGORICAL else ("categorical features only", 0)


def _constant(each: _Counted) -> Found:
    if each.kind not in (FeatureType.NUMERIC, FeatureType.CATEGORICAL):
        return "numeric and categorical features only", 0
    if not each.present:
        return NOBODY, 0
    if each.kind is FeatureType.CATEGORICAL:
        return float(each.cells[:-3].max(initial=0) == each.present), each.present
    n, first, second = each.moments
    with np.errstate(over="ignore", invalid="ignore"):
        still = second / n - (first / n) ** 2 <= 1e-12 * second / n
    return float(still and each.cells[:-1].max() == each.present), each.present


_RULES: dict[str, Callable[[_Counted], Found]] = {
    "missing_share": lambda each: _share(int(each.cells[-1]), each.rows),
    "nonfinite_share": lambda each: _share(each.nonfinite, each.rows),
    "type_error_share": lambda each: _share(each.type_errors, each.rows),
    "out_of_range_share": _out_of_range,
    "unseen_share": _unseen,
    "constant": _constant,
}
