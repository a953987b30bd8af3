"""What the contract suite of model stores (tests/contracts/test_model_stores.py) puts artefacts into: one maker a place, each strict as the real one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.servers.mlflow import Mlflow as Server
from watchtower.model_stores import ModelStore
from watchtower.model_stores.directory import Directory
from watchtower.model_stores.mlflow import Mlflow

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class FarStore:
    """A place without versions.

    Attributes:
        store: settings that reach it.
        add: puts a version's files there; the version's name.
        change: writes one of a version's files anew.
    """

    store: ModelStore
    add: Callable[[Files], str]
    change: Callable[[str, str, bytes], None]


Made = Callable[[Path, pytest.FixtureRequest], Iterator[FarStore]]


def external(folder: Path, weight: float = 1.0) -> Files:
    """P = sigmoid(X w) whose w lies in a file of its own, as onnx writes it."""
    weights = numpy_helper.from_array(np.full((64, 1), weight, dtype=np.float32), "w")
    nodes = [helper.make_node("MatMul", ["X", "w"], ["logit"]), helper.make_node("Sigmoid", ["logit"], ["probability"])]
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 64])]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, [weights]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, str(folder / "model.onnx"), save_as_external_data=True, location="model.onnx.data", size_threshold=16)
    return {name: (folder / name).read_bytes() for name in ("model.onnx", "model.onnx.data")}


def _in_folder(folder: Path, store: ModelStore) -> FarStore:
    def write(version: str, name: str, blob: bytes) -> None:
        (folder / version).mkdir(parents=True, exist_ok=True)
        (folder / version / name).write_bytes(blob)

    def add(files: Files) -> str:
        version = str(1 + sum(1 for _ in folder.glob("*")))
        for name, blob in files.items():
            write(version, name, blob)
        return version

    return FarStore(store, add, write)


@contextmanager
def directory(at: Path, request: pytest.FixtureRequest) -> Iterator[FarStore]:
    """A folder on this machine."""
    del request
    yield _in_folder(at / "models", Directory(path=str(at / "models")))


@contextmanager
def address(at: Path, request: pytest.FixtureRequest) -> Iterator[FarStore]:
    """An address that fsspec asks in a child process; the files happen to lie on this machine."""
    del request
    cache = {"path": str(at / "cache")}
    yield _in_folder(at / "models", Directory.model_validate({"path": f"local://{at / 'models'}", "cache": cache}))


@contextmanager
def memory(at: Path, request: pytest.FixtureRequest) -> Iterator[FarStore]:
    """An object store."""
    del request
    root = f"/{uuid4().hex}"
    system = fsspec.filesystem("memory")

    def write(version: str, name: str, blob: bytes) -> None:
        system.pipe(f"{root}/{version}/{name}", blob)

    def add(files: Files) -> str:
        version = str(1 + len(system.ls(root, detail=False) if system.exists(root) else ()))
        for name, blob in files.items():
            write(version, name, blob)
        return version

    yield FarStore(Directory.model_validate({"path": f"memory:/{root}", "cache": {"path": str(at / "cache")}}), add, write)
    system.rm(root, recursive=True) if system.exists(root) else None


@contextmanager
def mlflow(at: Path, request: pytest.FixtureRequest) -> Iterator[FarStore]:
    """A real MLflow server."""
    server: Server = request.getfixturevalue("mlflow_server")
    name, places = f"store-{uuid4().hex[:8]}", dict[str, str]()

    def add(files: Files) -> str:
        data = "model.onnx" if "model.onnx" in files else next(iter(files))
        flavor = "onnx" if data.endswith(".onnx") else "sklearn"
        described = f"flavors: {{{flavor}: {{data: {data}}}, python_function: {{}}}}\n".encode()
        version = str(1 + len(places))
        places[version] = server.publish(name, {"MLmodel": described, **files}, known=bool(places))
        return version

    def change(version: str, file: str, blob: bytes) -> None:
        server.put(f"{places[version]}/{file}", blob)

    yield FarStore(Mlflow.model_validate({"url": server.address, "model": name, "cache": {"path": str(at / "cache")}}), add, change)


MAKERS = {"directory": directory, "directory, an address": address, "directory, in memory": memory, "mlflow": mlflow}
