"""An alias in a real MLflow server, behind a gate that wants a token."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rollback_targets.far_ends import SECRET, FarEnd
from tests.servers.mlflow import Gate, Mlflow
from watchtower.rollback_targets.mlflow import Mlflow as Target


@contextmanager
def far_end(at: Path, request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    """A model of its own with three versions, whose artefacts are one file; aliases and tags are seen."""
    server: Mlflow = request.getfixturevalue("mlflow_server")
    name = f"target-{uuid4().hex[:8]}"
    server.publish(name, {"MLmodel": b"flavors: {onnx: {data: model.onnx}}\n"}, count=3)
    server.alias(name, "live", "2")
    (at / "token").write_text(f"{SECRET}\n")

    with Gate(server.address, f"Bearer {SECRET}") as gate:

        def fail() -> None:
            gate.closed = True

        target = Target(url=gate.address, model=name, token_file=str(at / "token"))
        yield FarEnd(target, lambda: server.written(name), move=lambda: server.alias(name, "live", "3"), fail=fail, secrets=True)
