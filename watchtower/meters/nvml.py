"""NVIDIA GPUs of this machine, through the driver's own library (NVML)."""

import ctypes
import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from watchtower.meters import Meter, MeterSession
from watchtower.meters._library import Handle, Library
from watchtower.meters._presets import THROTTLED
from watchtower.meters._samples import Growth, Of, Raw
from watchtower.nouns.errors import ConfigError, Problem, Unavailable
from watchtower.nouns.place import Place
from watchtower.nouns.readings import MeterReading

NO_SLICES = "MIG: NVML gives no utilisation of slices; read it with a prometheus meter, preset dcgm"
_MOST_EVENTS = 1_000
_XID = 8
_UNCORRECTED, _VOLATILE = 1, 0
_CORE = 0
_MOST_PROGRAMS = 16
_OF_DEVICES = tuple(
    f"gpu.{name}" for name in ("utilization", "memory_used", "memory_share", "power", "temperature", "xid_errors", "ecc_errors", "throttled_share")
)


class Nvml(Meter):
    """Reads every GPU of the machine that Watchtower runs on; devices are told by their number, MIG slices as ``0:mig-<GPU instance>``.

    Without a driver, or with one that fails, nothing is read and every measure says why; it is tried again at each reading.
    """

    def open(self) -> MeterSession:
        """Finds the package; the driver is asked at the first reading. ConfigError where nvidia-ml-py is not installed."""
        try:
            library = cast("Library", importlib.import_module("pynvml"))
        except ImportError:
            problem = Problem(Place("meters"), "the meter nvml needs the package nvidia-ml-py", "pip install 'watchtower-ml[nvml]'")
            raise ConfigError([problem]) from None
        return NvmlSession(library)


