"""The demo's serving process: answers requests with the version that `current` names, and logs every prediction.

Run as ``python -m watchtower.programs.demo.service FOLDER LOG PORT``. `POST /predict` takes one applicant as a JSON object.
"""

import json
import os
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watchtower.edges.clock import Clock
from watchtower.programs.demo.applicants import NUMERIC
from watchtower.programs.demo.children import QUIET
from watchtower.programs.demo.scene import MODEL
from watchtower.runners.onnx import CPU

Row = dict[str, float | str]


class Service:
    """Models in *folder*, a prediction log at *log*."""

    def __init__(self, folder: Path, log: Path, clock: Clock) -> None:
        self._folder = folder
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._clock = clock
        self._versions: dict[str, Version] = {}
        self._loading = threading.Lock()

    def answer(self, row: Row) -> tuple[str, float]:
        """The version that serves now, and its prediction; logged with the moment and how long it took."""
        began, now = time.perf_counter(), self._clock.now()
        name = (self._folder / "current").readlink().name
        prediction = self._version(name).predict(row)
        took = (time.perf_counter() - began) * 1000
        line = {"model": MODEL, "version": name, "id": uuid.uuid4().hex, "time": now.isoformat(), "features": row, "prediction": prediction, "status": "ok"}
        os.write(self._log, (json.dumps(line | {"latency_ms": round(took, 3), "instance": "demo-1"}) + "\n").encode())
        return name, prediction

    def _version(self, name: str) -> "Version":
        found = self._versions.get(name)
        if found is None:
            with self._loading:
                found = self._versions.setdefault(name, self._versions.get(name) or Version(self._folder / name / "model.onnx"))
        return found


class Version:
    """A loaded model."""

    def __init__(self, file: Path) -> None:
        os.environ.update(QUIET)
        import onnxruntime  # noqa: PLC0415  30 MB, only where something is served

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=[CPU])

    def predict(self, row: Row) -> float:
        """P(pays late) of one applicant; KeyError, ValueError where the row is no applicant."""
        feed: dict[str, NDArray[np.generic]] = {name: np.array([[float(row[name])]], dtype=np.float32) for name in NUMERIC}
        feed["purpose"] = np.array([[str(row["purpose"])]], dtype=np.object_)
        return float(np.asarray(self._session.run(None, feed)[0])[0, 0])


class Requests(BaseHTTPRequestHandler):
    """One connection of the service; *server* is a :class:`Listening`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """`/predict`: 200 with version and prediction; 400 where the body is no applicant."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/predict":
            return self._say(404, {"error": "POST /predict"})
        assert isinstance(self.server, Listening)
        try:
            version, prediction = self.server.service.answer(json.loads(body))
        except (KeyError, TypeError, ValueError) as bad:
            return self._say(400, {"error": f"no applicant: {bad}"})
        return self._say(200, {"version": version, "prediction": prediction})

    def do_GET(self) -> None:
        """`/healthz`."""
        self._say(200 if self.path == "/healthz" else 404, {})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
        """Says nothing: the prediction log is the log."""

    def _say(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} {self.responses[status][0]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


class Listening(ThreadingHTTPServer):
    """A service on a port of the loopback address."""

    daemon_threads = True

    def __init__(self, service: Service, port: int) -> None:
        self.service = service
        super().__init__(("127.0.0.1", port), Requests)


def main() -> None:
    """Serves until it is ended."""
    folder, log, port = sys.argv[1:]
    Listening(Service(Path(folder), Path(log), Clock()), int(port)).serve_forever()


if __name__ == "__main__":
    main()
