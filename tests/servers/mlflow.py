"""A real MLflow server on a free port: SQLite, artefacts handed out by the server itself, models registered by MLflow's own client.

Its packages are an environment of their own (requirements/mlflow.txt). Also a process: `python -m tests.servers.mlflow`.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.servers._environments import NoEnvironmentError, python_of
from tests.servers.kafka import free_port

READY_WITHIN = 120.0
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else seven more processes, each of which imports MLflow
}
_HERE = Path(__file__).parent


class NoMlflowError(RuntimeError):
    """MLflow cannot be had here."""


class Mlflow:
    """A running server. *address* is its ``http://127.0.0.1:port``."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address

    def register(self, plan: Mapping[str, object]) -> list[dict[str, Any]]:
        """Has MLflow's own client log and register models, as `_mlflow_client.py` says; what it made, in order."""
        environment = {**os.environ, **QUIET}
        command = [str(python_of("mlflow")), "-P", str(_HERE / "_mlflow_client.py"), self.address]
        done = subprocess.run(command, input=json.dumps(plan), env=environment, capture_output=True, text=True, timeout=READY_WITHIN, check=False)
        if done.returncode:
            msg = f"MLflow's client failed: {done.stderr[-2000:]}"
            raise NoMlflowError(msg)
        return list(json.loads(done.stdout.splitlines()[-1]))

    def ask(self, path: str, said: Mapping[str, object] | None = None, *, method: str = "") -> dict[str, Any]:
        """One call of the REST API; an HTTPError where it is refused."""
        body = None if said is None else json.dumps(said).encode()
        url = f"{self.address}/api/2.0/{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method or ("GET" if said is None else "POST"))
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))

    def put(self, path: str, blob: bytes) -> None:
        """Writes an artefact through the server."""
        url = f"{self.address}/api/2.0/mlflow-artifacts/artifacts/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, blob, method="PUT"), timeout=30):
            pass

    def publish(self, name: str, files: Mapping[str, bytes], *, count: int = 1, known: bool = False) -> str:
        """Registers *count* versions of *name* with these files, as a training job without MLflow's client would; the path of the files.

        *known*: the model is registered already.
        """
        if not known:
            self.ask("mlflow/registered-models/create", {"name": name})
        run = self.ask("mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]
        at = f"0/{run['run_id']}/artifacts/model"
        for file, blob in files.items():
            self.put(f"{at}/{file}", blob)
        for _ in range(count):
            self.ask("mlflow/model-versions/create", {"name": name, "source": f"mlflow-artifacts:/{at}", "run_id": run["run_id"]})
        return at

    def written(self, name: str) -> object:
        """The aliases and tags of *name*, as they lie in the server's database."""
        with closing(sqlite3.connect(f"file:{self.folder}/mlflow.db?mode=ro", uri=True)) as database:
            aliases = database.execute("SELECT alias, version FROM registered_model_aliases WHERE name = ? ORDER BY alias", (name,)).fetchall()
            return aliases, database.execute("SELECT version, key, value FROM model_version_tags WHERE name = ? ORDER BY 1, 2", (name,)).fetchall()

    def alias(self, name: str, alias: str, version: str) -> None:
        """Points an alias, as anybody may."""
        self.ask("mlflow/registered-models/alias", {"name": name, "alias": alias, "version": version})


@contextmanager
def server() -> Iterator[Mlflow]:
    """A running server with nothing in it; NoMlflowError says why there is none."""
    try:
        python = python_of("mlflow")
    except NoEnvironmentError as missing:
        raise NoMlflowError(str(missing)) from missing
    folder = Path(tempfile.mkdtemp(prefix="watchtower-mlflow-"))
    port, seed = free_port(), python.parents[1] / "seed.db"
    if seed.exists():
        shutil.copy(seed, folder / "mlflow.db")
    kept = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"]
    command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *kept]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **QUIET}, start_new_session=True)
    try:
        _await(f"http://127.0.0.1:{port}/health", process, folder / "log")
        _seed(folder / "mlflow.db", seed)
        yield Mlflow(folder, f"http://127.0.0.1:{port}")
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
    msg = f"MLflow did not get ready: {log.read_text(errors='replace')[-1500:]}"
    raise NoMlflowError(msg)


def _seed(made: Path, seed: Path) -> None:
    """Keeps the empty tables for the next start: making them takes a third of it."""
    if seed.exists():
        return
    part = seed.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(made)) as found, closing(sqlite3.connect(part)) as copy:
        found.backup(copy)
    part.replace(seed)


class Gate:
    """Stands before a server as a proxy with a password does: calls need *authorization*; while *closed* it refuses and repeats what it was sent.

    Answers whose path matches *cut* end in their middle.
    """

    def __init__(self, behind: str, authorization: str, *, cut: str = "") -> None:
        self.closed = False
        self._cut = cut
        self.calls: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(behind, authorization))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def instead(self, path: str) -> dict[str, str] | None:
        """What is answered at *path* in the server's place; None: what the server says."""
        del path
        return None

    def cuts(self, path: str) -> bool:
        """Whether the answer ends in its middle."""
        return bool(self._cut) and re.search(self._cut, path.partition("?")[0]) is not None

    def _handler(self, behind: str, authorization: str) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                gate.calls.append(f"{self.command} {self.path.partition('?')[0]}")
                given = self.headers.get("Authorization", "")
                if gate.closed or given != authorization:
                    said = {"error_code": "PERMISSION_DENIED", "message": f"{given} {self.path} {sent!r}"}
                    self._say(403 if given == authorization else 401, json.dumps(said).encode())
                    return
                own = gate.instead(self.path)
                if own is not None:
                    self._say(200, json.dumps(own).encode())
                    return
                request = urllib.request.Request(behind + self.path, sent, {"Content-Type": self.headers.get("Content-Type", "")}, method=self.command)
                try:
                    with urllib.request.urlopen(request, timeout=30) as answer:
                        self._say(answer.status, answer.read())
                except urllib.error.HTTPError as refused:
                    with refused:
                        self._say(refused.code, refused.read())

            do_POST = do_GET  # noqa: N815  the name is http.server's

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if gate.cuts(self.path) else body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
                """Says nothing."""

        return Handler


def main() -> None:
    """Prints the address and stays until interrupted."""
    with server() as running:
        print(running.address, flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.pause()


if __name__ == "__main__":
    main()
