"""Distribution functions at the edges of the fine bins, of all numeric subjects of a pair at once."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from watchtower.nouns.batch import Floats, Ints
from watchtower.nouns.binning import NumericBins
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Pair


@dataclass(frozen=True, slots=True, eq=False)
class Distributions:
    """Numeric subjects of a pair; missing rows are left out. Empty where there is none.

    Attributes:
        places: int64[subjects], place of each in ``pair.indexes``; indexes: in ``binning.subjects``.
        starts: int64[subjects], where each one's edges begin in the flat arrays; owner: int64[edges].
        edges: float64[edges].
        reference, current: int64[edges], rows below each edge (the last edge itself is included).
        rows: rows of reference and window, int64[subjects] each.
    """

    places: Ints
    indexes: Ints
    starts: Ints
    owner: Ints
    edges: Floats
    reference: Ints
    current: Ints
    rows: tuple[Ints, Ints]

    def gaps(self) -> Floats:
        """F_reference - F_current at every edge; NaN where a side has no rows."""
        with np.errstate(divide="ignore", invalid="ignore"):
            gaps: Floats = self.reference / self.rows[0][self.owner] - self.current / self.rows[1][self.owner]
        return gaps

    def ends(self) -> Ints:
        """Where each subject's edges end in the flat arrays."""
        return np.append(self.starts[1:], len(self.owner))[: len(self.starts)]

    def spread_out(self, values: Floats, subjects: int) -> Floats:
        """One value for each of the pair's *subjects*: *values* for numeric ones, NaN for others."""
        found = np.full(subjects, np.nan)
        found[self.places] = values
        return found


def distributions(pair: Pair) -> Distributions:
    """The distribution functions of the numeric subjects of ``pair.indexes``, made once for each pair."""
    if "distributions" not in pair.memo:
        pair.memo["distributions"] = _made(pair)
    return cast("Distributions", pair.memo["distributions"])


def rows_of(pair: Pair) -> tuple[Ints, Ints]:
    """Rows with a value in reference and window, of every subject of the pair (0 for those that are not numeric)."""
    found, sides = distributions(pair), np.zeros((2, len(pair.indexes)), dtype=np.int64)
    sides[:, found.places] = found.rows
    return sides[0], sides[1]


def _made(pair: Pair) -> Distributions:
    binning = pair.binning
    numeric = [(place, index, bins) for place, index in enumerate(pair.indexes) if isinstance(bins := binning.bins[index], NumericBins)]
    sizes = np.array([len(bins.edges) for _, _, bins in numeric], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(numeric)), sizes)
    offsets = np.array([binning.offsets[index] for _, index, _ in numeric], dtype=np.int64)
    above = offsets + sizes
    step = np.arange(len(owner)) - starts[owner]
    cell = offsets[owner] + np.where(step == 0, sizes[owner], step) - 1

    def counted(profile: Profile) -> tuple[Ints, Ints]:
        counts = profile.cells[cell]
        running = np.concatenate([[0], np.cumsum(counts)])
        below = running[1:] - running[starts][owner]
        return below, running[starts + sizes] - running[starts] + profile.cells[above]

    reference, there = counted(pair.reference)
    current, here = counted(pair.current)
    return Distributions(
        places=np.array([place for place, _, _ in numeric], dtype=np.int64),
        indexes=np.array([index for _, index, _ in numeric], dtype=np.int64),
        starts=starts,
        owner=owner,
        edges=np.concatenate([np.zeros(0), *(bins.edges for _, _, bins in numeric)]),
        reference=reference,
        current=current,
        rows=(there, here),
    )
