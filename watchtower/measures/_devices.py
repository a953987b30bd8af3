"""Devices under the names that rows and meters give them, and a model's share of each."""

import re
from collections.abc import Iterable, Mapping

from watchtower.nouns.profile import GpuReadings, Profile
from watchtower.nouns.readings import IN_A_REPLAY, NO_METERS, Summary
from watchtower.nouns.score import View

_SHOWN = frozenset({"gpu.utilization", "gpu.memory_used"})
_CUDA = re.compile(r"(?:cuda|gpu|nvidia)(?:[:\s]?(\d+))?", re.IGNORECASE)
Share = tuple[float, str] | str
"""A share with a note on what it was made of, or the reason why there is none."""


def plain(device: str) -> str:
    """`cuda:0`, `gpu0` and `nvidia0` are device 0, `cuda` too; other names are themselves."""
    found = _CUDA.fullmatch(device.strip())
    return (found[1] or "0") if found else device.strip()


def metered(view: View, name: str) -> Mapping[str, Summary]:
    """What meters read of `gpu.<name>` over the view's windows, by device; nothing for a segment, since a machine has none."""
    return {} if view.segment else {device: series.whole for device, series in view.readings.of(f"gpu.{name}").items()}


def of_the_model(devices: Iterable[str], view: View) -> list[str]:
    """Those metered *devices* that rows logged; all of them where rows logged none of these.

    Where no row came, those that had a score in the windows before: a model's devices must not change with its traffic.
    """
    known = view.profile.gpu if view.profile.rows else [subject for measure, _, subject in view.seen if measure in _SHOWN]
    listed, names = sorted(devices), {plain(each) for each in known}
    return [each for each in listed if plain(each) in names] or listed


def why_not(view: View, name: str) -> str:
    """Why no meter has a reading of `gpu.<name>`."""
    return "machines have no segments" if view.segment else view.readings.absence(f"gpu.{name}")


def why_neither(view: View, name: str) -> str:
    """Why there is neither a metered nor a logged number."""
    if not view.profile.rows:
        return "no rows"
    metered_ = why_not(view, name)
    return "no device logged" if view.segment or metered_ in {NO_METERS, IN_A_REPLAY} else f"{metered_}; no device logged"


def shares(view: View) -> Mapping[str, Share]:
    """The model's share of each device's busy time over the view's windows, by device.

    Busy time is utilisation x seconds; the model's part of it is the sum of the compute times that its rows logged on the device (weighted by
    1/sampling), divided between devices by the utilisation readings that rows logged beside them where there are several. At most 1. Without
    a utilisation it is the share of the windows' seconds, and the note says so. Compute times are a prediction's own: a server that logs a whole
    batch's time with each of its rows makes this too large.
    """
    profiles = list(view.siblings.values())
    compute = sum(each.compute.total for each in profiles if each.compute is not None)
    if not any(each.compute is not None and each.compute.rows for each in profiles):
        return {"": "no compute times logged" if any(each.rows for each in profiles) else "no rows"}
    logged = _logged(profiles)
    busy = metered(view, "utilization")
    parts = _parts(compute, logged, sorted(busy))
    if isinstance(parts, str):
        return {"": parts}
    return {device: _share(seconds, _utilization(device, busy, logged), view.seconds) for device, seconds in parts.items()}


def _logged(profiles: Iterable[Profile]) -> Mapping[str, GpuReadings]:
    found: dict[str, GpuReadings] = {}
    for profile in profiles:
        for device, it in profile.gpu.items():
            had = found.get(device, GpuReadings(0, 0.0, 0.0, 0.0))
            largest = max(had.memory_largest, it.memory_largest)
            found[device] = GpuReadings(had.n + it.n, had.utilization + it.utilization, had.memory_used + it.memory_used, largest)
    return found


def _parts(compute: float, logged: Mapping[str, GpuReadings], devices: list[str]) -> Mapping[str, float] | str:
    """Compute seconds by device."""
    if not logged:
        return {devices[0]: compute} if len(devices) == 1 else "rows name no device" if devices else "no device logged"
    if len(logged) == 1:
        return dict.fromkeys(logged, compute)
    total = sum(each.n for each in logged.values())
    if not total:
        return "several devices and no utilization logged: compute times cannot be divided"
    return {device: compute * each.n / total for device, each in logged.items()}


def _utilization(device: str, busy: Mapping[str, Summary], logged: Mapping[str, GpuReadings]) -> float | None:
    """As metered, else as logged, else unknown."""
    for name, summary in busy.items():
        if plain(name) == plain(device) and summary.n:
            return summary.mean
    it = logged.get(device)
    return it.utilization / it.n if it is not None and it.n else None


def _share(seconds: float, utilization: float | None, span: float) -> Share:
    if utilization is None:
        return min(1.0, seconds / span), "of the windows' seconds: no utilization known"
    if utilization <= 0:
        return (0.0, "") if seconds == 0 else "the device was never seen busy"
    return min(1.0, seconds / (utilization * span)), ""
