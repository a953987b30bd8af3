"""Models of the sizes that shadow runs meet, made here with fixed seeds: a picture classifier, a network on a table, boosted trees."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from watchtower.model_stores import Artefact

Weights = dict[str, NDArray[np.generic]]
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


@dataclass(slots=True)
class Graph:
    """Nodes and weights as they are added."""

    random: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: Weights = field(default_factory=dict)

    def conv(self, x: str, shape: tuple[int, int, int], stride: int, *, relu: bool) -> str:
        """A convolution with the batch norm folded into its bias, (out, in, kernel); its output's name."""
        out, into, kernel = shape
        name = f"c{len(self.nodes)}"
        scale = np.sqrt(2.0 / (into * kernel * kernel))
        self.weights[f"{name}.w"] = self.random.normal(0, scale, (out, into, kernel, kernel)).astype(np.float32)
        self.weights[f"{name}.b"] = np.zeros(out, dtype=np.float32)
        pad = kernel // 2
        self.nodes.append(helper.make_node("Conv", [x, f"{name}.w", f"{name}.b"], [name], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4))
        return self.one("Relu", name) if relu else name

    def one(self, operator: str, *inputs: str, **attributes: object) -> str:
        """One more node; its output's name."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))  # type: ignore[arg-type]
        return name

    def made(self, width: list[int | str], answer: str) -> bytes:
        """As a file: X float[N, *width] -> P float[N, 1]."""
        self.nodes.append(helper.make_node("Identity", [answer], ["P"]))
        tensors = [numpy_helper.from_array(value, name) for name, value in self.weights.items()]
        ends = ([helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", *width])], [helper.make_tensor_value_info("P", TensorProto.FLOAT, ["N", 1])])
        model = helper.make_model(
            helper.make_graph(self.nodes, "g", *ends, tensors), opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
        )
        model.ir_version = 8
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def resnet50(seed: int) -> bytes:
    """ResNet-50 as it is published (He et al., 2015), 25.6 million parameters, X float[N, 3, 224, 224], with one probability as its answer."""
    graph = Graph(np.random.default_rng(seed))
    x = graph.conv("X", (64, 3, 7), 2, relu=True)
    x = graph.one("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, (width, blocks) in enumerate(STAGES):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = graph.conv(x, (width, channels, 1), 1, relu=True)
            y = graph.conv(y, (width, width, 3), stride, relu=True)
            y = graph.conv(y, (4 * width, width, 1), 1, relu=False)
            short = graph.conv(x, (4 * width, channels, 1), stride, relu=False) if not block else x
            x, channels = graph.one("Relu", graph.one("Add", y, short)), 4 * width
    graph.weights |= {"fc.w": (graph.random.normal(0, 0.01, (channels, 1000))).astype(np.float32), "fc.b": np.zeros(1000, dtype=np.float32)}
    logits = graph.one("Gemm", graph.one("Flatten", graph.one("GlobalAveragePool", x)), "fc.w", "fc.b")
    graph.weights |= {"first": np.array([0], dtype=np.int64), "second": np.array([1], dtype=np.int64), "one": np.array([1], dtype=np.int64)}
    return graph.made([3, 224, 224], graph.one("Slice", graph.one("Softmax", logits, axis=1), "first", "second", "one"))


def mlp(seed: int, width: int = 30) -> bytes:
    """A network on a table: 30 numbers, two layers of 256, one probability."""
    graph, x, into = Graph(np.random.default_rng(seed)), "X", width
    for layer, out in enumerate((256, 256, 1)):
        graph.weights |= {f"w{layer}": graph.random.normal(0, into**-0.5, (into, out)).astype(np.float32), f"b{layer}": np.zeros(out, dtype=np.float32)}
        x, into = graph.one("Gemm", x, f"w{layer}", f"b{layer}"), out
        x = graph.one("Relu" if out > 1 else "Sigmoid", x)
    return graph.made([width], x)


def trees(seed: int) -> tuple[bytes, NDArray[np.float64]]:
    """scikit-learn's gradient boosting (200 trees of depth 4) on its breast cancer table, as one TreeEnsembleRegressor; and the table's rows."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import GradientBoostingClassifier

    table = load_breast_cancer()
    x = table.data.astype(np.float32).astype(np.float64)
    fitted = GradientBoostingClassifier(n_estimators=200, max_depth=4, subsample=0.5, random_state=seed).fit(x, table.target)
    odds = np.log(table.target.mean() / (1 - table.target.mean()))
    graph = Graph(np.random.default_rng(seed))
    attributes = {**_nodes(fitted), "base_values": [float(odds)], "n_targets": 1}
    graph.nodes.append(helper.make_node("TreeEnsembleRegressor", ["X"], ["sum"], domain="ai.onnx.ml", **attributes))  # type: ignore[arg-type]
    return graph.made([x.shape[1]], graph.one("Sigmoid", "sum")), x


def _nodes(fitted: object) -> dict[str, list[int] | list[float] | list[str]]:
    """The attributes of TreeEnsembleRegressor for a fitted GradientBoostingClassifier of two classes."""
    names = ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "target_treeids", "target_nodeids", "target_ids")
    whole: dict[str, list[int]] = {name: [] for name in names}
    real: dict[str, list[float]] = {"nodes_values": [], "target_weights": []}
    modes: list[str] = []
    rate = fitted.learning_rate  # type: ignore[attr-defined]
    for number, (tree,) in enumerate(fitted.estimators_):  # type: ignore[attr-defined]
        it = tree.tree_
        for node in range(it.node_count):
            leaf = it.children_left[node] < 0
            whole["nodes_treeids"].append(number)
            whole["nodes_nodeids"].append(node)
            whole["nodes_featureids"].append(0 if leaf else int(it.feature[node]))
            whole["nodes_truenodeids"].append(0 if leaf else int(it.children_left[node]))
            whole["nodes_falsenodeids"].append(0 if leaf else int(it.children_right[node]))
            # scikit-learn compares a float32 with a double threshold: the largest float32 below it does the same
            below = np.float32(it.threshold[node])
            real["nodes_values"].append(0.0 if leaf else float(below if below <= it.threshold[node] else np.nextafter(below, np.float32(-np.inf))))
            modes.append("LEAF" if leaf else "BRANCH_LEQ")
            if leaf:
                whole["target_treeids"].append(number)
                whole["target_nodeids"].append(node)
                whole["target_ids"].append(0)
                real["target_weights"].append(float(rate * it.value[node][0][0]))
    return {**whole, **real, "nodes_modes": modes}


def placed(folder: Path, version: str, blob: bytes) -> Artefact:
    """As the artefact of *version*."""
    path = folder / version / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(blob)
    return Artefact(version, path, hashlib.sha256(blob).hexdigest())
