"""A loaded ONNX model, run batch by batch on host memory; what of onnxruntime is used."""

import contextlib
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from watchtower.core.inputs import InputSpec, rows_at_once
from watchtower.nouns.errors import ShadowError
from watchtower.runners import Outputs
from watchtower.runners._onnx_nodes import CPU, placement

Arrays = Mapping[str, NDArray[np.generic]]
_EIGHT_MIB, _SIXTY_FOUR_MIB = 2**23, 2**26
_MOST = 4096
_MEMORY = ("out of memory", "failed to allocate", "bad_alloc", "bad allocation", "alloc_failed", "is smaller than requested bytes", "memoryerror")
_DEVICE = ("cuda failure", "cudnn failure", "cublas failure", "cuda error", "cudnn_status", "cublas_status")
OUT_OF_MEMORY, DEVICE_FAILED = "ran out of memory", "made the GPU fail"


class Tensor(Protocol):
    """An input or output, as the model declares it."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class OrtValue(Protocol):
    """A tensor in the memory of some device."""

    def update_inplace(self, data: NDArray[np.generic]) -> None: ...
    def numpy(self) -> NDArray[np.generic]: ...


class Binding(Protocol):
    """Which memory a run reads and writes."""

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None: ...
    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None: ...
    def bind_output(self, name: str, device_type: str, device_id: int) -> None: ...
    def get_outputs(self) -> Sequence[OrtValue]: ...


class Session(Protocol):
    """What we use of ``onnxruntime.InferenceSession``, which has no types of its own."""

    def get_inputs(self) -> Sequence[Tensor]: ...
    def get_outputs(self) -> Sequence[Tensor]: ...
    def get_providers(self) -> Sequence[str]: ...
    def run(self, outputs: Sequence[str], feed: Arrays) -> Sequence[object]: ...
    def io_binding(self) -> Binding: ...
    def run_with_iobinding(self, binding: Binding) -> None: ...
    def end_profiling(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session and what is known of it.

    Attributes:
        version: whose model.
        provider: that its nodes are meant to run on.
        strict: a node that falls to the CPU is an error (`device: cuda`).
        note: what to say about how it runs.
        profile: the folder in which its first run is profiled, to see where nodes run; None: not profiled.
        held: bytes that the process holds, where the model is (device or host memory); *before*: what it held before the model was loaded.
    """

    session: Session
    version: str
    provider: str = CPU
    strict: bool = False
    note: str = ""
    profile: Path | None = None
    held: Callable[[], int] = field(default=lambda: 0)
    before: int = 0


