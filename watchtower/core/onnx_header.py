"""What an ONNX file says of itself, read from its protobuf without the onnx package. Pure.

Field numbers: onnx/onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; the wire format: https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_INSIDE: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
        "graph": {1: "node", 5: "tensor", 15: "sparse"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
        "sparse": {1: "tensor", 2: "tensor"},
        "tensor": {13: "external"},
        "training": {1: "graph", 2: "graph"},
        "function": {7: "node"},
    }
)
"""A message's fields that hold messages which are looked into."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Value = int | memoryview


@dataclass(frozen=True, slots=True)
class OnnxHeader:
    """Operator sets by domain ("" is ai.onnx), who wrote the file, and the names of the files beside it that hold tensors, in the order they are met."""

    opset: Mapping[str, int]
    producer: str
    external: tuple[str, ...]


def read_header(blob: bytes | memoryview) -> OnnxHeader | None:
    """The header of an ONNX file; None where *blob* is none (the runner says then what is wrong with it). Tensors' own bytes are skipped, not read."""
    opset: dict[str, int] = {}
    producer: list[str] = []
    external: dict[str, None] = {}
    waiting = [("model", memoryview(blob))]
    try:
        while waiting:
            kind, message = waiting.pop()
            if kind == "opset":
                domain, version = _opset(message)
                opset[domain] = version
            elif kind == "external":
                external.update(dict.fromkeys(_location(message)))
            else:
                inside = _INSIDE[kind]
                found = [(number, value) for number, value in _fields(message) if number in inside or kind == "model"]
                waiting += [(inside[number], value) for number, value in reversed(found) if number in inside and isinstance(value, memoryview)]
                if kind == "model":
                    producer = [_text(value) for number, value in found if number in {2, 3} and isinstance(value, memoryview)]
    except (ValueError, IndexError):
        return None
    return OnnxHeader(opset, " ".join(producer), tuple(external)) if opset else None


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """(field number, value) of a message; ValueError or IndexError where it is none."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in {_FIXED64, _FIXED32}:
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(wire)
        if at + length > end:
            raise ValueError(length)
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(shift)


def _opset(message: memoryview) -> tuple[str, int]:
    fields = dict(_fields(message))
    domain, version = fields.get(1, memoryview(b"")), fields.get(2, 0)
    if not isinstance(domain, memoryview) or not isinstance(version, int):
        raise ValueError(version)  # noqa: TRY004  not its type: what the bytes say
    return _text(domain), version


def _location(message: memoryview) -> Iterator[str]:
    """The value of an entry whose key is ``location``."""
    fields = dict(_fields(message))
    key, value = fields.get(1), fields.get(2)
    if isinstance(key, memoryview) and isinstance(value, memoryview) and bytes(key) == b"location":
        yield _text(value)


def _text(value: memoryview) -> str:
    return bytes(value).decode()
