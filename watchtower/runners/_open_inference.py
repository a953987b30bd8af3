"""The Open Inference Protocol: where a version is served, its types of data, and tensors as bytes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

import numpy as np

from watchtower.core.tensors import TEXT, TYPES, InputSpec, Tensor
from watchtower.nouns.errors import ShadowError

Tensors = Mapping[str, Tensor]
_PATH = re.compile(r"(?P<prefix>.*)/v2/models/(?P<model>[^/]+)(/versions/(?P<version>[^/]+))?(/infer)?/?")
SCHEMES = ("http", "https", "grpc", "grpcs")
TYPE_OF: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "tensor(bool)",
        "UINT8": "tensor(uint8)",
        "UINT16": "tensor(uint16)",
        "UINT32": "tensor(uint32)",
        "UINT64": "tensor(uint64)",
        "INT8": "tensor(int8)",
        "INT16": "tensor(int16)",
        "INT32": "tensor(int32)",
        "INT64": "tensor(int64)",
        "FP16": "tensor(float16)",
        "FP32": "tensor(float)",
        "FP64": "tensor(double)",
        "BYTES": TEXT,
    }
)
"""The protocol's name of a type -> ONNX's."""
NAME_OF: Mapping[str, str] = MappingProxyType({onnx: name for name, onnx in TYPE_OF.items()})


@dataclass(frozen=True, slots=True)
class Where:
    """Where one version is served: *host* with its port; *prefix* stands before ``/v2``; *version* "" is whichever the server takes."""

    scheme: str
    host: str
    prefix: str
    model: str
    version: str

    @property
    def path(self) -> str:
        """Of the model, for REST."""
        version = f"/versions/{quote(self.version, safe='')}" if self.version else ""
        return f"{self.prefix}/v2/models/{quote(self.model, safe='')}{version}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"


def where(template: str, model: str, version: str) -> Where | None:
    """The address *template* with ``{model}`` and ``{version}`` filled in; None where it is no address of the protocol."""
    filled = template.replace("{model}", quote(model, safe="")).replace("{version}", quote(version, safe=""))
    parts = urlsplit(filled)
    found = _PATH.fullmatch(parts.path)
    if parts.scheme not in SCHEMES or not parts.hostname or parts.username or parts.query or parts.fragment or found is None:
        return None
    return Where(parts.scheme, parts.netloc, found["prefix"], unquote(found["model"]), unquote(found["version"] or ""))


class Endpoint(Protocol):
    """A connection to one served version. Unavailable where trying again may help, ShadowError where not; both say who answered what."""

    def ready(self) -> None:
        """Returns where the version is served and ready."""

    def metadata(self) -> Sequence[InputSpec]:
        """The inputs that the endpoint says the version takes; empty where it says none."""

    def infer(self, inputs: Tensors, names: Mapping[str, str]) -> dict[str, Tensor]:
        """The outputs for *inputs*, whose types in the protocol's words are *names*."""

    def close(self) -> None:
        """Lets go of the connection."""


def specs_of(listed: Sequence[tuple[str, str, Sequence[int]]]) -> tuple[InputSpec, ...]:
    """(name, type, shape) as the metadata says them; -1 is free, a type that is not known stays as it is written."""
    return tuple(InputSpec(name, TYPE_OF.get(kind, kind), tuple(None if each < 0 else each for each in shape)) for name, kind, shape in listed)


def as_bytes(array: Tensor, kind: str) -> bytes:
    """Row-major, little-endian; a text is its length in four bytes and its UTF-8."""
    if kind != "BYTES":
        return np.ascontiguousarray(array, dtype=np.dtype(TYPES[TYPE_OF[kind]]).newbyteorder("<")).tobytes()
    raw = [str(each).encode() for each in array.reshape(-1).tolist()]
    return b"".join(len(each).to_bytes(4, "little") + each for each in raw)


def from_bytes(blob: bytes, kind: str, shape: Sequence[int]) -> Tensor:
    """What :func:`as_bytes` writes; ValueError where it is of another length."""
    if kind == "BYTES":
        return objects(_texts(blob), shape)
    dtype = np.dtype(TYPES[TYPE_OF[kind]])
    return np.frombuffer(blob, dtype.newbyteorder("<")).astype(dtype).reshape(tuple(shape))


def _texts(blob: bytes) -> list[str]:
    found, at = [], 0
    while at + 4 <= len(blob):
        end = at + 4 + int.from_bytes(blob[at : at + 4], "little")
        if end > len(blob):
            break
        found.append(blob[at + 4 : end].decode(errors="replace"))
        at = end
    if at != len(blob):
        msg = "texts that are cut off"
        raise ValueError(msg)
    return found


def objects(values: Sequence[object], shape: Sequence[int]) -> Tensor:
    """An array of objects; ValueError where there are not as many as the shape says."""
    if len(values) != prod(shape):
        msg = f"{len(values)} values for shape {list(shape)}"
        raise ValueError(msg)
    filled = np.empty(len(values), dtype=object)
    filled[:] = values
    return filled.reshape(tuple(shape))


def check_known(where_: Where, name: str, kind: str) -> None:
    """ShadowError where an output is of a type that the protocol does not have."""
    if kind not in TYPE_OF:
        msg = f"{where_} answered output {name} of type {kind}, which cannot be read"
        raise ShadowError(msg)
