"""What a device does while versions run on it: its meter is read beside the run, and each reading counts for the version whose turn it is."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from watchtower.core.headroom import DeviceState
from watchtower.nouns.errors import Unavailable
from watchtower.runners import DeviceMeter

EVERY = 0.02
"""Seconds between two readings. The driver's own utilisation is of the last sixth of a second up to the last second, its power of about the last."""


@dataclass(slots=True)
class Sampler:
    """Reads *meter* on a thread of its own from :meth:`start` to :meth:`stop`; without a meter nothing is read."""

    meter: DeviceMeter | None = None
    whose: str = ""
    """The version whose turn it is."""
    _read: list[tuple[str, DeviceState]] = field(default_factory=list)
    _thread: threading.Thread | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self, meter: DeviceMeter | None) -> None:
        """Begins, once."""
        if self._thread is None and meter is not None:
            self.meter = meter
            self._thread = threading.Thread(target=self._sample, name="device-meter", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends; a driver that hangs is left behind, with its thread."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def usage(self, version: str) -> Mapping[str, float]:
        """What was read in the turns of *version*; where those were too short for one reading, what was read in all; empty where nothing was."""
        own = [state for whose, state in self._read if whose == version]
        return summed_up(own or [state for _, state in self._read])

    def _sample(self) -> None:
        assert self.meter is not None
        try:
            while True:
                whose = self.whose
                self._read.append((whose, self.meter.state()))
                if self._over.wait(EVERY):
                    break
        except Unavailable:
            pass  # what was read counts
        self.meter.close()


def summed_up(states: list[DeviceState]) -> Mapping[str, float]:
    """Means and peaks: shares, bytes and watts; a measure that the device never told is left out."""
    if not states:
        return {}
    found: dict[str, float] = {"samples": len(states), "memory_peak_bytes": max(each.total_bytes - each.free_bytes for each in states)}
    columns = {"utilization": [each.utilization for each in states], "power_watts": [each.power_watts for each in states]}
    for name, values in columns.items():
        told = [value for value in values if value is not None]
        if told:
            head, mark, unit = name.partition("_")
            found[f"{head}_mean{mark}{unit}"] = round(sum(told) / len(told), 4)
            found[f"{head}_peak{mark}{unit}"] = max(told)
    return found
