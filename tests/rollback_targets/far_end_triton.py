"""A stand-in for Triton's HTTP endpoint, written from its protocol pages and from what its server and core do (http_server.cc, model_lifecycle.cc).

Only what the target may call is there, and everything else is refused as Triton refuses it. No real Triton can be had here.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from tests.rollback_targets.far_ends import SECRET, FarEnd
from watchtower.rollback_targets import RollbackTarget

MODEL_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([0-9]+))?(?:/(infer|ready|config|stats))?")
CONTROL_PATH = re.compile(r"/v2/repository(?:/([^/]+))?/(index|models/([^/]+)/(load|unload))")
FIELDS = frozenset(
    {
        "name",
        "platform",
        "runtime",
        "backend",
        "version_policy",
        "max_batch_size",
        "input",
        "output",
        "batch_input",
        "batch_output",
        "optimization",
        "dynamic_batching",
        "sequence_batching",
        "ensemble_scheduling",
        "instance_group",
        "default_model_filename",
        "cc_model_filenames",
        "metric_tags",
        "parameters",
        "model_warmup",
        "model_operations",
        "model_transaction_policy",
        "model_repository_agents",
        "response_cache",
        "model_metrics",
    }
)
"""Those of ModelConfig in model_config.proto: any other makes the JSON unreadable to it."""

CONFIG: dict[str, Any] = {
    "name": "fraud",
    "platform": "onnxruntime_onnx",
    "backend": "onnxruntime",
    "runtime": "",
    "version_policy": {"latest": {"num_versions": 1}},
    "max_batch_size": 64,
    "input": [{"name": "X", "data_type": "TYPE_FP32", "format": "FORMAT_NONE", "dims": [4], "is_shape_tensor": False}],
    "output": [{"name": "probabilities", "data_type": "TYPE_FP32", "dims": [2], "label_filename": "", "is_shape_tensor": False}],
    "dynamic_batching": {"preferred_batch_size": [], "max_queue_delay_microseconds": 100, "preserve_ordering": False},
    "instance_group": [{"name": "fraud", "kind": "KIND_GPU", "count": 2, "gpus": [0]}],
    "default_model_filename": "model.onnx",
    "cc_model_filenames": {},
    "metric_tags": {},
    "parameters": {"intra_op_thread_count": {"string_value": "2"}},
    "model_warmup": [],
}


class RefusalError(Exception):
    """What Triton answers with an HTTP status and an error text."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass
class Triton:
    """A server with model fraud, whose folder has versions 1, 2 and 3, of which 2 is loaded; and model other, which nobody may touch.

    *mode*: its --model-control-mode. *bad*: versions that do not load, and why. *loses*: what served before is lost when a load fails, as ensembles do.
    *restricted*: the header and value of --http-restricted-api. *slow*: seconds that a load takes. *mute*: loads give no answer.
    *after_look*: what happens right after its index was read.
    """

    mode: str = "explicit"
    versions: set[int] = field(default_factory=lambda: {1, 2, 3})
    bad: dict[int, str] = field(default_factory=dict)
    loses: bool = False
    restricted: tuple[str, str] | None = None
    slow: float = 0.0
    mute: bool = False
    broken: bool = False
    doubled: bool = False
    rows: dict[int, list[str]] = field(default_factory=dict)
    configs: dict[int, dict[str, Any]] = field(default_factory=dict)
    loads: list[dict[str, Any]] = field(default_factory=list)
    after_look: Callable[[], None] = lambda: None
    url: str = ""

    def start(self, *versions: int, config: dict[str, Any] | None = None) -> Self:
        """Loads as its config.pbtxt says, or with *config*."""
        self.load({**(config or CONFIG), "version_policy": (config or CONFIG)["version_policy"]}, versions)
        return self

    def index(self) -> list[dict[str, str]]:
        if self.doubled:
            mine = [{"name": "fraud", "state": "UNAVAILABLE", "reason": "model appears in two or more repositories"}]
        else:
            mine = [{"name": "fraud", "version": str(version), "state": state, **({"reason": why} if why else {})} for version, (state, why) in self.shown()]
        self.after_look()
        return [*(mine or [{"name": "fraud"}]), {"name": "other", "version": "7", "state": "READY"}]

    def shown(self) -> list[tuple[int, list[str]]]:
        return sorted(self.rows.items())

    def ready(self) -> list[int]:
        return [version for version, (state, _) in self.shown() if state == "READY"]

    def config(self, version: int) -> dict[str, Any]:
        if version not in self.rows:
            raise RefusalError(404, f"Request for unknown model: 'fraud' version {version} is not found")
        if self.rows[version][0] != "READY":
            raise RefusalError(503, f"Request for unknown model: 'fraud' version {version} is not at ready state")
        return self.configs[version]

    def control(self, name: str, request: dict[str, Any]) -> None:
        """A load, as LoadUnloadModel does it."""
        for key, value in request.get("parameters", {}).items():
            if not isinstance(value, str):
                raise RefusalError(400, "attempt to access JSON non-string as string")
            if key != "config":
                raise RefusalError(500, "unexpected error on creating Triton parameter")
        if self.mode != "explicit":
            raise RefusalError(503, "explicit model load / unload is not allowed if polling is enabled")
        if name != "fraud":
            raise RefusalError(500, f"failed to load '{name}', failed to poll from model repository")
        config = json.loads(request["parameters"]["config"]) if "parameters" in request else CONFIG
        self.loads.append(config)
        time.sleep(self.slow)
        self.load(config)

    def load(self, config: dict[str, Any], only: tuple[int, ...] = ()) -> None:
        """As VersionsToLoad and OnLoadFinal do: all versions load, or none; what was ready before and is not wanted is unloaded."""
        policy = config.get("version_policy", {"latest": {"num_versions": 1}})
        if set(config) - FIELDS or config.get("name") != "fraud" or len(policy) != 1 or not set(policy) <= {"latest", "all", "specific"}:
            raise RefusalError(500, "failed to load 'fraud', failed to poll from model repository")
        wanted = list(only) or self.wanted(policy)
        if not wanted:
            raise RefusalError(400, "load failed for model 'fraud': at least one version must be available under the version policy of model 'fraud'\n")
        failed = [version for version in wanted if version in self.bad]
        if failed:
            self.fail(failed)
        for version, row in self.rows.items():
            if row[0] == "READY" and version not in wanted:
                self.rows[version] = ["UNAVAILABLE", "unloaded"]
        for version in wanted:
            self.rows[version], self.configs[version] = ["READY", ""], config

    def fail(self, failed: list[int]) -> None:
        for version in failed:
            self.rows[version] = ["UNAVAILABLE", self.bad[version]]
        if self.loses:
            self.rows |= {version: ["UNAVAILABLE", "unloaded"] for version in self.ready()}
        reason = "".join(f"version {version} is at UNAVAILABLE state: {self.bad[version]};" for version in failed)
        raise RefusalError(400, f"load failed for model 'fraud': {reason}\n")

    def wanted(self, policy: dict[str, Any]) -> list[int]:
        if "specific" in policy:
            assert all(type(version) is int for version in policy["specific"]["versions"])
            return [version for version in policy["specific"]["versions"] if version in self.versions]
        return sorted(self.versions)[-policy["latest"]["num_versions"] :] if "latest" in policy else sorted(self.versions)


