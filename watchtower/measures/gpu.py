"""The devices that serve a model: as meters read them, else as its rows log them."""

from dataclasses import replace
from typing import ClassVar

from watchtower.measures import Measure
from watchtower.measures._devices import metered, of_the_model, plain, shares, why_neither, why_not
from watchtower.nouns.profile import GpuReadings
from watchtower.nouns.readings import Summary
from watchtower.nouns.score import Scores, View

_LOGGED = frozenset({"utilization", "memory_used"})
_COUNTS = frozenset({"xid_errors", "ecc_errors"})
_PROGRAMS = "program_memory"
Found = tuple[float | str, int]


class Gpu(Measure):
    """By device; `n` counts the readings. A meter's device that rows log too is the model's; where rows log none of them, all of a meter's are.

    Means over the windows: utilization (share of the time that it was busy, 0 to 1), memory_used (bytes; of logged readings without a utilization
    beside them the largest), memory_share (of all its memory), power (watts), throttled_share (of the readings that said: held down by heat or power),
    program_memory (bytes, by ``device/program``). The largest: temperature (°C). Counts over the windows: xid_errors, ecc_errors (uncorrected).
    model_share: the model's share of the device's busy time, by the compute times that its rows log (see ``_devices.shares``).
    Only utilization and memory_used can be logged; a meter's number goes before a logged one.
    """

    names: ClassVar[tuple[str, ...]] = (
        *("utilization", "memory_used", "memory_share", "power", "temperature", "xid_errors", "ecc_errors"),
        *("throttled_share", _PROGRAMS, "model_share"),
    )
    of_model: ClassVar[frozenset[str]] = frozenset({"model_share"})

    def score(self, name: str, view: View) -> Scores:
        """A score, or a reason, for every device that is known."""
        if name == "model_share":
            return _model_share(view)
        found: dict[str, Found] = {}
        read = metered(view, name)
        for device in _programs(view) if name == _PROGRAMS else of_the_model(read, view):
            found[device] = _metered(name, read[device])
        here = {plain(device): device for device, (value, _) in found.items()}
        for device, readings in view.profile.gpu.items() if name in _LOGGED else ():
            told = here.get(plain(device), device)
            if told not in found or isinstance(found[told][0], str):
                found[told] = _logged(name, readings)
        if not found:
            return Scores.none([""], why_neither(view, name) if name in _LOGGED else why_not(view, name))
        return Scores.of(sorted(found), [found[device] for device in sorted(found)])


def _programs(view: View) -> list[str]:
    """Subjects ``device/program`` of the model's devices."""
    subjects = sorted(metered(view, _PROGRAMS))
    mine = of_the_model({each.rpartition("/")[0] for each in subjects}, view)
    return [each for each in subjects if each.rpartition("/")[0] in mine]


def _metered(name: str, summary: Summary) -> Found:
    if not summary.n:
        return summary.reason, 0
    if name in _COUNTS:
        return summary.total, summary.n
    return summary.largest if name == "temperature" else summary.mean, summary.n


def _logged(name: str, readings: GpuReadings) -> Found:
    if name == "utilization":
        return (readings.utilization / readings.n, readings.n) if readings.n else ("no utilization logged", 0)
    if not readings.memory_largest:
        return "no memory logged", readings.n
    return readings.memory_used / readings.n if readings.n else readings.memory_largest, readings.n


def _model_share(view: View) -> Scores:
    found = shares(view)
    rows = sum(each.compute.rows for each in view.siblings.values() if each.compute is not None)
    scores = Scores.of(sorted(found), [(each if isinstance(each, str) else each[0], rows) for _, each in sorted(found.items())])
    return replace(scores, notes=tuple("" if isinstance(each, str) else each[1] for _, each in sorted(found.items())))
