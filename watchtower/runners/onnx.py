"""Re-runs ONNX models with onnxruntime, in the process that opens it: a child's."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from watchtower.core.inputs import InputSpec, rows_at_once
from watchtower.edges.children import SILENT
from watchtower.model_stores import Artefact
from watchtower.nouns.errors import ShadowError
from watchtower.runners import Outputs, Runner

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_INSTALL = "re-running models needs onnxruntime, which is not installed: pip install 'watchtower-ml[shadow]'"
_QUIET = 4
Arrays = Mapping[str, NDArray[np.generic]]


class _Tensor(Protocol):
    name: str
    type: str
    shape: Sequence[int | str | None]


class _Session(Protocol):
    """What we use of ``onnxruntime.InferenceSession``, which has no types of its own."""

    def get_inputs(self) -> Sequence[_Tensor]: ...
    def get_outputs(self) -> Sequence[_Tensor]: ...
    def get_providers(self) -> Sequence[str]: ...
    def run(self, outputs: Sequence[str], feed: Arrays) -> Sequence[object]: ...


class Onnx(Runner):
    """ONNX files; `device: cuda` on anything but CUDA is an error, never a slow success."""

    threads: int = Field(default=1, ge=1, le=64)
    """Threads within one operator, on the CPU."""
    batch: int = Field(default=256, ge=1, le=65536)
    """Rows in one call, where the model does not fix it."""

    def open(self, artefact: Artefact, device: str) -> "OnnxSession":
        """Loads the bytes of *artefact*, if they are those of its digest; ShadowError where they are not, or do not load."""
        blob = verified(artefact)
        before = resident_bytes()
        os.environ.update(SILENT)
        try:
            import onnxruntime  # noqa: PLC0415  an extra
        except ImportError as missing:
            raise ShadowError(_INSTALL) from missing
        session = _loaded(onnxruntime, blob, artefact.version, device, self.threads)
        return OnnxSession(session, artefact.version, self.batch, max(0, resident_bytes() - before))


class OnnxSession:
    """A loaded ONNX model."""

    def __init__(self, session: _Session, version: str, batch: int, memory_bytes: int) -> None:
        self._session = session
        self._version = version
        self._specs = tuple(InputSpec(each.name, each.type, tuple(each.shape)) for each in session.get_inputs())
        self._outputs = tuple(each.name for each in session.get_outputs())
        self._fixed = rows_at_once(self._specs)
        self._batch = self._fixed or batch
        self._memory = memory_bytes
        self.provider = session.get_providers()[0]

    def inputs(self) -> Sequence[InputSpec]:
        """What the model wants."""
        return self._specs

    def run(self, inputs: Arrays) -> Outputs:
        """Runs all rows, in batches; ShadowError says what the model did not like."""
        rows = len(next(iter(inputs.values())))
        pieces, seconds = [], []
        columns: dict[str, tuple[object, ...]] = {}
        for start in range(0, rows, self._batch):
            piece = {name: values[start : start + self._batch] for name, values in inputs.items()}
            answers, took = self._answers(piece, columns)
            pieces.append(answers)
            seconds.append(took)
        arrays = {name: np.concatenate([piece[name] for piece in pieces]) for name in self._outputs} if pieces else {}
        return Outputs(arrays, np.array(seconds), self.provider, self._memory, columns=columns)

    def close(self) -> None:
        """Gives memory back with the last reference."""
        del self._session

    def _answers(self, piece: Arrays, columns: dict[str, tuple[object, ...]]) -> tuple[dict[str, NDArray[np.generic]], float]:
        rows = len(next(iter(piece.values())))
        short = self._fixed is not None and rows < self._fixed
        fed = {name: np.concatenate([values, np.repeat(values[-1:], self._batch - rows, axis=0)]) for name, values in piece.items()} if short else piece
        began = time.perf_counter()
        try:
            answers = self._session.run(self._outputs, fed)
        except Exception as error:
            msg = f"version {self._version} does not run on the logged inputs ({', '.join(map(str, self._specs))}): {_first_line(error)}"
            raise ShadowError(msg) from error
        took = time.perf_counter() - began
        return {name: self._array(name, answer, rows, columns) for name, answer in zip(self._outputs, answers, strict=True)}, took

    def _array(self, name: str, answer: object, rows: int, columns: dict[str, tuple[object, ...]]) -> NDArray[np.generic]:
        if isinstance(answer, list) and answer and isinstance(answer[0], dict):
            keys = columns.setdefault(name, tuple(answer[0]))
            answer = np.array([[float(each[key]) for key in keys] for each in answer])
        array = np.asarray(answer)
        if array.ndim == 0 or len(array) < rows:
            msg = f"output {name} of version {self._version} is of shape {list(array.shape)} for {rows} rows"
            raise ShadowError(msg)
        return array[:rows]


def verified(artefact: Artefact) -> bytes:
    """The artefact's bytes, read once, if they have its digest; ShadowError else."""
    try:
        blob = artefact.path.read_bytes()
    except OSError as bad:
        msg = f"the artefact of version {artefact.version} cannot be read: {bad}"
        raise ShadowError(msg) from bad
    if hashlib.sha256(blob).hexdigest() != artefact.sha256:
        msg = f"the artefact of version {artefact.version} changed while it was read: {artefact.path}"
        raise ShadowError(msg)
    return blob


def resident_bytes() -> int:
    """Resident memory of this process, 0 where /proc is not there."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _loaded(onnxruntime: ModuleType, blob: bytes, version: str, device: str, threads: int) -> _Session:
    cuda = device != "cpu" and CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        msg = f"device: cuda was asked, and this onnxruntime has {', '.join(onnxruntime.get_available_providers())}: pip install 'watchtower-ml[shadow,cuda]'"
        raise ShadowError(msg)
    try:
        session = _session(onnxruntime, blob, threads, cuda=cuda)
    except Exception as error:
        if cuda and device == "auto":
            return _loaded(onnxruntime, blob, version, "cpu", threads)
        msg = f"the artefact of version {version} does not load: {_first_line(error)}"
        raise ShadowError(msg) from error
    ran = session.get_providers()[0]
    if device == "cuda" and ran != CUDA:
        msg = f"device: cuda was asked, and version {version} runs on {ran}"
        raise ShadowError(msg)
    return session


def _session(onnxruntime: ModuleType, blob: bytes, threads: int, *, cuda: bool) -> _Session:
    onnxruntime.set_default_logger_severity(_QUIET)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if cuda and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    # TF32 would round answers to three digits, and they are compared with those that were logged
    providers = [(CUDA, {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}), CPU] if cuda else [CPU]
    return cast("_Session", onnxruntime.InferenceSession(blob, options, providers=providers))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
