"""A mergeable summary of one window or of the reference. It holds no rows, and memory depends on features x bins alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Floats, Ints, Rejection
from watchtower.nouns.kept import KeptRows
from watchtower.nouns.labels import Halves, Labelled
from watchtower.nouns.window import Key, Partition, Progress, Span

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds, in seconds, of `watchtower_prediction_latency_seconds` (12 buckets and +Inf); edges of LATENCY_EDGES too."""

_GRID = 1e-6 * 1.039 ** np.arange(0, 545)
LATENCY_EDGES: Floats = np.unique(np.concatenate([[0.0], _GRID, LATENCY_BUCKETS]))
"""Edges in seconds: cell i holds ``edges[i] < x <= edges[i+1]`` (0 in cell 0), the last cell everything beyond; 1 µs to about 1,100 s, quantiles within 2 %."""
LATENCY_CELLS = len(LATENCY_EDGES)


@dataclass(frozen=True, slots=True, eq=False)
class Durations:
    """A log-spaced histogram of seconds, weighted by 1/sampling.

    Attributes:
        counts: float64[LATENCY_CELLS].
        weight: sum of counts; total: weighted sum of seconds; largest: the largest value, exactly; rows: logged rows.
    """

    counts: Floats
    weight: float
    total: float
    largest: float
    rows: int


@dataclass(frozen=True, slots=True)
class GpuReadings:
    """What rows logged of one device: n readings, sums of utilisation (share, 0 to 1) and bytes, the largest bytes."""

    n: int
    utilization: float
    memory_used: float
    memory_largest: float


UNKNOWN = 100
"""Names of features that a profile keeps without knowing them."""


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """The ids with the smallest hashes, and how often each came: exact for all ids while there are no more than are kept.

    Attributes:
        rows: rows with an id; hashes: uint64[k], ascending; counts: int64[k].
        is_whole: every id is among them.
    """

    rows: int
    hashes: NDArray[np.uint64]
    counts: Ints
    is_whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Counts of one (model, version, segment, window), or a merge of several.

    Attributes:
        binning: id of the binning that *cells* were counted under, "" where there was none (cells are then empty).
        rows: served, logged rows; weight: the same weighted by 1/sampling.
        cells: int64[binning.size], logged rows by cell, all subjects one after the other.
        moments: float64[subjects, 5]: n of finite values, Σ(x - c), Σ(x - c)² with c the binning's mean, Σ of the below cell, Σ of the above cell.
        oddities: int64[subjects, 2]: type errors, non-finite values (both are in the missing cell too).
        latency, queue, compute: None where nothing was logged.
        statuses: weight by status; status_rows: logged rows by status.
        instances: weight by instance.
        gpu: readings by device.
        spans: where the rows stand in the source, one span a partition.
        labelled: labels that arrived in the window and met their predictions; None where none did.
        ids: None where none was logged, or no rule asked for them.
        unknown: names of features that the binning does not know, ascending, at most UNKNOWN of them, as far as rows were looked at.
    """

    binning: str
    rows: int
    weight: float
    cells: Ints
    moments: Floats
    oddities: Ints
    latency: Durations | None = None
    queue: Durations | None = None
    compute: Durations | None = None
    statuses: Mapping[str, float] = field(default_factory=dict)
    status_rows: Mapping[str, int] = field(default_factory=dict)
    instances: Mapping[str, float] = field(default_factory=dict)
    gpu: Mapping[str, GpuReadings] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    labelled: Labelled | None = None
    ids: Ids | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """What a checkpoint adds to the exact totals of one (model, version); none of it ever expires.

    *predictions* are served rows, late ones included; *late* of these; *other_roles* the rows of other roles;
    *errors* served rows by status other than ``ok``; *latency* int64[len(LATENCY_BUCKETS) + 1] served rows by bucket (not cumulative),
    *latency_sum* seconds.
    """

    predictions: int = 0
    late: int = 0
    other_roles: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    latency: Ints | None = None
    latency_sum: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """What one checkpoint adds: profiles by key, late ones apart, totals, rejections, and how far we read.

    *progress* maps a partition to (what the store must still say, what it shall say); (None, new) for a partition that the store does not know.
    *closed_through* is the new value, microseconds since 1970, never smaller than the stored one; None where nothing is known yet.
    """

    profiles: Mapping[Key, Profile]
    late: Mapping[Key, Profile]
    totals: Mapping[tuple[str, str], Totals]
    rejected: tuple[Rejection, ...]
    progress: Mapping[Partition, tuple[Progress | None, Progress]]
    closed_through: int | None
    messages: int = 0
    halves: Halves = field(default_factory=Halves)
    """Predictions that wait for labels, and labels that came."""
    rows: tuple[KeptRows, ...] = ()
    """Rows that are kept beside their summaries."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write but, perhaps, progress."""
        return not (self.profiles or self.late or self.totals or self.rejected or self.halves)
