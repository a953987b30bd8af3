"""The protocol over gRPC, with its published messages (the field numbers are the protocol's), tensors as raw bytes."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Protocol, cast

import numpy as np

from watchtower.core.tensors import TYPES, InputSpec, Tensor
from watchtower.nouns.errors import ShadowError, Unavailable
from watchtower.runners._open_inference import TYPE_OF, Tensors, Where, as_bytes, check_known, from_bytes, objects, specs_of

_INSTALL = "grpc:// needs grpcio, which is not installed: pip install 'watchtower-ml[grpc]'"
_WORDS = 300
_SERVICE = "inference.GRPCInferenceService"
_TENSOR = (("name", 1, "string", False), ("datatype", 2, "string", False), ("shape", 3, "int64", True))
_CONTENTS = ("bool_contents", "int_contents", "int64_contents", "uint_contents", "uint64_contents", "fp32_contents", "fp64_contents", "bytes_contents")
_MESSAGES: Mapping[str, Sequence[tuple[str, int, str, bool]]] = MappingProxyType(
    {
        "ModelReadyRequest": (("name", 1, "string", False), ("version", 2, "string", False)),
        "ModelReadyResponse": (("ready", 1, "bool", False),),
        "ModelMetadataRequest": (("name", 1, "string", False), ("version", 2, "string", False)),
        "TensorMetadata": _TENSOR,
        "ModelMetadataResponse": (("inputs", 4, "TensorMetadata", True),),
        "InferTensorContents": tuple(
            (name, i + 1, kind, True)
            for i, (name, kind) in enumerate(zip(_CONTENTS, ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "bytes"), strict=True))
        ),
        "InferTensor": (*_TENSOR, ("contents", 5, "InferTensorContents", False)),
        "ModelInferRequest": (
            ("model_name", 1, "string", False),
            ("model_version", 2, "string", False),
            ("inputs", 5, "InferTensor", True),
            ("raw_input_contents", 7, "bytes", True),
        ),
        "ModelInferResponse": (("outputs", 5, "InferTensor", True), ("raw_output_contents", 6, "bytes", True)),
    }
)
"""Message -> (field, number, type, repeated), as far as they are used; what else a server sends is skipped."""


class _Message(Protocol):
    """What we use of a message."""

    name: str
    datatype: str
    shape: Sequence[int]
    ready: bool
    inputs: Sequence["_Message"]
    outputs: Sequence["_Message"]
    raw_output_contents: Sequence[bytes]
    contents: "_Message"

    def SerializeToString(self) -> bytes: ...  # noqa: N802  protobuf's own


Make = Callable[..., _Message]


class Grpc:
    """One version behind gRPC; keeps its channel."""

    def __init__(self, where: Where, headers: Mapping[str, str], seconds: float) -> None:
        """ShadowError where grpcio is missing."""
        try:
            import grpc  # noqa: PLC0415  an extra
        except ImportError as missing:
            raise ShadowError(_INSTALL) from missing
        self._grpc: ModuleType = grpc
        self._where = where
        self._seconds = seconds
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._make = _made()
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
        secure = where.scheme == "grpcs"
        self._channel = grpc.secure_channel(where.host, grpc.ssl_channel_credentials(), options) if secure else grpc.insecure_channel(where.host, options)

    def ready(self) -> None:
        """Asks whether the version is ready."""
        answer = self._call("ModelReady", self._make["ModelReadyRequest"](name=self._where.model, version=self._where.version), "ModelReadyResponse")
        if not answer.ready:
            msg = f"ModelReady of {self._where} answered that it is not"
            raise ShadowError(msg)

    def metadata(self) -> Sequence[InputSpec]:
        """Of the model."""
        asked = self._make["ModelMetadataRequest"](name=self._where.model, version=self._where.version)
        return specs_of([(each.name, each.datatype, list(each.shape)) for each in self._call("ModelMetadata", asked, "ModelMetadataResponse").inputs])

    def infer(self, inputs: Tensors, names: Mapping[str, str]) -> dict[str, Tensor]:
        """One call."""
        listed = [self._make["InferTensor"](name=name, datatype=names[name], shape=list(array.shape)) for name, array in inputs.items()]
        raw = [as_bytes(array, names[name]) for name, array in inputs.items()]
        asked = self._make["ModelInferRequest"](model_name=self._where.model, model_version=self._where.version, inputs=listed, raw_input_contents=raw)
        answer = self._call("ModelInfer", asked, "ModelInferResponse")
        found: dict[str, Tensor] = {}
        for i, each in enumerate(answer.outputs):
            check_known(self._where, each.name, each.datatype)
            try:
                blobs = answer.raw_output_contents
                found[each.name] = from_bytes(blobs[i], each.datatype, each.shape) if blobs else _contents(each)
            except (ValueError, IndexError) as bad:
                msg = f"{self._where} answered output {each.name} that cannot be read: {bad}"
                raise ShadowError(msg) from bad
        return found

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _call(self, method: str, request: _Message, answer: str) -> _Message:
        codes = self._grpc.StatusCode
        call = self._channel.unary_unary(f"/{_SERVICE}/{method}", _written, self._make[answer].FromString)  # type: ignore[attr-defined]
        try:
            return cast("_Message", call(request, timeout=self._seconds, metadata=self._metadata))
        except self._grpc.RpcError as error:
            msg = f"{method} of {self._where} answered {error.code().name}: {str(error.details())[:_WORDS]}"
            if error.code() in {codes.UNAVAILABLE, codes.RESOURCE_EXHAUSTED}:
                raise Unavailable(msg) from error
            raise ShadowError(msg) from error


def _written(message: _Message) -> bytes:
    return message.SerializeToString()


def _contents(each: _Message) -> Tensor:
    """Of an output that did not come as raw bytes: the one field that is filled."""
    filled = next((list(values) for name in _CONTENTS if len(values := getattr(each.contents, name))), [])
    if each.datatype == "BYTES":
        return objects([bytes(value).decode(errors="replace") for value in filled], each.shape)
    return np.array(filled, dtype=TYPES[TYPE_OF[each.datatype]]).reshape(tuple(each.shape))


def _made() -> Mapping[str, Make]:
    """The messages' classes, in a pool of their own: somebody else's stubs of the same names are not disturbed."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415  comes with an extra

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="watchtower_open_inference.proto", package="inference", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in _MESSAGES:
                message.field.add(name=field, number=number, label=label, type=kinds.TYPE_MESSAGE, type_name=f".inference.{kind}")
            else:
                message.field.add(name=field, number=number, label=label, type=getattr(kinds, f"TYPE_{kind.upper()}"))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}")) for name in _MESSAGES}
