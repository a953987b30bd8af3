"""What the model's rows log of the devices that served them."""

from typing import ClassVar

from watchtower.measures import Measure
from watchtower.nouns.profile import GpuReadings
from watchtower.nouns.score import Scores, View


class Gpu(Measure):
    """Means over the readings that rows logged, by device; `n` counts the readings.

    utilization: share of the time that the device was busy, 0 to 1. memory_used: bytes (the largest reading where no
    reading has a utilization beside it).
    """

    names: ClassVar[tuple[str, ...]] = ("utilization", "memory_used")

    def score(self, name: str, view: View) -> Scores:
        """A score for every device that was logged, by name."""
        devices = sorted(view.profile.gpu.items())
        if not devices:
            return Scores.none([""], "no device logged" if view.profile.rows else "no rows")
        return Scores.of([device for device, _ in devices], [_mean(name, readings) for _, readings in devices])


def _mean(name: str, readings: GpuReadings) -> tuple[float | str, int]:
    if name == "utilization":
        return (readings.utilization / readings.n, readings.n) if readings.n else ("no utilization logged", 0)
    if not readings.memory_largest:
        return "no memory logged", readings.n
    return readings.memory_used / readings.n if readings.n else readings.memory_largest, readings.n