@dataclass(slots=True)
class NvmlSession:
    """Holds the driver's library between readings; begins anew after it has failed."""

    library: Library
    _growth: Growth = field(default_factory=Growth)
    _opened: bool = False
    _events: "_Events | None" = None

    def read(self, now: datetime) -> Sequence[MeterReading]:
        """Every device, and every slice of those that are split; Unavailable where NVML cannot be asked at all."""
        try:
            if not self._opened:
                self.library.nvmlInit()
                self._opened, self._events = True, _Events(self.library)
            count = self.library.nvmlDeviceGetCount()
        except self.library.NVMLError as failed:
            self.close()
            msg = f"NVML cannot be asked: {_told(failed)}"
            raise Unavailable(msg) from None
        if not count:
            msg = "NVML finds no GPU"
            raise Unavailable(msg)
        devices = [(str(index), self._handle(index)) for index in range(count)]
        if all(isinstance(each, str) for _, each in devices):
            self.close()
        return self._growth.readings([raw for name, each in devices for raw in self._device(name, each)], now)

    def close(self) -> None:
        """Lets go of the driver's library."""
        if not self._opened:
            return
        self._opened = False
        try:
            if self._events is not None:
                self._events.close()
            self.library.nvmlShutdown()
        except self.library.NVMLError:
            return  # it had gone already: that is why we close

    def _handle(self, index: int) -> Handle | str:
        """The device, or why it cannot be asked: one that fell off the bus must not hide the others."""
        try:
            return self.library.nvmlDeviceGetHandleByIndex(index)
        except self.library.NVMLError as failed:
            return f"NVML: {_told(failed)}"

    def _device(self, name: str, handle: Handle | str) -> Iterator[Raw]:
        if isinstance(handle, str):
            yield from (Raw(measure, name, handle) for measure in _OF_DEVICES)
            return
        nvml = self.library
        slices = list(self._slices(name, handle))
        whole: list[tuple[str, Callable[[], float], Of]] = [
            ("gpu.power", lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000, Of.GAUGE),
            ("gpu.temperature", lambda: float(nvml.nvmlDeviceGetTemperature(handle, _CORE)), Of.GAUGE),
            ("gpu.ecc_errors", lambda: float(nvml.nvmlDeviceGetTotalEccErrors(handle, _UNCORRECTED, _VOLATILE)), Of.GROWTH),
            ("gpu.throttled_share", lambda: float(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle) & THROTTLED != 0), Of.GAUGE),
        ]
        yield from (self._tried(measure, name, ask, of) for measure, ask, of in whole)
        if self._events is not None:
            yield Raw("gpu.xid_errors", name, self._events.since(name, handle))
        if slices:
            yield Raw("gpu.utilization", name, NO_SLICES)
        else:
            yield self._tried("gpu.utilization", name, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
        for device, each in [(name, handle), *slices]:
            yield from self._memory(device, each)
        yield from (Raw("gpu.utilization", device, NO_SLICES) for device, _ in slices)
        yield from self._programs(name, handle)

    def _memory(self, name: str, handle: Handle) -> Iterator[Raw]:
        try:
            memory = self.library.nvmlDeviceGetMemoryInfo(handle)
        except self.library.NVMLError as refused:
            yield from (Raw(measure, name, f"NVML: {_told(refused)}") for measure in ("gpu.memory_used", "gpu.memory_share"))
            return
        yield Raw("gpu.memory_used", name, float(memory.used))
        yield Raw("gpu.memory_share", name, memory.used / memory.total if memory.total else "no memory")

    def _programs(self, name: str, handle: Handle) -> Iterator[Raw]:
        """Memory by program name, ``0/python3``: the 16 largest; processes come and go, programs stay."""
        nvml, used = self.library, Counter[str]()
        try:
            for each in nvml.nvmlDeviceGetComputeRunningProcesses(handle):
                if each.usedGpuMemory is not None:
                    used[self._program(each.pid)] += each.usedGpuMemory
        except nvml.NVMLError:
            return  # the driver does not list them (in some containers, on some devices)
        yield from (Raw("gpu.program_memory", f"{name}/{program}", float(memory)) for program, memory in used.most_common(_MOST_PROGRAMS))

    def _program(self, pid: int) -> str:
        try:
            return Path(self.library.nvmlSystemGetProcessName(pid)).name or "unnamed"
        except self.library.NVMLError:
            return "unnamed"

    def _slices(self, name: str, handle: Handle) -> Iterator[tuple[str, Handle]]:
        """The MIG slices of a device that is split into some."""
        nvml = self.library
        try:
            if not nvml.nvmlDeviceGetMigMode(handle)[0]:
                return
            most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
        except nvml.NVMLError:
            return  # a device that cannot be split
        for index in range(most):
            try:
                one = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
                yield f"{name}:mig-{nvml.nvmlDeviceGetGpuInstanceId(one)}", one
            except nvml.NVMLError:
                continue  # nothing at this place

    def _tried(self, measure: str, name: str, ask: Callable[[], float], of: Of = Of.GAUGE) -> Raw:
        """The number, or NVML's own words why not: a device need not know everything."""
        try:
            return Raw(measure, name, ask(), of)
        except self.library.NVMLError as refused:
            return Raw(measure, name, f"NVML: {_told(refused)}")


class _Events:
    """Counts XID errors as the driver tells them."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._watched: dict[str, str] = {}
        self._counts: dict[int | None, int] = {}
        self._set: object | None = None
        self._reason = ""
        try:
            self._set = library.nvmlEventSetCreate()
        except library.NVMLError as refused:
            self._reason = f"NVML: {_told(refused)}"

    def since(self, name: str, handle: Handle) -> float | str:
        """The errors of *handle* since the last call; or why they are not told."""
        if self._set is None:
            return self._reason
        if name not in self._watched:
            self._watched[name] = self._watch(handle)
        if self._watched[name]:
            return self._watched[name]
        self._gather(self._set)
        return float(self._counts.pop(_address(handle), 0))

    def close(self) -> None:
        """Stops listening."""
        if self._set is not None:
            self._library.nvmlEventSetFree(self._set)
            self._set = None

    def _watch(self, handle: Handle) -> str:
        try:
            self._library.nvmlDeviceRegisterEvents(handle, _XID, self._set)
        except self._library.NVMLError as refused:
            return f"NVML: {_told(refused)}"
        return ""

    def _gather(self, events: object) -> None:
        for _ in range(_MOST_EVENTS):
            try:
                event = self._library.nvmlEventSetWait(events, 0)
            except self._library.NVMLError:
                return  # nothing waits
            if event.eventType == _XID:
                device = _address(event.device)
                self._counts[device] = self._counts.get(device, 0) + 1


def _address(handle: Handle) -> int | None:
    """What tells two handles apart: they are pointers."""
    return ctypes.cast(cast("ctypes.c_void_p", handle), ctypes.c_void_p).value


def _told(error: Exception) -> str:
    """NVML's own words."""
    return str(error).strip() or type(error).__name__
