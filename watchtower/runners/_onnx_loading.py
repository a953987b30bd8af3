"""ONNX bytes to a session on the device that was asked for, or to an error that says why not; nothing falls back unsaid."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

from watchtower.edges.gpu import Gpu
from watchtower.model_stores._verified import Verified
from watchtower.nouns.errors import ShadowError, Unavailable
from watchtower.runners._onnx_nodes import CPU
from watchtower.runners._onnx_session import Loaded, Session, first_line, resident_bytes

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
Options = Mapping[str, str]
_QUIET = 4
_ONNX = "fp16: true converts models with the package onnx, which is not installed: pip install 'watchtower-ml[cuda]'"
_LIBRARIES = "pip install 'watchtower-ml[shadow,cuda]' brings CUDA and cuDNN"
_TENSORRT = "TensorRT's libraries are needed: pip install tensorrt"


class _SessionOptions(Protocol):
    """What we set of ``onnxruntime.SessionOptions``."""

    log_severity_level: int
    intra_op_num_threads: int
    inter_op_num_threads: int
    enable_profiling: bool
    profile_file_prefix: str

    def add_session_config_entry(self, name: str, value: str) -> None: ...
    def add_external_initializers_from_files_in_memory(self, names: Sequence[str], buffers: Sequence[bytes], lengths: Sequence[int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """How a model is to run on a GPU: *number*, which one; *provider*, CUDA or TensorRT; the rest as in the runner's settings."""

    number: int = 0
    provider: str = CUDA
    fp16: bool = False
    graph: bool = False
    mem_limit: int | None = None

    def providers(self) -> list[tuple[str, Options]]:
        """As onnxruntime takes them, first choice first; the CPU comes last, for shapes, and whatever else falls to it is seen and told."""
        device = {"device_id": str(self.number)}
        # TF32 would round answers to three digits, and they are compared with those that were logged
        cuda = device | {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested", "enable_cuda_graph": str(int(self.graph))}
        tensorrt = device | {"trt_fp16_enable": str(int(self.fp16)), "trt_cuda_graph_enable": str(int(self.graph))}
        if self.mem_limit is not None:
            cuda["gpu_mem_limit"] = str(self.mem_limit)
            tensorrt["trt_max_workspace_size"] = str(self.mem_limit)
        return [*([(TENSORRT, tensorrt)] if self.provider == TENSORRT else []), (CUDA, cuda), (CPU, {})]


def load(onnxruntime: ModuleType, model: Verified, version: str, device: str, threads: int, wish: Wish) -> Loaded:  # noqa: PLR0913, PLR0917  the bytes, where to, and how
    """*model* on the GPU where *device* is cuda, or auto and there is one; else on the CPU, which the note then gives the reason for."""
    onnxruntime.set_default_logger_severity(_QUIET)
    available = onnxruntime.get_available_providers()
    if device == "cuda" and CUDA not in available:
        msg = f"device: cuda was asked, and this onnxruntime has {', '.join(available)}: pip install 'watchtower-ml[shadow,cuda]'"
        raise ShadowError(msg)
    note = ""
    if device != "cpu" and CUDA in available:
        found = _on_gpu(onnxruntime, model, version, threads, wish, device)
        if isinstance(found, Loaded):
            return found
        note = f"on the CPU: {found}"
    before = resident_bytes()
    session = _created(onnxruntime, model, version, _options(onnxruntime, threads, None), [(CPU, {})])
    return Loaded(session, version, note=note, held=resident_bytes, before=before)


def _on_gpu(onnxruntime: ModuleType, model: Verified, version: str, threads: int, wish: Wish, device: str) -> Loaded | str:  # noqa: PLR0913, PLR0917  as above
    """The session on the GPU; under `device: auto` the reason why there is none. A session that onnxruntime quietly made for the CPU is none."""
    strict = device == "cuda"
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    held = _device_bytes(wish.number)
    before = held()
    profile = None if wish.graph else Path(tempfile.mkdtemp(prefix="watchtower-profile-"))
    try:
        fitting = _halved(model, version) if wish.fp16 and wish.provider == CUDA else model
        wanted = [each for each in wish.providers() if each[0] in onnxruntime.get_available_providers()]
        session = _created(onnxruntime, fitting, version, _options(onnxruntime, threads, profile), wanted)
    except ShadowError as error:
        if strict:
            raise
        return str(error)
    ran = session.get_providers()
    if wish.provider not in ran:
        advice = _TENSORRT if wish.provider == TENSORRT else _LIBRARIES
        reason = f"onnxruntime runs version {version} on {', '.join(ran)} in place of {wish.provider} ({advice})"
        if strict:
            msg = f"device: cuda was asked, and {reason}"
            raise ShadowError(msg)
        return reason
    return Loaded(session, version, wish.provider, strict, "in half precision" if wish.fp16 else "", profile, held, before)


def _created(onnxruntime: ModuleType, model: Verified, version: str, options: _SessionOptions, providers: list[tuple[str, Options]]) -> Session:
    try:
        if model.external:
            buffers = list(model.external.values())
            options.add_external_initializers_from_files_in_memory(list(model.external), buffers, [len(each) for each in buffers])
        # without enable_fallback=0 the Python package retries on the CPU, at loading and at running, and only prints it
        return cast("Session", onnxruntime.InferenceSession(model.model, options, providers=providers, enable_fallback=0))
    except Exception as error:
        msg = f"the artefact of version {version} does not load: {first_line(error)}"
        raise ShadowError(msg) from error


def _options(onnxruntime: ModuleType, threads: int, profile: Path | None) -> _SessionOptions:
    options = cast("_SessionOptions", onnxruntime.SessionOptions())
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile / "run")
    return options


def _halved(model: Verified, version: str) -> Verified:
    """The model in half precision, with inputs and outputs as they were."""
    if model.external:
        msg = f"version {version} keeps tensors in files of their own, and fp16: true converts only what is in one file; provider: tensorrt takes it as it is"
        raise ShadowError(msg)
    try:
        import onnx  # noqa: PLC0415  an extra
        from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415  needs onnx
    except ImportError as missing:
        raise ShadowError(_ONNX) from missing
    try:
        halved = convert_float_to_float16(onnx.load_model_from_string(model.model), keep_io_types=True)
        return Verified(bytes(halved.SerializeToString()), {})
    except Exception as error:
        msg = f"version {version} cannot be converted to half precision: {first_line(error)}"
        raise ShadowError(msg) from error


def _device_bytes(number: int) -> Callable[[], int]:
    """What this process holds on the device; where the driver does not tell that, what is held there in all; 0 where NVML cannot be asked."""
    try:
        gpu = Gpu(number)
    except Unavailable:
        return lambda: 0

    def held() -> int:
        try:
            state = gpu.state()
        except Unavailable:
            return 0
        return state.own_bytes if state.own_bytes is not None else state.total_bytes - state.free_bytes

    return held
