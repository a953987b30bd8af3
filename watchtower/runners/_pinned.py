"""Page-locked host memory, from which a GPU copies at full speed and while it computes."""

import ctypes
import mmap

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LIBRARIES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so")
_PORTABLE = 1


class Pinned:
    """An array of *shape* in memory of whole pages, locked through the CUDA runtime that onnxruntime has loaded; *why_not* says why it is not locked."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        kind = np.dtype(dtype)
        size = max(1, int(np.prod(shape)) * kind.itemsize)
        self._pages = mmap.mmap(-1, size)
        self.array: NDArray[np.generic] = np.frombuffer(self._pages, dtype=kind, count=int(np.prod(shape))).reshape(shape)
        self._runtime = _runtime()
        self.why_not = "" if self._runtime is not None else f"none of {', '.join(_LIBRARIES)} is loaded"
        if self._runtime is not None:
            code = self._runtime.cudaHostRegister(ctypes.c_void_p(self.array.ctypes.data), ctypes.c_size_t(size), ctypes.c_uint(_PORTABLE))
            self.why_not = f"cudaHostRegister said {code}" if code else ""

    def close(self) -> None:
        """Unlocks the pages; they go with the last reference."""
        if self._runtime is not None and not self.why_not:
            self._runtime.cudaHostUnregister(ctypes.c_void_p(self.array.ctypes.data))
            self.why_not = "closed"


def _runtime() -> ctypes.CDLL | None:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None
