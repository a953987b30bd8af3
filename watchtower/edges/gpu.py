"""One NVIDIA GPU, asked through the driver's own library (NVML): how much of it is free, how busy it is, what it draws."""
# ruff: noqa: N802, N815  the names are NVML's own

import contextlib
import importlib
import os
from collections.abc import Mapping
from typing import Protocol, cast

from watchtower.core.headroom import DeviceState
from watchtower.nouns.errors import Unavailable

_INSTALL = "the package nvidia-ml-py is not installed: pip install 'watchtower-ml[nvml]'"


class _Handle(Protocol):
    """A device, as NVML knows it."""


class _Memory(Protocol):
    total: int
    free: int


class _Rates(Protocol):
    gpu: int


class _Process(Protocol):
    pid: int
    usedGpuMemory: int | None


class _Library(Protocol):
    """What is used of nvidia-ml-py, which has no types of its own."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlDeviceGetHandleByIndex(self, index: int) -> _Handle: ...
    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> _Handle: ...
    def nvmlDeviceGetName(self, handle: _Handle) -> str | bytes: ...
    def nvmlDeviceGetMemoryInfo(self, handle: _Handle) -> _Memory: ...
    def nvmlDeviceGetUtilizationRates(self, handle: _Handle) -> _Rates: ...
    def nvmlDeviceGetPowerUsage(self, handle: _Handle) -> int: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: _Handle) -> list[_Process]: ...


class Gpu:
    """The GPU that CUDA calls *number*; for one thread. Unavailable says why it cannot be asked."""

    def __init__(self, number: int = 0) -> None:
        try:
            self._nvml = cast("_Library", importlib.import_module("pynvml"))
        except ImportError:
            raise Unavailable(_INSTALL) from None
        try:
            self._nvml.nvmlInit()
            wanted = visible(number, os.environ)
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(wanted) if isinstance(wanted, str) else self._nvml.nvmlDeviceGetHandleByIndex(wanted)
            name = self._nvml.nvmlDeviceGetName(self._handle)
        except self._nvml.NVMLError as failed:
            msg = f"NVML cannot be asked about GPU {number}: {failed}"
            raise Unavailable(msg) from None
        self.name = f"GPU {number} ({name.decode(errors='replace') if isinstance(name, bytes) else name})"

    def state(self) -> DeviceState:
        """The device as it is now."""
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
        except self._nvml.NVMLError as failed:
            msg = f"NVML does not tell the memory of {self.name}: {failed}"
            raise Unavailable(msg) from None
        return DeviceState(self.name, int(memory.total), int(memory.free), self._utilization(), self._power(), self._own())

    def close(self) -> None:
        """Lets go of the driver's library."""
        with contextlib.suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()

    def _utilization(self) -> float | None:
        try:
            return self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100
        except self._nvml.NVMLError:
            return None  # a MIG slice has none

    def _power(self) -> float | None:
        try:
            return self._nvml.nvmlDeviceGetPowerUsage(self._handle) / 1000
        except self._nvml.NVMLError:
            return None

    def _own(self) -> int | None:
        """None also where the driver counts processes in another namespace than ours, as in most containers."""
        try:
            found = [each.usedGpuMemory for each in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle) if each.pid == os.getpid()]
        except self._nvml.NVMLError:
            return None
        return next((each for each in found if each is not None), None)


def visible(number: int, environment: Mapping[str, str]) -> int | str:
    """How NVML calls the GPU that CUDA calls *number*: its place, or the UUID that ``CUDA_VISIBLE_DEVICES`` has for it.

    Holds with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, which the runner sets. Unavailable where that variable hides the device.
    """
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return number
    names = [each.strip() for each in listed.split(",")] if listed.strip() else []
    if number >= len(names) or names[number] == "-1":
        msg = f"CUDA_VISIBLE_DEVICES={listed} hides GPU {number}"
        raise Unavailable(msg)
    return int(names[number]) if names[number].isdecimal() else names[number]
