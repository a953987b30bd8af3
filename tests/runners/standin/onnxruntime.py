"""Stands where onnxruntime is, before it on the path: the real package with a GPU that is not there, as strict as the real one about what it is given.

Numbers are the real CPU's. ``ORT_STANDIN`` says how it misbehaves, words apart by spaces: ``fallback`` (a session that was asked for CUDA quietly runs on
the CPU), ``cpu:Sigmoid`` (that operator falls to the CPU; ``cpu:all``), ``crowded`` (out of memory where two sessions are resident), ``pair`` (a bound run
waits a while for another one to be in flight, and says whether it met one), ``no_tensorrt``, ``plain`` (TensorRT takes no node: CUDA runs them). A model
whose bytes hold ``CRASHES`` or ``TOO LARGE`` does so when it runs. ``ORT_STANDIN_LOG`` is a file that gets a line of JSON for each session, and for each
bound run that met another.
"""

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np

_HERE = Path(__file__).resolve().parent
sys.path = [each for each in sys.path if Path(each or ".").resolve() != _HERE]
_me = sys.modules.pop("onnxruntime")
real = importlib.import_module("onnxruntime")
sys.modules["onnxruntime"] = _me
__path__ = real.__path__

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
KNOWN = {
    CUDA: {"device_id", "arena_extend_strategy", "gpu_mem_limit", "use_tf32", "enable_cuda_graph"},
    TENSORRT: {"device_id", "trt_fp16_enable", "trt_cuda_graph_enable", "trt_max_workspace_size"},
    CPU: set(),
}
NO_MEMORY = "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 77"
MODES = os.environ.get("ORT_STANDIN", "").split()
alive: list[int] = []
_paired = threading.Barrier(2)
SessionOptions, set_default_logger_severity = real.SessionOptions, real.set_default_logger_severity
preloaded: list[bool] = []


def preload_dlls() -> None:
    """There is nothing to load."""
    preloaded.append(True)


def get_available_providers() -> list[str]:
    """As a wheel with CUDA and TensorRT has them."""
    return [CUDA, CPU] if "no_tensorrt" in MODES else [TENSORRT, CUDA, CPU]


def _say(line: dict[str, object]) -> None:
    with Path(os.environ["ORT_STANDIN_LOG"]).open("a") as log:
        log.write(json.dumps(line) + "\n")


class Options(Protocol):
    """What is looked at of the real options."""

    enable_profiling: bool


class Named(Protocol):
    """An input or output."""

    name: str


class OrtValue:
    """A tensor "on" a device: host memory that only copies reach."""

    def __init__(self, array: np.ndarray, device: str) -> None:
        self._array, self._device = array, device

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape: Sequence[int], element_type: type, device_type: str = "cpu", device_id: int = 0) -> "OrtValue":
        if device_type not in {"cpu", "cuda"} or device_id != 0 or not isinstance(shape, list):
            msg = f"Unsupported device: {device_type} {device_id}, or shape {shape!r}"
            raise RuntimeError(msg)
        return cls(np.full(shape, -1, dtype=element_type), device_type)

    def update_inplace(self, data: np.ndarray) -> None:
        if data.shape != self._array.shape or data.dtype != self._array.dtype:
            msg = "The input does not match the shape and type of the OrtValue"
            raise RuntimeError(msg)
        self._array[...] = data

    def numpy(self) -> np.ndarray:
        return self._array.copy()


class IOBinding:
    """Which memory a run reads and writes."""

    def __init__(self) -> None:
        self.inputs: dict[str, OrtValue] = {}
        self.outputs: dict[str, OrtValue | str] = {}
        self.found: list[OrtValue] = []

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        assert isinstance(ortvalue, OrtValue)
        self.inputs[name] = ortvalue

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        assert isinstance(ortvalue, OrtValue)
        self.outputs[name] = ortvalue

    def bind_output(self, name: str, device_type: str = "cpu", device_id: int = 0) -> None:
        assert device_type in {"cpu", "cuda"}, device_type
        assert device_id == 0
        self.outputs[name] = device_type

    def get_outputs(self) -> list[OrtValue]:
        return self.found


