"""An ONNX model on a GPU with bound memory: pinned host buffers, inputs and graph at fixed places, two batches in flight."""

import queue
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.errors import ShadowError
from watchtower.runners._onnx_session import Arrays, Binding, Loaded, OnnxSession, OrtValue, cut
from watchtower.runners._pinned import Pinned

CUDA_DEVICE = "cuda"
_TEXT = "tensor(string)"
_LEAST = 8
_NUMPY = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(bool)": "bool",
}


class BoundSession(OnnxSession):
    """As :class:`OnnxSession`, over memory that is bound once.

    Every batch has the same number of rows (the last one is filled up with its last row), so that kernels are chosen, and a CUDA graph is recorded, once.
    *in_flight* threads have a binding each: while one batch computes, the next one is copied from pinned memory. Models that take texts, or answer with
    something other than tensors, run as on the CPU: onnxruntime binds tensors of numbers only.
    """

    def __init__(self, onnxruntime: ModuleType, loaded: Loaded, batch: int | None, *, device: int, in_flight: int, graph: bool) -> None:  # noqa: PLR0913  what it is made of
        super().__init__(loaded, batch)
        self._ort, self._device, self._graph = onnxruntime, device, graph
        self._count = 1 if graph else in_flight
        self._slots: list[_Slot] = []
        self._rows = 0
        self._threads: ThreadPoolExecutor | None = None
        tensors = (*self._session.get_inputs(), *self._session.get_outputs())
        self._bindable = all(each.type.startswith("tensor(") and each.type != _TEXT for each in tensors)

    def close(self) -> None:
        """Gives memory back: threads, pinned pages, and all that lies on the device."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)
            self._threads = None
        for slot in self._slots:
            slot.close()
        self._slots = []
        super().close()

    def _all(self, inputs: Arrays, rows: int, batch: int) -> tuple[list[dict[str, NDArray[np.generic]]], list[float], dict[str, tuple[object, ...]]]:
        if not self._bindable or not rows:
            return super()._all(inputs, rows, batch)
        self._prepare(inputs, rows, batch)
        pieces = [cut(inputs, start, start + self._rows) for start in range(0, rows, self._rows)]
        done, seconds = self._in_flight(pieces) if self._threads is not None and len(pieces) > 1 else self._one_by_one(pieces)
        columns: dict[str, tuple[object, ...]] = {}
        counts = [min(self._rows, rows - start) for start in range(0, rows, self._rows)]
        named = zip(done, counts, strict=True)
        return (
            [{name: self._array(name, array, n, columns) for name, array in zip(self._outputs, arrays, strict=True)} for arrays, n in named],
            seconds,
            columns,
        )

    def _prepare(self, inputs: Arrays, rows: int, batch: int) -> None:
        """Binds memory at the first call, for good: a turn's rows, divided by what is in flight."""
        if self._slots:
            return
        self._rows = self._fixed or max(1, min(batch, max(_LEAST, -(-rows // self._count))))
        try:
            self._slots = [_Slot(self, self._ort, inputs, self._rows) for _ in range(self._count)]
        except Exception as error:
            raise self._failed(error) from error
        unpinned = next((slot.why_not for slot in self._slots if slot.why_not), "")
        if unpinned:
            self._say(f"host buffers are not pinned ({unpinned})")
        if self._count > 1:
            self._threads = ThreadPoolExecutor(self._count, "onnx")

    def _one_by_one(self, pieces: Sequence[Arrays]) -> tuple[list[list[NDArray[np.generic]]], list[float]]:
        done, seconds = [], []
        for piece in pieces:
            began = time.perf_counter()
            done.append(self._bound(self._slots[0], piece))
            seconds.append(time.perf_counter() - began)
        return done, seconds

    def _in_flight(self, pieces: Sequence[Arrays]) -> tuple[list[list[NDArray[np.generic]]], list[float]]:
        """As many batches at once as there are slots; a batch's seconds are those since the one before it was done, so that their sum is the wall time."""
        assert self._threads is not None
        free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for slot in self._slots:
            free.put(slot)

        def run(piece: Arrays) -> list[NDArray[np.generic]]:
            slot = free.get()
            try:
                return self._bound(slot, piece)
            finally:
                free.put(slot)

        began, done, seconds = time.perf_counter(), [], []
        for future in [self._threads.submit(run, piece) for piece in pieces]:
            done.append(future.result())
            seconds.append((now := time.perf_counter()) - began)
            began = now
        return done, seconds

    def _bound(self, slot: "_Slot", piece: Arrays) -> list[NDArray[np.generic]]:
        try:
            return slot.run(piece)
        except Exception as error:
            raise self._failed(error) from error

    def bound_to(self) -> tuple[Binding, tuple[str, ...], int, bool]:
        """A fresh binding of this session, the outputs' names, the device, and whether outputs must stay where they are (a CUDA graph writes there)."""
        return self._session.io_binding(), self._outputs, self._device, self._graph

    def answered(self, rows: int) -> list[tuple[str, tuple[int, ...], str]]:
        """Name, shape and numpy type of each output for *rows* rows, as the model declares them; ShadowError where it leaves one open."""
        found = []
        for each in self._session.get_outputs():
            first, *others = each.shape or (rows,)
            fixed = [size for size in others if isinstance(size, int) and size > 0]
            dtype = _NUMPY.get(each.type)
            if len(fixed) != len(others) or dtype is None:
                msg = (
                    f"cuda_graph: true needs outputs of a fixed shape, and output {each.name} of version {self._loaded.version} is {each.type} of {each.shape}"
                )
                raise ShadowError(msg)
            found.append((each.name, (first if isinstance(first, int) and first > 0 else rows, *fixed), dtype))
        return found

    def execute(self, binding: Binding) -> None:
        """Runs with what is bound; done when it returns."""
        self._session.run_with_iobinding(binding)


class _Slot:
    """The memory of one batch in flight: pinned on the host, and on the device."""

    def __init__(self, session: BoundSession, onnxruntime: ModuleType, inputs: Arrays, rows: int) -> None:
        self._session = session
        self._rows = rows
        self._ort = onnxruntime
        self._binding, self._names, self._number, self._fixed = session.bound_to()
        self._host = {name: Pinned((rows, *values.shape[1:]) if values.ndim else (), values.dtype) for name, values in inputs.items()}
        self._device: dict[str, OrtValue] = {}
        for name, pinned in self._host.items():
            value = self._place(pinned.array.shape, pinned.array.dtype)
            self._device[name] = value
            self._binding.bind_ortvalue_input(name, value)
        for name in self._names:
            self._binding.bind_output(name, CUDA_DEVICE, self._number)
        self.why_not = next((pinned.why_not for pinned in self._host.values() if pinned.why_not), "")
        self._outputs: list[OrtValue] = []

    def run(self, piece: Arrays) -> list[NDArray[np.generic]]:
        """The outputs for *piece*, filled up to the bound number of rows."""
        for name, values in piece.items():
            host = self._host[name].array
            if values.ndim:
                host[: len(values)] = values
                host[len(values) :] = values[-1:]
            else:
                host[...] = values
            self._device[name].update_inplace(host)
        if self._fixed and not self._outputs:
            self._fix_outputs()
        self._session.execute(self._binding)
        return [each.numpy() for each in (self._outputs or self._binding.get_outputs())]

    def close(self) -> None:
        """Lets go of both memories."""
        self._device, self._outputs = {}, []
        del self._binding
        for pinned in self._host.values():
            pinned.close()

    def _fix_outputs(self) -> None:
        """Outputs bound at one place: a CUDA graph writes where it wrote when it was recorded."""
        for name, shape, dtype in self._session.answered(self._rows):
            value = self._place(shape, np.dtype(dtype))
            self._outputs.append(value)
            self._binding.bind_ortvalue_output(name, value)

    def _place(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> OrtValue:
        value: OrtValue = self._ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype.type, CUDA_DEVICE, self._number)
        return value
