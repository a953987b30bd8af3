"""Re-runs ONNX models with onnxruntime, in the process that opens it: a child's."""

import os
from collections.abc import Sequence
from types import ModuleType
from typing import Literal

from pydantic import Field

from watchtower.core.headroom import lacking
from watchtower.edges.children import SILENT
from watchtower.edges.gpu import Gpu
from watchtower.model_stores import Artefact
from watchtower.model_stores._verified import read
from watchtower.nouns.errors import ShadowError, Unavailable
from watchtower.nouns.written import Size
from watchtower.runners import Room, Runner
from watchtower.runners._onnx_bound import BoundSession
from watchtower.runners._onnx_loading import CUDA, TENSORRT, Wish, load
from watchtower.runners._onnx_nodes import CPU
from watchtower.runners._onnx_session import OnnxSession

__all__ = ["CPU", "CUDA", "TENSORRT", "Onnx", "OnnxSession"]
_INSTALL = "re-running models needs onnxruntime, which is not installed: pip install 'watchtower-ml[shadow]'"
_UNGUARDED = "say headroom: 0 and max_utilization: 1 to run without looking"


class Onnx(Runner):
    """ONNX files; `device: cuda` on anything but the GPU is an error, never a slow success."""

    threads: int = Field(default=1, ge=1, le=64)
    """Threads within one operator, on the CPU."""
    batch: int | None = Field(default=None, ge=1, le=65536)
    """Rows in one call, where the model does not fix it; left out: as many as fit 8 MiB of inputs on the CPU, 64 MiB on a GPU, at most 4,096."""
    provider: Literal["cuda", "tensorrt"] = "cuda"
    """What runs on the GPU; `tensorrt` needs TensorRT's libraries."""
    gpu: int = Field(default=0, ge=0)
    """Which GPU, as CUDA counts them (by bus)."""
    in_flight: int = Field(default=2, ge=1, le=4)
    """Batches at once on the GPU: while one computes, the next is copied."""
    cuda_graph: bool = False
    """Record the kernels once and play them: for small models of fixed shapes all of whose nodes run on the GPU."""
    fp16: bool = False
    """Half precision on the GPU; `evidence.tolerance` must then be given."""
    gpu_mem_limit: Size | None = None
    """The most GPU memory that onnxruntime's arena takes for each version."""
    headroom: Size | None = None
    """GPU memory that must stay free beside a run; left out: 2 GiB or a tenth of the device, whichever is more."""
    max_utilization: float = Field(default=0.9, ge=0, le=1)
    """A GPU that is busier than this gets no shadow run."""

    @property
    def inexact(self) -> bool:
        """Half precision rounds to three digits."""
        return self.fp16

    def room(self, artefacts: Sequence[Artefact], device: str) -> Room:
        """The GPU must have memory for *artefacts*, and time; under `auto` the CPU does it else."""
        if device == "cpu" or (self.headroom == 0 and self.max_utilization >= 1) or CUDA not in _imported().get_available_providers():
            return Room(device)
        try:
            reason = self._lacking(artefacts)
        except Unavailable as unknown:
            if device == "cuda":
                msg = f"device: cuda was asked, and the headroom of the GPU cannot be told: {unknown} ({_UNGUARDED})"
                raise ShadowError(msg) from unknown
            return Room("cpu", note=f"on the CPU: {unknown}")
        if not reason:
            return Room(device)
        return Room(device, waits=reason) if device == "cuda" else Room("cpu", note=f"on the CPU: {reason}")

    def meter(self) -> Gpu | None:
        """The GPU's, where the driver can be asked."""
        try:
            return Gpu(self.gpu)
        except Unavailable:
            return None

    def open(self, artefact: Artefact, device: str) -> OnnxSession:
        """Loads the bytes of *artefact*, if they are those of its digest; ShadowError where they are not, or do not load."""
        model = read(artefact)
        onnxruntime = _imported()
        wish = Wish(self.gpu, TENSORRT if self.provider == "tensorrt" else CUDA, self.fp16, self.cuda_graph, self.gpu_mem_limit)
        loaded = load(onnxruntime, model, artefact.version, device, self.threads, wish)
        if loaded.provider == CPU:
            return OnnxSession(loaded, self.batch)
        return BoundSession(onnxruntime, loaded, self.batch, device=self.gpu, in_flight=self.in_flight, graph=self.cuda_graph)

    def _lacking(self, artefacts: Sequence[Artefact]) -> str:
        gpu = Gpu(self.gpu)
        try:
            return lacking(gpu.state(), sum(_size(each) for each in artefacts), self.headroom, self.max_utilization)
        finally:
            gpu.close()


def _imported() -> ModuleType:
    os.environ.update(SILENT)
    try:
        import onnxruntime  # noqa: PLC0415  an extra
    except ImportError as missing:
        raise ShadowError(_INSTALL) from missing
    assert isinstance(onnxruntime, ModuleType)
    return onnxruntime


def _size(artefact: Artefact) -> int:
    if artefact.size:
        return artefact.size
    try:
        return artefact.path.stat().st_size
    except OSError:
        return 0  # opening it says what is wrong