class Served:
    """A stand-in on a local port."""

    def __init__(self, triton: Triton) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(triton))
        self._server.daemon_threads = True
        triton.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def answer(triton: Triton, path: str, headers: Mapping[str, str], raw: bytes | None) -> object:
    """What comes back for a GET (*raw* None) or a POST; RefusalError."""
    if triton.broken:
        raise RefusalError(400, f"refused {path} {dict(headers.items())}")
    return model(triton, path) if raw is None else repository(triton, path, headers, raw)


def model(triton: Triton, path: str) -> object:
    found = MODEL_PATH.fullmatch(path)
    if not found or found[1] != "fraud" or found[2] is None or found[3] not in {"ready", "config"}:
        raise RefusalError(404, "Not Found")
    version = int(found[2])
    if found[3] == "config":
        return triton.config(version)
    if triton.rows.get(version, ["", ""])[0] != "READY":
        raise RefusalError(400, "Model version not ready")
    return None


def repository(triton: Triton, path: str, headers: Mapping[str, str], raw: bytes) -> object:
    found = CONTROL_PATH.fullmatch(path)
    if not found or found[4] == "unload":
        raise RefusalError(404, "Not Found")
    if triton.restricted and headers.get(triton.restricted[0]) != triton.restricted[1]:
        raise RefusalError(403, f"This API is restricted, expecting header '{triton.restricted[0]}'")
    if found[2] == "index":
        return triton.index()
    triton.control(found[3], json.loads(raw) if raw else {})
    if triton.mute:
        raise ConnectionAbortedError
    return None


def _handler(triton: Triton) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(self.rfile.read(int(self.headers.get("content-length", "0"))))

        def _reply(self, raw: bytes | None) -> None:
            try:
                status, said = 200, answer(triton, self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
            except RefusalError as refused:
                status, said = refused.status, {"error": str(refused)}
            except ConnectionAbortedError:
                return
            body = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def far_end(at: Path, request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    """Its versions' states and configurations are seen."""
    del at, request
    triton = Triton(restricted=("admin-key", SECRET)).start(2)

    def somebody_loads(version: int) -> None:
        triton.load({**CONFIG, "version_policy": {"specific": {"versions": [version]}}})

    def touch() -> None:
        somebody_loads(3)
        somebody_loads(2)

    def fail() -> None:
        triton.broken = True

    with Served(triton):
        target = RollbackTarget.member("triton").model_validate({"url": triton.url, "headers": {"admin-key": SECRET}, "time_limit": "3s"})
        yield FarEnd(
            target, lambda: json.dumps([triton.shown(), sorted(triton.configs.items())]), lambda: somebody_loads(3), touch=touch, fail=fail, secrets=True
        )
