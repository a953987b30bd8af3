"""Made-up services whose models are real: a population with a truth, versions as ONNX files, logs and labels that came from running them.

Everything is seeded. A scenario is one model of one daemon: what its log holds is decided by :class:`Service`.
"""

import json
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from watchtower.edges.children import SILENT

FEATURES = ("amount", "age", "income", "visits")
TRUTH = np.array([1.6, -1.2, 0.9, 1.4])
SIZE = 2
"""Seconds of a window."""
ROWS = 250
"""Predictions a window, where nothing else is said."""
MESSAGE = 50
"""Predictions a message."""
WINDOWS = 34
"""Windows of a log, which ends now."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Net:
    """A logistic model: P = sigmoid(x · weights + bias), missing features are 0; *slow* layers change nothing; with *noise* no two answers are alike."""

    weights: Floats
    bias: float = 0.0
    slow: int = 0
    noise: float = 0.0
    number: bool = False

    def onnx(self) -> bytes:
        """Input X float [N, 4], output `p` [N, 1]."""
        weights = {"w": self.weights.astype(np.float32)[:, None], "b": np.array([self.bias], dtype=np.float32), "none": np.array([0], dtype=np.float32)}
        nodes = [helper.make_node("IsNaN", ["X"], ["gap"]), helper.make_node("Where", ["gap", "none", "X"], ["full"])]
        nodes.append(helper.make_node("Gemm", ["full", "w", "b"], ["z0"]))
        last = "z0"
        if self.slow:
            rng = np.random.default_rng(1)
            weights |= {"wide": (rng.normal(0, 0.01, (len(FEATURES), 512))).astype(np.float32), "square": (rng.normal(0, 0.04, (512, 512))).astype(np.float32)}
            nodes.append(helper.make_node("MatMul", ["full", "wide"], ["h0"]))
            for i in range(self.slow):
                nodes += [helper.make_node("MatMul", [f"h{i}", "square"], [f"m{i}"]), helper.make_node("Tanh", [f"m{i}"], [f"h{i + 1}"])]
            nodes += [helper.make_node("ReduceMean", [f"h{self.slow}"], ["mean"], axes=[1], keepdims=1), helper.make_node("Mul", ["mean", "none"], ["nothing"])]
            nodes.append(helper.make_node("Add", [last, "nothing"], ["z1"]))
            last = "z1"
        if self.noise:
            nodes += [helper.make_node("RandomNormalLike", [last], ["noise"], scale=self.noise), helper.make_node("Add", [last, "noise"], ["z2"])]
            last = "z2"
        nodes.append(helper.make_node("Identity" if self.number else "Sigmoid", [last], ["p"]))
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(FEATURES)])],
            [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


GOOD = Net(TRUTH)
ALIKE = Net(TRUTH + np.array([0.01, -0.01, 0.02, -0.01]), 0.01)
DAMAGED = Net(TRUTH * np.array([-0.4, 1, 1, 0.2]), 0.6)
WORSE = Net(TRUTH * np.array([-1, 0.3, -0.5, 0.2]), -2.5)


def probability(x: Floats) -> Floats:
    """P(y = 1 | x) as it is."""
    return np.asarray(1 / (1 + np.exp(-(x @ TRUTH))), dtype=np.float64)


def unchanged(x: Floats) -> Floats:
    """What most services do to what they log."""
    return x


@dataclass
class Service:
    """One model's folder and log inside the folder *root*; methods write traffic from the log's beginning on."""

    root: Path
    name: str
    rows: int = ROWS
    lines: list[tuple[float, str]] = field(default_factory=list)
    labels: list[tuple[float, str]] = field(default_factory=list)
    number: bool = False

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([7, zlib.crc32(self.name.encode())])
        self.clock = float((int(time.time()) // SIZE - WINDOWS) * SIZE)
        self.nets: dict[str, Net] = {}
        self.count = 0

    @property
    def models(self) -> Path:
        """The folder of its versions."""
        return self.root / "models" / self.name

    def draw(self, n: int) -> Floats:
        """float64[n, 4], as they usually come in."""
        return self.rng.normal(0, 1, (n, len(FEATURES)))

    def truth(self, x: Floats) -> Floats:
        """What really happened to each row."""
        return x @ TRUTH + self.rng.normal(0, 0.5, len(x)) if self.number else (self.rng.random(len(x)) < probability(x)).astype(np.float64)

    def place(self, version: str, net: Net, *, labels: bool = True, reference: bool = True, rows: int = 2000, meant: Net | None = None) -> None:
        """The version's artefact and, where asked, its reference file with the predictions of what it was *meant* to be (left out: its own)."""
        self.nets[version] = net
        folder = self.models / version
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(net.onnx())
        current = self.models / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(version)
        if reference:
            x = self.draw(rows)
            columns: dict[str, object] = {name: x[:, i] for i, name in enumerate(FEATURES)}
            columns["prediction"] = self.answers(version, x) if meant is None else ran(meant, x)
            if labels:
                columns["label"] = self.truth(x) if self.number else self.truth(x).astype(np.int64)
            (self.root / "references" / self.name).mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns), self.root / "references" / self.name / f"{version}.parquet")

    def answers(self, version: str, x: Floats) -> Floats:
        """What the version's artefact says, by running it."""
        return ran(self.nets[version], x)

    def serve(
        self,
        windows: int,
        version: str | Mapping[str, float],
        *,
        shift: Callable[[Floats], Floats] = unchanged,
        served: Callable[[Floats], Floats] = unchanged,
        truth: Callable[[Floats], Floats] | None = None,
        labelled: Callable[[Floats, Floats], NDArray[np.bool_]] | None = None,
        latency: float = 10.0,
        mirror: str | None = None,
        rows: int | None = None,
    ) -> None:
        """*windows* of traffic of one version, or of several with their shares.

        *shift* changes what comes in; *served* what the service feeds the model instead of what it logs; *truth* what labels mean; *labelled*
        (of labels and answers) which rows get one, two windows later (None: none); *mirror* another version that answers beside it.
        """
        for _ in range(windows):
            n = rows or self.rows
            x = shift(self.draw(n))
            shares = {version: 1.0} if isinstance(version, str) else dict(version)
            who = self.rng.choice(list(shares), n, p=list(shares.values()))
            y = (truth or self.truth)(x)
            when = self.clock + np.sort(self.rng.random(n)) * SIZE
            ids = [f"{self.name}-{self.count + i}" for i in range(n)]
            self.count += n
            for each in shares:
                part = np.flatnonzero(who == each)
                if len(part):
                    self._log(each, x[part], when[part], [ids[i] for i in part], self.answers(each, served(x[part])), latency, "served")
            if mirror is not None:
                self._log(mirror, x, when, ids, self.answers(mirror, x), latency, "mirror")
            if labelled is not None:
                answers = self.answers(next(iter(shares)), served(x))
                chosen = np.flatnonzero(labelled(y, answers))
                for i in chosen.tolist():
                    told = {"model": self.name, "id": ids[i], "label": float(y[i]) if self.number else int(y[i]), "time": when[i] + 2 * SIZE}
                    self.labels.append((when[i] + 2 * SIZE, json.dumps(told)))
            self.clock += SIZE

    def _log(self, version: str, x: Floats, when: Floats, ids: Sequence[str], answers: Floats, latency: float, role: str) -> None:
        for first in range(0, len(x), MESSAGE):
            part = slice(first, first + MESSAGE)
            batch = {
                "model": self.name,
                "version": version,
                "rows": len(x[part]),
                "role": role,
                "id": list(ids[part]),
                "time": when[part].tolist(),
                "features": {name: [None if not np.isfinite(v) else v for v in x[part, i].tolist()] for i, name in enumerate(FEATURES)},
                "prediction": [v if np.isfinite(v) else None for v in answers[part].tolist()],
                "latency_ms": self.rng.lognormal(np.log(latency), 0.1, len(x[part])).tolist(),
            }
            self.lines.append((float(when[first]), json.dumps(batch)))


def ran(net: Net, x: Floats) -> Floats:
    """float64[n]: the model's answers."""
    os.environ.update(SILENT)
    import onnxruntime  # only where something is served

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(net.onnx(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"X": x.astype(np.float32)})[0], dtype=np.float64)[:, 0]


def everything(_labels: Floats, answers: Floats) -> NDArray[np.bool_]:
    """Each row gets its label."""
    return np.ones(len(answers), dtype=np.bool_)


def nulls(share: float, *features: int) -> Callable[[Floats], Floats]:
    """Upstream sends nothing in that share of some features."""
    rng = np.random.default_rng(3)

    def shift(x: Floats) -> Floats:
        out = x.copy()
        for i in features:
            out[rng.random(len(x)) < share, i] = np.nan
        return out

    return shift


def write_logs(root: Path, services: Sequence[Service]) -> None:
    """All services' lines in one log by time, and all labels in another."""
    for name, lines in (
        ("predictions.jsonl", [line for each in services for line in each.lines]),
        ("labels.jsonl", [line for each in services for line in each.labels]),
    ):
        with (root / name).open("w") as file:
            file.writelines(text + "\n" for _, text in sorted(lines))
