"""A net as an ONNX file."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from watchtower.programs.demo.applicants import LOGGED, NUMERIC, PURPOSES
from watchtower.programs.demo.models import Net


def to_onnx(net: Net) -> bytes:
    """One input a feature (`[N, 1]`, the purpose as a string), one output `probability` (`[N, 1]`)."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in NUMERIC]
    inputs.append(helper.make_tensor_value_info("purpose", TensorProto.STRING, [None, 1]))
    output = helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph(_nodes(), "credit", inputs, [output], _constants(net))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _nodes() -> list[onnx.NodeProto]:
    node = helper.make_node
    read = [f"log_{name}" if name in LOGGED else name for name in NUMERIC]
    return [
        *(node("Log", [name], [f"log_{name}"]) for name in LOGGED),
        node("Concat", read, ["numbers"], axis=1),
        node("Sub", ["numbers", "mean"], ["centred"]),
        node("Div", ["centred", "sd"], ["scaled"]),
        node("OneHotEncoder", ["purpose"], ["hot"], domain="ai.onnx.ml", cats_strings=list(PURPOSES), zeros=1),
        node("Reshape", ["hot", "flat"], ["purposes"]),
        node("Concat", ["scaled", "purposes"], ["design"], axis=1),
        node("Gemm", ["design", "weights", "bias"], ["logit"]),
        node("Sigmoid", ["logit"], ["probability"]),
    ]


def _constants(net: Net) -> list[onnx.TensorProto]:
    numbers = {"mean": net.mean, "sd": net.sd, "weights": net.weights[:, None], "bias": np.array([net.bias])}
    flat = numpy_helper.from_array(np.array([-1, len(PURPOSES)], dtype=np.int64), "flat")
    return [*(numpy_helper.from_array(values.astype(np.float32), name) for name, values in numbers.items()), flat]
