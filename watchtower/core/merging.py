"""Profiles add up: merge is associative and commutative, so one profile serves replicas, longer windows and months of history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from watchtower.core.labelled import merge_labelled
from watchtower.core.sketching import merge_ids
from watchtower.nouns.batch import Floats, Ints
from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import UNKNOWN, Durations, GpuReadings, Profile
from watchtower.nouns.window import Partition, Span


def empty(binning: Binning | None) -> Profile:
    """The profile of no rows: merging it changes nothing. Without a *binning* its arrays are empty."""
    subjects, size = (len(binning.subjects), binning.size) if binning else (0, 0)
    nothing = np.zeros(size, dtype=np.int64)
    return Profile(binning.id if binning else "", 0, 0.0, nothing, np.zeros((subjects, 5)), np.zeros((subjects, 2), dtype=np.int64))


def merge(profiles: Sequence[Profile]) -> Profile:
    """The profile of all rows of *profiles*: counts and sums exactly, spans united per partition.

    ValueError where there is none, or where they were counted under different binnings (such cells do not add up).
    """
    if not profiles:
        msg = "nothing to merge: use empty(binning)"
        raise ValueError(msg)
    if len(profiles) == 1:
        return profiles[0]
    ids = {profile.binning for profile in profiles}
    if len(ids) > 1:
        msg = f"profiles of {len(ids)} binnings do not merge: {', '.join(repr(each) for each in sorted(ids))}"
        raise ValueError(msg)
    return Profile(
        binning=profiles[0].binning,
        rows=sum(profile.rows for profile in profiles),
        weight=sum(profile.weight for profile in profiles),
        cells=_added([profile.cells for profile in profiles]),
        moments=_summed([profile.moments for profile in profiles]),
        oddities=_added([profile.oddities for profile in profiles]),
        latency=_durations([profile.latency for profile in profiles]),
        queue=_durations([profile.queue for profile in profiles]),
        compute=_durations([profile.compute for profile in profiles]),
        statuses=_weights([profile.statuses for profile in profiles]),
        status_rows=_counts([profile.status_rows for profile in profiles]),
        instances=_weights([profile.instances for profile in profiles]),
        gpu=_readings([profile.gpu for profile in profiles]),
        spans=united(span for profile in profiles for span in profile.spans),
        labelled=merge_labelled([profile.labelled for profile in profiles]),
        ids=merge_ids([profile.ids for profile in profiles]),
        unknown=tuple(sorted({name for profile in profiles for name in profile.unknown})[:UNKNOWN]),
    )


def without_cells(profile: Profile) -> Profile:
    """What does not depend on a binning: traffic, latency, errors, spans. Equal to folding the same rows without one."""
    bare = empty(None)
    return replace(profile, binning="", cells=bare.cells, moments=bare.moments, oddities=bare.oddities)


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """One span a partition, from the first to the last position of all, in the partitions' order."""
    reach: dict[Partition, tuple[int, int]] = {}
    for span in spans:
        first, last = reach.get(span.partition, (span.first, span.last))
        reach[span.partition] = (min(first, span.first), max(last, span.last))
    return tuple(Span(partition, *reach[partition]) for partition in sorted(reach))


def _added(arrays: Sequence[Ints]) -> Ints:
    return reduce(np.add, arrays)


def _summed(arrays: Sequence[Floats]) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):  # sums of huge numbers are infinite, and what reads them says so
        return reduce(np.add, arrays)


def _durations(each: Sequence[Durations | None]) -> Durations | None:
    found = [durations for durations in each if durations is not None]
    if not found:
        return None
    return Durations(
        counts=_summed([durations.counts for durations in found]),
        weight=sum(durations.weight for durations in found),
        total=sum(durations.total for durations in found),
        largest=max(durations.largest for durations in found),
        rows=sum(durations.rows for durations in found),
    )


def _weights(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for mapping in each:
        for name, weight in mapping.items():
            total[name] = total.get(name, 0.0) + weight
    return total


def _counts(each: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for mapping in each:
        for name, count in mapping.items():
            total[name] = total.get(name, 0) + count
    return total


def _readings(each: Sequence[Mapping[str, GpuReadings]]) -> dict[str, GpuReadings]:
    total: dict[str, GpuReadings] = {}
    for mapping in each:
        for device, found in mapping.items():
            had = total.get(device)
            total[device] = found if had is None else _both(had, found)
    return total


def _both(one: GpuReadings, other: GpuReadings) -> GpuReadings:
    return GpuReadings(
        n=one.n + other.n,
        utilization=one.utilization + other.utilization,
        memory_used=one.memory_used + other.memory_used,
        memory_largest=max(one.memory_largest, other.memory_largest),
    )
