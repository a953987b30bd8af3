"""A real MLServer on loopback, HTTP and gRPC, with versions of small models; its packages are an environment of their own (requirements/mlserver.txt).

Also a process: `python -m tests.servers.mlserver`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers._environments import NoEnvironmentError, python_of
from tests.servers.kafka import free_port

READY_WITHIN = 120.0
_RUNTIME = Path(__file__).parent / "_mlserver_runtime.py"
X = [{"name": "X", "datatype": "FP32", "shape": [-1, 2]}]
GOOD, BAD = (2.0, -1.0), (-1.0, 2.0)


class NoMlserverError(RuntimeError):
    """MLServer cannot be had here."""


@dataclass(frozen=True)
class Mlserver:
    """A running server: `fraud` in versions 1 (GOOD) and 2 (BAD), `words` 1, `unsaid` 1 (no metadata), `unwilling` 1."""

    http: str
    grpc: str

    def at(self, scheme: str, model: str = "fraud") -> str:
        """The address of *model*, its version left open."""
        return f"{scheme}://{self.http if scheme == 'http' else self.grpc}/v2/models/{model}/versions/{{version}}"


def _model(folder: Path, name: str, version: str, runtime: str, inputs: Sequence[Mapping[str, object]], **extra: object) -> None:
    here = folder / f"{name}-{version}"
    here.mkdir()
    shutil.copyfile(_RUNTIME, here / "runtime.py")
    settings = {"name": name, "implementation": f"runtime.{runtime}", "inputs": list(inputs), "parameters": {"version": version, "extra": extra}}
    (here / "model-settings.json").write_text(json.dumps(settings))


@contextmanager
def server() -> Iterator[Mlserver]:
    """A running server; NoMlserverError says why there is none."""
    try:
        python = python_of("mlserver")
    except NoEnvironmentError as missing:
        raise NoMlserverError(str(missing)) from missing
    folder = Path(tempfile.mkdtemp(prefix="watchtower-mlserver-"))
    http, grpc = free_port(), free_port()
    quiet = {"debug": False, "parallel_workers": 0, "metrics_endpoint": None, "tracing_server": None, "kafka_enabled": False}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, **quiet}))
    _model(folder, "fraud", "1", "Logistic", X, weights=GOOD)
    _model(folder, "fraud", "2", "Logistic", X, weights=BAD)
    _model(folder, "words", "1", "Words", [{"name": "country", "datatype": "BYTES", "shape": [-1, 1]}])
    _model(folder, "unsaid", "1", "Logistic", [], weights=GOOD)
    _model(folder, "slow", "1", "Logistic", X, weights=GOOD, pause=2.0)
    _model(folder, "unwilling", "1", "Unwilling", X)
    environment = {**os.environ, "DO_NOT_TRACK": "1", "OTEL_SDK_DISABLED": "true"}
    with (folder / "log").open("wb") as log:
        command = [str(python), "-P", "-c", "from mlserver.cli import main; main()", "start", str(folder)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment, start_new_session=True)
    try:
        _await(f"http://127.0.0.1:{http}/v2/health/ready", process, folder / "log")
        yield Mlserver(f"127.0.0.1:{http}", f"127.0.0.1:{grpc}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    msg = f"MLServer did not get ready: {log.read_text(errors='replace')[-1500:]}"
    raise NoMlserverError(msg)


def main() -> None:
    """Prints the addresses and stays until interrupted."""
    with server() as running:
        print(running.http, running.grpc, flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.pause()


if __name__ == "__main__":
    main()
