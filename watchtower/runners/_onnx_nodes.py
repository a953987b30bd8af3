"""Where the nodes of an ONNX graph really ran, from onnxruntime's own profile of one run."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

CPU = "CPUExecutionProvider"
_SMALL = 64
_NAMED = 4
_MOVES = ("MemcpyFromHost", "MemcpyToHost")


@dataclass(frozen=True, slots=True)
class Placement:
    """Of one run: *nodes* that ran, by provider, and *fallen*, the operators that computed on the CPU, with how many of each.

    Arithmetic of shapes does not count as fallen: onnxruntime leaves it on the CPU on purpose, since it is a few whole numbers.
    """

    nodes: Mapping[str, int]
    fallen: Mapping[str, int]

    def words(self) -> str:
        """``3 of 41 nodes ran on the CPU: 2 TreeEnsembleClassifier, 1 Normalizer``; "" where none did but arithmetic of shapes beside others."""
        if not self.fallen:
            return f"all nodes ({sum(self.nodes.values())}) ran on the CPU" if self.all_fallen else ""
        most = sorted(self.fallen.items(), key=lambda each: (-each[1], each[0]))
        named = ", ".join(f"{count} {operator}" for operator, count in most[:_NAMED]) + (", …" if len(most) > _NAMED else "")
        return f"{sum(self.fallen.values())} of {sum(self.nodes.values())} nodes ran on the CPU: {named}"

    @property
    def all_fallen(self) -> bool:
        """Nothing but copies ran anywhere else: then what looks like arithmetic of shapes is the model."""
        return self.nodes.keys() <= {CPU}

    def main(self, wanted: str) -> str:
        """*wanted* where any node ran on it, else what ran most of them."""
        return wanted if wanted in self.nodes else max(self.nodes, key=lambda each: (each != CPU, self.nodes[each], each))


def placement(path: Path) -> Placement:
    """What the profile in *path* says; ValueError where it is none, or tells of no node."""
    events = json.loads(path.read_text())
    if not isinstance(events, list):
        msg = f"{path} is no profile of onnxruntime"
        raise ValueError(msg)  # noqa: TRY004  a file that is wrong, not an argument
    # a run in several batches, or of a loop's body, tells a node more than once
    kernels = {str(each.get("name")): each.get("args", {}) for each in events if each.get("cat") == "Node" and str(each.get("name")).endswith("_kernel_time")}
    found = _placed(kernels.values())
    if not found.nodes:
        msg = f"the profile {path.name} tells of no node"
        raise ValueError(msg)
    return found


def _placed(kernels: Iterable[Mapping[str, object]]) -> Placement:
    nodes: Counter[str] = Counter()
    fallen: Counter[str] = Counter()
    for each in kernels:
        operator, provider = str(each.get("op_name", "")), str(each.get("provider", ""))
        if operator in _MOVES:
            continue
        nodes[provider] += 1
        if provider == CPU and not _of_shapes(each.get("output_type_shape")):
            fallen[operator] += 1
    return Placement(dict(nodes), dict(fallen))


def _of_shapes(outputs: object) -> bool:
    """Whether all that came out is a few whole numbers or truths."""
    if not isinstance(outputs, list):
        return False
    return all(kind in {"int64", "int32", "bool"} and math.prod(shape) <= _SMALL for each in outputs for kind, shape in each.items())
