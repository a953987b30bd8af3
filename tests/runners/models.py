"""Small real ONNX models: a logistic regression in several dresses."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from watchtower.model_stores import Artefact

Weights = Mapping[str, NDArray[np.float32] | NDArray[np.int64] | NDArray[np.bool_]]


def _made(nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], weights: Weights) -> bytes:
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, tensors), opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def logistic(weights: Sequence[float], bias: float = 0.0, *, rows: int | None = None, name: str = "X") -> bytes:
    """P = sigmoid(X w + b), X float [rows or N, k]; one output [N, 1]."""
    column = np.array(weights, dtype=np.float32)[:, None]
    nodes = [helper.make_node("Gemm", [name, "w", "b"], ["logit"]), helper.make_node("Sigmoid", ["logit"], ["probability"])]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, len(weights)])]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [rows, 1])]
    return _made(nodes, inputs, outputs, {"w": column, "b": np.array([bias], dtype=np.float32)})


def two_outputs(weight: float, countries: Sequence[str], effects: Sequence[float]) -> bytes:
    """One float and one string input, outputs `label` and `probabilities` as skl2onnx gives them."""
    nodes = [
        helper.make_node("OneHotEncoder", ["country"], ["hot3"], domain="ai.onnx.ml", cats_strings=list(countries), zeros=1),
        helper.make_node("Reshape", ["hot3", "flat"], ["hot"]),
        helper.make_node("Concat", ["amount", "hot"], ["x"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["one"]),
        helper.make_node("Sub", ["unit", "one"], ["zero"]),
        helper.make_node("Concat", ["zero", "one"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("amount", TensorProto.FLOAT, [None, 1]), helper.make_tensor_value_info("country", TensorProto.STRING, [None, 1])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
    ]
    weights: Weights = {
        "w": np.array([[weight], *([each] for each in effects)], dtype=np.float32),
        "unit": np.array([1.0], dtype=np.float32),
        "flat": np.array([-1, len(countries)], dtype=np.int64),
    }
    return _made(nodes, inputs, outputs, weights)


def zipmap() -> bytes:
    """Outputs as skl2onnx gives them by default: `output_label`, and `output_probability` as a map a row."""
    nodes = [
        helper.make_node("Sigmoid", ["X"], ["one"]),
        helper.make_node("Sub", ["unit", "one"], ["zero"]),
        helper.make_node("Concat", ["one", "zero"], ["p"], axis=1),
        helper.make_node("ZipMap", ["p"], ["output_probability"], domain="ai.onnx.ml", classlabels_strings=["fraud", "ok"]),
        helper.make_node("ArgMax", ["p"], ["output_label"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 1])]
    maps = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    outputs = [
        helper.make_tensor_value_info("output_label", TensorProto.INT64, [None]),
        helper.make_value_info("output_probability", helper.make_sequence_type_proto(maps)),
    ]
    return _made(nodes, inputs, outputs, {"unit": np.array([1.0], dtype=np.float32)})


def mean_sine() -> bytes:
    """The mean of sin(X), X float [N, k], in two nodes that onnxruntime does not fuse; one output [N, 1]."""
    nodes = [helper.make_node("Sin", ["X"], ["waves"]), helper.make_node("ReduceMean", ["waves"], ["mean"], axes=[1], keepdims=1)]
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, None])]
    return _made(nodes, inputs, [helper.make_tensor_value_info("mean", TensorProto.FLOAT, [None, 1])], {})


def larger() -> bytes:
    """Which of the numbers of X, float [N, k], is the largest; one output, int64 [N]."""
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, None])]
    nodes = [helper.make_node("ArgMax", ["X"], ["which"], axis=1, keepdims=0)]
    return _made(nodes, inputs, [helper.make_tensor_value_info("which", TensorProto.INT64, [None])], {})


def noisy(scale: float) -> bytes:
    """The first number and noise of that many sd, new at every run; X float [N, 2], one output [N, 1]."""
    nodes = [
        helper.make_node("Slice", ["X", "zero", "one", "one"], ["first"]),
        helper.make_node("RandomNormalLike", ["first"], ["noise"], scale=scale, seed=1.0),
        helper.make_node("Add", ["first", "noise"], ["sum"]),
    ]
    weights: Weights = {"zero": np.array([0], dtype=np.int64), "one": np.array([1], dtype=np.int64)}
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])]
    return _made(nodes, inputs, [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None, None])], weights)


def endless() -> bytes:
    """Adds nothing to the first output for as many rounds as there are whole numbers; X float [N, 2], one output [N, 2]."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["on_still"]), helper.make_node("Add", ["x", "x0"], ["x_next"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None]),
        ],
        [helper.make_tensor_value_info("on_still", TensorProto.BOOL, []), helper.make_tensor_value_info("x_next", TensorProto.FLOAT, [None, None])],
    )
    nodes = [helper.make_node("Identity", ["X"], ["x0"]), helper.make_node("Loop", ["rounds", "yes", "x0"], ["last"], body=body)]
    weights: Weights = {"rounds": np.array(2**62, dtype=np.int64), "yes": np.ones((), dtype=np.bool_)}
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])]
    return _made(nodes, inputs, [helper.make_tensor_value_info("last", TensorProto.FLOAT, [None, 2])], weights)


def greedy() -> bytes:
    """Wants four tebibytes for a number a row; X float [N, 2]."""
    nodes = [
        helper.make_node("ConstantOfShape", ["huge"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["none"], keepdims=0),
        helper.make_node("Add", ["X", "none"], ["sum"]),
    ]
    weights: Weights = {"huge": np.array([2**40], dtype=np.int64)}
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])]
    return _made(nodes, inputs, [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None, 2])], weights)


def placed(folder: Path, version: str, blob: bytes) -> Artefact:
    """Writes <folder>/<version>/model.onnx."""
    (folder / version).mkdir(parents=True)
    path = folder / version / "model.onnx"
    path.write_bytes(blob)
    return Artefact(version, path, hashlib.sha256(blob).hexdigest())