class OnnxSession:
    """A loaded ONNX model."""

    def __init__(self, loaded: Loaded, batch: int | None) -> None:
        self._loaded = loaded
        self._session = loaded.session
        self._specs = tuple(InputSpec(each.name, each.type, tuple(each.shape)) for each in self._session.get_inputs())
        self._outputs = tuple(each.name for each in self._session.get_outputs())
        self._fixed = rows_at_once(self._specs)
        self._wanted, self._batch = batch, 0
        self._unseen = loaded.profile is not None
        self._memory = max(0, loaded.held() - loaded.before)
        self._fresh = True
        self.provider = loaded.provider
        self.note = loaded.note

    def inputs(self) -> Sequence[InputSpec]:
        """What the model wants."""
        return self._specs

    def run(self, inputs: Arrays) -> Outputs:
        """Runs all rows, in batches; ShadowError says what the model did not like."""
        rows = next((len(values) for values in inputs.values() if values.ndim), 1)
        if not self._batch and rows:
            self._batch = self._fixed or self._wanted or self._rows_in_one_call(inputs, rows)
        pieces, seconds, columns = self._all(inputs, rows, self._batch)
        if self._fresh and rows:
            self._fresh = False
            self._memory = max(self._memory, self._loaded.held() - self._loaded.before)
            self._see_where_it_ran()
        arrays = {name: _joined([piece[name] for piece in pieces]) for name in self._outputs} if pieces else {}
        return Outputs(arrays, np.array(seconds), self.provider, self._memory, columns=columns, note=self.note)

    def close(self) -> None:
        """Gives memory back with the last reference."""
        self._forget_profile()
        del self._session, self._loaded

    def _rows_in_one_call(self, inputs: Arrays, rows: int) -> int:
        limit = _EIGHT_MIB if self.provider == CPU else _SIXTY_FOUR_MIB
        width = sum(values.nbytes for values in inputs.values()) / max(1, rows)
        return int(min(_MOST, 2 ** int(math.log2(max(1.0, limit / max(1.0, width))))))

    def _all(self, inputs: Arrays, rows: int, batch: int) -> tuple[list[dict[str, NDArray[np.generic]]], list[float], dict[str, tuple[object, ...]]]:
        """Answers and seconds of each batch."""
        pieces, seconds = [], []
        columns: dict[str, tuple[object, ...]] = {}
        for start in range(0, rows, batch):
            piece = inputs if rows <= batch else cut(inputs, start, start + batch)
            answers, took = self._answers(piece, min(batch, rows - start), columns)
            pieces.append(answers)
            seconds.append(took)
        return pieces, seconds, columns

    def _answers(self, piece: Arrays, rows: int, columns: dict[str, tuple[object, ...]]) -> tuple[dict[str, NDArray[np.generic]], float]:
        short = (self._fixed or 0) - rows
        fed = {name: _filled_up(values, short) for name, values in piece.items()} if short > 0 else piece
        began = time.perf_counter()
        try:
            answers = self._session.run(self._outputs, fed)
        except Exception as error:
            raise self._failed(error) from error
        took = time.perf_counter() - began
        return {name: self._array(name, answer, rows, columns) for name, answer in zip(self._outputs, answers, strict=True)}, took

    def _array(self, name: str, answer: object, rows: int, columns: dict[str, tuple[object, ...]]) -> NDArray[np.generic]:
        if isinstance(answer, list) and answer and isinstance(answer[0], dict):
            keys = columns.setdefault(name, tuple(answer[0]))
            answer = np.array([[float(each[key]) for key in keys] for each in answer])
        array = np.asarray(answer)
        if array.ndim == 0 or len(array) < rows:
            msg = f"output {name} of version {self._loaded.version} is of shape {list(array.shape)} for {rows} rows"
            raise ShadowError(msg)
        return array if len(array) == rows else array[:rows]

    def _failed(self, error: Exception) -> ShadowError:
        version = self._loaded.version
        how = trouble(error)
        if how:
            return ShadowError(f"version {version} {how}: {first_line(error)}")
        return ShadowError(f"version {version} does not run on the logged inputs ({', '.join(map(str, self._specs))}): {first_line(error)}")

    # ------------------------------------------------------------------------------------------------- where it ran

    def _see_where_it_ran(self) -> None:
        """ShadowError where nodes ran on the CPU although the GPU was demanded; else a note of them."""
        if not self._unseen:
            return
        self._unseen = False
        try:
            found = placement(Path(self._session.end_profiling()))
        except (OSError, ValueError) as unread:
            if self._loaded.strict:
                msg = f"device: cuda was asked, and where version {self._loaded.version} ran cannot be told: {first_line(unread)}"
                raise ShadowError(msg) from unread
            self._say(f"where it ran cannot be told: {first_line(unread)}")
            return
        finally:
            self._forget_profile()
        if found.words() and self._loaded.strict:
            msg = f"device: cuda was asked, and of version {self._loaded.version} {found.words()}"
            raise ShadowError(msg)
        self.provider = found.main(self._loaded.provider)
        if found.words():
            self._say(found.words())
        elif self.provider != self._loaded.provider:
            self._say(f"none of its nodes ran on {self._loaded.provider}: {self.provider} ran them")

    def _say(self, words: str) -> None:
        self.note = "; ".join(filter(None, (self.note, words)))

    def _forget_profile(self) -> None:
        if self._loaded.profile is not None:
            if self._unseen:
                self._unseen = False
                with contextlib.suppress(Exception):
                    self._session.end_profiling()
            shutil.rmtree(self._loaded.profile, ignore_errors=True)


def cut(inputs: Arrays, start: int, stop: int) -> Arrays:
    """Those rows of every input; what has no rows is for all of them."""
    return {name: values[start:stop] if values.ndim else values for name, values in inputs.items()}


def _filled_up(values: NDArray[np.generic], short: int) -> NDArray[np.generic]:
    return np.concatenate([values, np.repeat(values[-1:], short, axis=0)]) if values.ndim else values


def trouble(error: Exception) -> str:
    """What of *error* may be another version's doing, so that a run alone tells more; "" where it is the model's own."""
    said = f"{type(error).__name__} {error}".lower()
    if any(each in said for each in _MEMORY):
        return OUT_OF_MEMORY
    return DEVICE_FAILED if any(each in said for each in _DEVICE) else ""


def first_line(error: Exception) -> str:
    """The first line of what it says."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


def resident_bytes() -> int:
    """Resident memory of this process, 0 where /proc is not there."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _joined(pieces: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