class InferenceSession:
    """A session on the GPU that is not there."""

    def __init__(
        self, path_or_bytes: bytes, sess_options: Options | None = None, providers: Sequence[str | tuple[str, dict[str, str]]] = (), *, enable_fallback: int = 1
    ) -> None:
        pairs: list[tuple[str, dict[str, str]]] = [(each, {}) if isinstance(each, str) else each for each in providers]
        for name, options in pairs:
            assert name in get_available_providers(), f"{name} is not available"
            assert set(options) <= KNOWN[name], f"unknown options {set(options) - KNOWN[name]}"
            assert all(isinstance(value, str) for value in options.values()), options
        self._text, self._profiled = path_or_bytes, sess_options is not None and sess_options.enable_profiling
        self._real = real.InferenceSession(path_or_bytes, sess_options, providers=[CPU])
        names = [name for name, _ in pairs]
        self._providers = [CPU] if "fallback" in MODES else names
        self._graph = any(options.get("enable_cuda_graph") == "1" for _, options in pairs)
        self._threads: set[int] = set()
        alive.append(id(self))
        _say({"providers": dict(pairs), "fallback": enable_fallback, "preloaded": bool(preloaded)})

    def __del__(self) -> None:
        if id(self) in alive:
            alive.remove(id(self))

    def get_inputs(self) -> Sequence[Named]:
        return cast("Sequence[Named]", self._real.get_inputs())

    def get_outputs(self) -> Sequence[Named]:
        return cast("Sequence[Named]", self._real.get_outputs())

    def get_providers(self) -> list[str]:
        return self._providers

    def io_binding(self) -> IOBinding:
        return IOBinding()

    def run(self, outputs: Sequence[str] | None, feed: dict[str, np.ndarray]) -> list[object]:
        self._misbehave()
        return list(self._real.run(outputs, feed))

    def run_with_iobinding(self, binding: IOBinding) -> None:
        self._misbehave()
        missing = {each.name for each in self.get_inputs()} - set(binding.inputs)
        assert not missing, f"inputs are not bound: {missing}"
        if "pair" in MODES:
            self._meet()
        self._threads.add(threading.get_ident())
        names = [each.name for each in self.get_outputs()]
        found = self._real.run(names, {name: value.numpy() for name, value in binding.inputs.items()})
        binding.found = []
        for name, array in zip(names, found, strict=True):
            bound = binding.outputs[name]
            if self._graph:
                assert isinstance(bound, OrtValue), "a CUDA graph writes to one place: bind the output to a value"
                assert len(self._threads) == 1, "a CUDA graph is played by the thread that recorded it"
            if isinstance(bound, OrtValue):
                bound.update_inplace(array)
            binding.found.append(bound if isinstance(bound, OrtValue) else OrtValue(array, bound))

    def end_profiling(self) -> str:
        if not self._profiled:
            return ""
        path = Path(self._real.end_profiling())
        events, fallen = json.loads(path.read_text()), [each.removeprefix("cpu:") for each in MODES if each.startswith("cpu:")]
        for each in events:
            args = each.get("args", {})
            if "provider" in args and args["op_name"] not in fallen and "all" not in fallen:
                args["provider"] = CUDA if "plain" in MODES else self._providers[0]
        path.write_text(json.dumps(events))
        return str(path)

    def _meet(self) -> None:
        try:
            _paired.wait(0.5)
            _say({"met": True})
        except threading.BrokenBarrierError:
            _paired.reset()  # nobody else came

    def _misbehave(self) -> None:
        if b"CRASHES" in self._text:
            os.kill(os.getpid(), signal.SIGSEGV)
        if b"TOO LARGE" in self._text or ("crowded" in MODES and len(alive) > 1):
            raise RuntimeError(NO_MEMORY)
