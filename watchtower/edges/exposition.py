"""Prometheus text, rendered fast: what prometheus_client would write, from heads that are escaped once and not at every scrape."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite, isnan
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric's name (with its ``_total``), kind, help and label names; *buckets* are a histogram's upper bounds without +Inf."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()

    def header(self, *, openmetrics: bool) -> str:
        """HELP and TYPE; OpenMetrics names a counter without its ``_total``."""
        name = self.name.removesuffix("_total") if openmetrics and self.kind == "counter" else self.name
        text = self.help.replace("\\", r"\\").replace("\n", r"\n")
        return f"# HELP {name} {text}\n# TYPE {name} {self.kind}\n"

    def head(self, values: Labels, *, suffix: str = "", le: str = "") -> str:
        """A sample's line up to its number: labels sorted by name, values escaped."""
        names = (*self.labels, "le") if le else self.labels
        pairs = sorted(zip(names, (*values, le) if le else values, strict=True))
        inside = ",".join(f'{name}="{escape(value)}"' for name, value in pairs)
        return f"{self.name}{suffix}{{{inside}}} " if inside else f"{self.name}{suffix} "


def escape(value: str) -> str:
    """A label's value between quotes; lone surrogates, which UTF-8 cannot say, become a question mark."""
    clean = value.encode("utf-8", "replace").decode() if not value.isascii() else value
    return clean.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Table:
    """The series of one counter or gauge. Values live as long as the table does."""

    def __init__(self, family: Family) -> None:
        """No series yet."""
        self.family = family
        self._values: dict[Labels, float] = {}
        self._heads: dict[Labels, str] = {}

    def __len__(self) -> int:
        """How many series."""
        return len(self._values)

    def __contains__(self, labels: Labels) -> bool:
        """Whether there is a series with *labels*."""
        return labels in self._values

    def add(self, *labels: str, amount: float = 0) -> None:
        """Adds to a series; *amount* 0 makes sure that it exists."""
        if labels not in self._heads:
            self._heads[labels] = self.family.head(labels)
        self._values[labels] = self._values.get(labels, 0.0) + amount

    def replace(self, values: dict[Labels, float]) -> None:
        """Exactly *values* from now on (gauges)."""
        self._heads = {labels: self._heads.get(labels) or self.family.head(labels) for labels in values}
        self._values = dict(values)

    def lines(self) -> Iterator[str]:
        """One line a series."""
        heads = self._heads
        for labels, value in self._values.items():
            yield f"{heads[labels]}{number(value)}\n"

    def metric(self) -> Metric:
        """The same for prometheus_client."""
        kind = CounterMetricFamily if self.family.kind == "counter" else GaugeMetricFamily
        metric = kind(self.family.name, self.family.help, labels=self.family.labels)
        for labels, value in self._values.items():
            metric.add_metric(labels, value)
        return metric


class Histograms:
    """The series of one histogram."""

    def __init__(self, family: Family) -> None:
        """No series yet."""
        self.family = family
        self._bounds = (*(number(bound) for bound in family.buckets), "+Inf")
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        self._heads: dict[Labels, tuple[str, ...]] = {}

    def __len__(self) -> int:
        """How many series."""
        return len(self._counts) * (len(self._bounds) + 2)

    def add(self, *labels: str, counts: Sequence[int] = (), total: float = 0.0) -> None:
        """Adds *counts* per bucket (not cumulative, the last one beyond every bound) and their sum."""
        if labels not in self._counts:
            self._counts[labels], self._sums[labels] = [0] * len(self._bounds), 0.0
            buckets = (self.family.head(labels, suffix="_bucket", le=bound) for bound in self._bounds)
            self._heads[labels] = (*buckets, self.family.head(labels, suffix="_count"), self.family.head(labels, suffix="_sum"))
        if counts:
            self._counts[labels] = [old + int(new) for old, new in zip(self._counts[labels], counts, strict=True)]
        self._sums[labels] += total

    def observe(self, *labels: str, value: float) -> None:
        """Adds one value."""
        counts = [0] * len(self._bounds)
        counts[bisect_left(self.family.buckets, value)] = 1
        self.add(*labels, counts=counts, total=value)

    def lines(self) -> Iterator[str]:
        """Buckets, count and sum of every series, as prometheus_client orders them."""
        for labels, counts in self._counts.items():
            running = list(accumulate(counts))
            for head, value in zip(self._heads[labels], (*running, running[-1], self._sums[labels]), strict=True):
                yield f"{head}{number(value)}\n"

    def metric(self) -> Metric:
        """The same for prometheus_client."""
        metric = HistogramMetricFamily(self.family.name, self.family.help, labels=self.family.labels)
        for labels, counts in self._counts.items():
            metric.add_metric(labels, list(zip(self._bounds, map(float, accumulate(counts)), strict=True)), self._sums[labels])
        return metric


def number(value: float) -> str:
    """A value as Go reads it."""
    if isfinite(value):
        return repr(float(value))
    return "NaN" if isnan(value) else "+Inf" if value > 0 else "-Inf"
