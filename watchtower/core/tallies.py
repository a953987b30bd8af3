"""Running counts of one open window, and of what a checkpoint adds to the exact totals."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from watchtower.core.binning import empty_counts, fold_columns
from watchtower.core.sketching import IdTally
from watchtower.nouns.batch import Column, Floats, Ints, PredictionBatch, TextColumn
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.profile import LATENCY_BUCKETS, LATENCY_CELLS, LATENCY_EDGES, UNKNOWN, Durations, GpuReadings, Profile, Totals
from watchtower.nouns.window import Partition, Span


def weights_of(batch: PredictionBatch) -> Floats | None:
    """1/sampling of each row; None where every row counts once."""
    if batch.sampling is None:
        return None
    weights: Floats = 1 / np.where(np.isnan(batch.sampling), 1.0, batch.sampling)
    return weights


def by_name(column: TextColumn, weights: Floats | None) -> dict[str, float]:
    """The weight of each name that occurs."""
    there = column.codes >= 0
    counts = np.bincount(column.codes[there], None if weights is None else weights[there], len(column.names))
    return {column.names[i]: float(counts[i]) for i in np.flatnonzero(counts)}


def spans_of(batch: PredictionBatch) -> dict[Partition, tuple[int, int]]:
    """The smallest and the largest position of the rows, by partition."""
    if len(batch.partitions) == 1:
        return {batch.partitions[0]: (int(batch.positions.min()), int(batch.positions.max()))}
    found = {}
    for i, partition in enumerate(batch.partitions):
        mine = batch.positions[batch.partition == i]
        if len(mine):
            found[partition] = (int(mine.min()), int(mine.max()))
    return found


@dataclass(slots=True)
class DurationTally:
    """A running histogram of seconds; see :class:`Durations`."""

    counts: Floats = field(default_factory=lambda: np.zeros(LATENCY_CELLS))
    weight: float = 0.0
    total: float = 0.0
    largest: float = 0.0
    rows: int = 0

    def add(self, seconds: Floats, weights: Floats | None) -> None:
        """Counts *seconds* (NaN where not logged; negative ones count as 0)."""
        there = ~np.isnan(seconds)
        if not there.all():
            seconds, weights = seconds[there], None if weights is None else weights[there]
        if not len(seconds):
            return
        seconds = np.maximum(seconds, 0.0)
        cells = np.searchsorted(LATENCY_EDGES[1:], seconds, side="left")
        self.counts += np.bincount(cells, weights, LATENCY_CELLS)
        self.weight += float(len(seconds) if weights is None else weights.sum())
        self.total += float(seconds.sum() if weights is None else seconds @ weights)
        self.largest = max(self.largest, float(seconds.max()))
        self.rows += len(seconds)

    def frozen(self) -> Durations | None:
        """The histogram, None where nothing was logged."""
        return Durations(self.counts.copy(), self.weight, self.total, self.largest, self.rows) if self.rows else None


@dataclass(slots=True)
class Tally:
    """Running counts of one (model, version, segment, window)."""

    binning: Binning | None
    rows: int = 0
    weight: float = 0.0
    latency: DurationTally = field(default_factory=DurationTally)
    queue: DurationTally = field(default_factory=DurationTally)
    compute: DurationTally = field(default_factory=DurationTally)
    statuses: Counter[str] = field(default_factory=Counter)
    status_rows: Counter[str] = field(default_factory=Counter)
    instances: Counter[str] = field(default_factory=Counter)
    gpu: dict[str, GpuReadings] = field(default_factory=dict)
    ids: IdTally | None = None
    unknown: set[str] = field(default_factory=set)
    spans: dict[Partition, tuple[int, int]] = field(default_factory=dict)
    cells: Ints = field(init=False)
    moments: Floats = field(init=False)
    oddities: Ints = field(init=False)

    def __post_init__(self) -> None:
        self.cells, self.moments, self.oddities = empty_counts(self.binning)

    def add(self, batch: PredictionBatch) -> None:
        """Counts the rows of *batch* (served ones of one version and window)."""
        weights = weights_of(batch)
        self.rows += len(batch)
        self.weight += float(len(batch) if weights is None else weights.sum())
        for tally, seconds in ((self.latency, batch.latency), (self.queue, batch.queue), (self.compute, batch.compute)):
            if seconds is not None:
                tally.add(seconds, weights)
        self.statuses.update(by_name(batch.statuses, weights))
        self.status_rows.update({name: int(n) for name, n in by_name(batch.statuses, None).items()})
        if batch.instances is not None:
            self.instances.update(by_name(batch.instances, weights))
        self._add_gpu(batch)
        if self.ids is not None and batch.ids is not None:
            self.ids.add(batch.ids)
        if batch.unknown is not None:
            self.unknown |= {name for names in by_name(batch.unknown, None) for name in names.split("\n")}
        for partition, (first, last) in spans_of(batch).items():
            old = self.spans.get(partition, (first, last))
            self.spans[partition] = (min(old[0], first), max(old[1], last))
        if self.binning is not None:
            self._add_columns(batch, self.binning)

    def _add_columns(self, batch: PredictionBatch, binning: Binning) -> None:
        columns: dict[str, Column] = dict(batch.features)
        if batch.prediction is not None:
            columns[PREDICTION] = batch.prediction
        else:
            columns.pop(PREDICTION, None)
        cells, moments, oddities = fold_columns(binning, columns, len(batch), batch.derived)
        self.cells += cells
        self.moments += moments
        self.oddities += oddities

    def _add_gpu(self, batch: PredictionBatch) -> None:
        if batch.gpu is None:
            return
        for code, device in enumerate(batch.gpu.device.names):
            mine = batch.gpu.device.codes == code
            if mine.any():
                self.gpu[device] = _read(self.gpu.get(device), batch.gpu.utilization[mine], batch.gpu.memory_used[mine])

    def profile(self) -> Profile:
        """The counts, frozen."""
        return Profile(
            binning=self.binning.id if self.binning is not None else "",
            rows=self.rows,
            weight=self.weight,
            cells=self.cells.copy(),
            moments=self.moments.copy(),
            oddities=self.oddities.copy(),
            latency=self.latency.frozen(),
            queue=self.queue.frozen(),
            compute=self.compute.frozen(),
            statuses=dict(self.statuses),
            status_rows=dict(self.status_rows),
            instances=dict(self.instances),
            gpu=dict(self.gpu),
            spans=tuple(Span(partition, first, last) for partition, (first, last) in self.spans.items()),
            ids=None if self.ids is None else self.ids.frozen(),
            unknown=tuple(sorted(self.unknown)[:UNKNOWN]),
        )


def _read(before: GpuReadings | None, utilization: Floats, memory: Floats) -> GpuReadings:
    old = before or GpuReadings(0, 0.0, 0.0, 0.0)
    n = int((~np.isnan(utilization)).sum())
    largest = max(old.memory_largest, float(np.nan_to_num(memory).max(initial=0.0)))
    return GpuReadings(old.n + n, old.utilization + float(np.nansum(utilization)), old.memory_used + float(np.nansum(memory)), largest)


@dataclass(slots=True)
class TotalsTally:
    """What a checkpoint adds to the totals of one (model, version)."""

    predictions: int = 0
    late: int = 0
    others: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latency: Ints = field(default_factory=lambda: np.zeros(len(LATENCY_BUCKETS) + 1, dtype=np.int64))
    latency_sum: float = 0.0

    def add(self, batch: PredictionBatch, *, late: bool) -> None:
        """Counts served rows."""
        self.predictions += len(batch)
        self.late += len(batch) if late else 0
        self.errors.update({name: int(n) for name, n in by_name(batch.statuses, None).items() if name != "ok"})
        if batch.latency is not None:
            seconds = np.maximum(batch.latency[~np.isnan(batch.latency)], 0.0)
            self.latency += np.bincount(np.searchsorted(LATENCY_BUCKETS, seconds, side="left"), minlength=len(self.latency))
            self.latency_sum += float(seconds.sum())

    def add_others(self, role: str, rows: int) -> None:
        """Counts rows of another role than served."""
        self.others[role] += rows

    def totals(self) -> Totals:
        """The counts, frozen."""
        return Totals(self.predictions, self.late, dict(self.others), dict(self.errors), self.latency.copy(), self.latency_sum)
