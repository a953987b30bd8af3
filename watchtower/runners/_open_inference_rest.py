"""The protocol over HTTP: JSON, and the binary tensor extension where the server offers it."""

import json
import math
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import cast

import numpy as np

from watchtower.core.tensors import TYPES, InputSpec, Tensor
from watchtower.nouns.errors import ShadowError, Unavailable
from watchtower.runners._open_inference import TYPE_OF, Tensors, Where, as_bytes, check_known, from_bytes, objects, specs_of

LARGEST = 1 << 30
"""Bytes of an answer."""
OK = 200
_BUSY = frozenset({429, 502, 503, 504})
_LENGTH = "Inference-Header-Content-Length"
_WORDS = 300
Json = dict[str, object]


class Rest:
    """One version behind HTTP; keeps its connection."""

    def __init__(self, where: Where, headers: Mapping[str, str], seconds: float, *, binary: bool | None, nulls: bool) -> None:
        """*binary* None: where the server says that it reads it; *nulls*: missing numbers are written as null."""
        self._where = where
        self._headers = dict(headers)
        self._nulls = nulls
        self._connection = (HTTPSConnection if where.scheme == "https" else HTTPConnection)(where.host, timeout=seconds)
        self._binary = binary

    def ready(self) -> None:
        """Asks for the model's readiness; an answer without 200 is told."""
        status, _, body = self._call("GET", f"{self._where.path}/ready")
        self._demand("GET", "/ready", status, body)

    def metadata(self) -> Sequence[InputSpec]:
        """Of the model; and, once, whether the server reads binary tensors."""
        status, _, body = self._call("GET", self._where.path)
        self._demand("GET", "", status, body)
        if self._binary is None:
            status, _, said = self._call("GET", f"{self._where.prefix}/v2")
            self._binary = status == OK and "binary_tensor_data" in cast("Sequence[object]", self._json(said).get("extensions") or ())
        listed = cast("Sequence[Json]", self._json(body).get("inputs") or ())
        try:
            return specs_of(
                [(str(each["name"]), str(each["datatype"]), [int(cast("int", n)) for n in cast("Sequence[object]", each["shape"])]) for each in listed]
            )
        except (KeyError, TypeError, ValueError) as bad:
            msg = f"{self._where} gave metadata that cannot be read: {body[:_WORDS].decode(errors='replace')}"
            raise ShadowError(msg) from bad

    def infer(self, inputs: Tensors, names: Mapping[str, str]) -> dict[str, Tensor]:
        """One POST."""
        binary = bool(self._binary)
        listed, blobs = [], []
        for name, array in inputs.items():
            tensor: Json = {"name": name, "shape": list(array.shape), "datatype": names[name]}
            if binary:
                blobs.append(as_bytes(array, names[name]))
                tensor["parameters"] = {"binary_data_size": len(blobs[-1])}
            else:
                tensor["data"] = self._plain(name, array)
            listed.append(tensor)
        head = json.dumps({"inputs": listed} | ({"parameters": {"binary_data_output": True}} if binary else {}), allow_nan=False).encode()
        headers = {"Content-Type": "application/octet-stream", _LENGTH: str(len(head))} if binary else {"Content-Type": "application/json"}
        status, answered, body = self._call("POST", f"{self._where.path}/infer", head + b"".join(blobs), headers)
        self._demand("POST", "/infer", status, body)
        return self._outputs(body, answered.get(_LENGTH.lower()))

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _plain(self, name: str, array: Tensor) -> list[object]:
        values: list[object] = array.reshape(-1).tolist()
        if array.dtype.kind != "f" or bool(np.isfinite(array).all()):
            return values
        if not self._nulls or bool(np.isinf(array).any()):
            odd = int(np.count_nonzero(~np.isfinite(array)))
            msg = (
                f"input {name} holds {odd:,} values that are missing or not finite, which JSON has no word for: "
                "use grpc://, binary: true, or missing: null if the server reads null as missing"
            )
            raise ShadowError(msg)
        return [None if isinstance(each, float) and math.isnan(each) else each for each in values]

    def _outputs(self, body: bytes, length: str | None) -> dict[str, Tensor]:
        head = int(length) if length is not None and length.isdecimal() else len(body)
        rest, found = memoryview(body)[head:], dict[str, Tensor]()
        for each in cast("Sequence[Json]", self._json(body[:head]).get("outputs") or ()):
            try:
                name, kind, shape = str(each["name"]), str(each["datatype"]), [int(cast("int", n)) for n in cast("Sequence[object]", each["shape"])]
                check_known(self._where, name, kind)
                size = cast("Json", each.get("parameters") or {}).get("binary_data_size")
                if size is not None:
                    found[name] = from_bytes(bytes(rest[: int(cast("int", size))]), kind, shape)
                    rest = rest[int(cast("int", size)) :]
                else:
                    found[name] = _array(_flat(each["data"]), kind, shape)
            except (KeyError, TypeError, ValueError) as bad:
                msg = f"{self._where} answered an output that cannot be read: {str(each)[:_WORDS]} ({bad})"
                raise ShadowError(msg) from bad
        return found

    def _json(self, body: bytes) -> Json:
        try:
            found = json.loads(body)
        except ValueError as bad:
            msg = f"{self._where} answered no JSON: {body[:_WORDS].decode(errors='replace')}"
            raise ShadowError(msg) from bad
        return found if isinstance(found, dict) else {}

    def _call(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, body. A connection that the server let go of meanwhile is made again, once."""
        for again in (True, False):
            fresh = self._connection.sock is None
            try:
                self._connection.request(method, path, body, {**self._headers, **(headers or {})})
                answer = self._connection.getresponse()
                read = answer.read(LARGEST)
            except TimeoutError as slow:
                self._connection.close()
                msg = f"{self._where} did not answer within {self._connection.timeout:g} s"
                raise ShadowError(msg) from slow
            except (OSError, HTTPException) as away:
                self._connection.close()
                if again and not fresh:
                    continue
                msg = f"{self._where} cannot be reached: {getattr(away, 'strerror', None) or type(away).__name__}"
                raise Unavailable(msg) from away
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, read
        raise AssertionError

    def _demand(self, method: str, what: str, status: int, body: bytes) -> None:
        if status == OK:
            return
        msg = f"{method} {self._where}{what} answered {status}: {_said(body)}"
        raise Unavailable(msg) if status in _BUSY else ShadowError(msg)


def _said(body: bytes) -> str:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    words = said.get("error") if isinstance(said, dict) else None
    return str(words or body[:_WORDS].decode(errors="replace") or "nothing").strip()[:_WORDS]


def _flat(data: object) -> list[object]:
    """Nested lists are allowed, and mean the same."""
    if not isinstance(data, list):
        raise TypeError(type(data).__name__)
    while data and isinstance(data[0], list):
        data = [each for part in data for each in part]
    return data


def _array(values: list[object], kind: str, shape: Sequence[int]) -> Tensor:
    if kind == "BYTES":
        return objects([str(each) for each in values], shape)
    numbers = [math.nan if each is None else each for each in values]
    return np.array(numbers, dtype=TYPES[TYPE_OF[kind]]).reshape(tuple(shape))
