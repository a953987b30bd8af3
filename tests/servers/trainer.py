"""A pipeline that trains when it is asked to, as strict as docs/retraining.md says that one may be."""

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "trainers-s3cret"  # noqa: S105  of these tests only
KEYS = {
    "": {
        "version",
        "action",
        "incident",
        "model",
        "live",
        "at",
        "title",
        "reasons",
        "alerts",
        "trials",
        "features",
        "reference",
        "incident_path",
        "report_path",
    },
    "alerts": {"rule", "version", "segment", "subject", "severity", "fired", "value", "p_value"},
    "trials": {"plan", "step", "live", "candidate", "verdict", "diagnosis", "reason"},
    "features": {"feature", "distance", "p_value", "share"},
}


@dataclass
class Pipeline:
    """Trains once for each key; *script* is what it answers to the next posts instead, without looking at them."""

    script: list[int] = field(default_factory=list)
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    trained: dict[str, bytes] = field(default_factory=dict)
    url: str = ""

    def asked(self, headers: Mapping[str, str], raw: bytes) -> tuple[int, str]:
        """One post: trained, known already, or refused."""
        wrong = _wrong(headers, raw)
        if wrong:
            return 422, wrong
        key = headers["idempotency-key"]
        if self.trained.setdefault(key, raw) != raw:
            return 422, "another body under the same Idempotency-Key"
        return 202, "ok"

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for _, raw in self.posts]

    def keys(self) -> list[str]:
        return [headers["idempotency-key"] for headers, _ in self.posts]


def _wrong(headers: Mapping[str, str], raw: bytes) -> str:
    """What is wrong with a post, "" where nothing is."""
    signature = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(headers.get("x-watchtower-signature", ""), signature):
        return "not signed by Watchtower"
    body = json.loads(raw, parse_constant=lambda name: f"no JSON: {name}")
    if set(body) != KEYS[""] or body["version"] != 1 or body["action"] != "retrain" or not body["reasons"]:
        return f"keys {sorted(body)}"
    parts = [(name, each) for name in ("alerts", "trials", "features") for each in body[name] if set(each) != KEYS[name]]
    if parts or headers.get("idempotency-key") != body["incident"] or headers.get("content-type") != "application/json":
        return f"parts {parts}, or headers"
    if body["reference"] is not None and set(body["reference"]) != {"id", "since"}:
        return "reference"
    moments = [body["at"], *(each["fired"] for each in body["alerts"])]
    return "" if all(datetime.fromisoformat(each).tzinfo for each in moments) else "moments without a zone"


class TrainerServer:
    """A pipeline on a local port."""

    def __init__(self) -> None:
        self.pipeline = pipeline = Pipeline()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                raw = self.rfile.read(int(headers["content-length"]))
                pipeline.posts.append((headers, raw))
                status, said = (pipeline.script.pop(0), "not now") if pipeline.script else pipeline.asked(headers, raw)
                body = said.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing: what came is kept."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        pipeline.url = f"http://127.0.0.1:{self._server.server_address[1]}/train"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Pipeline:
        self._thread.start()
        return self.pipeline

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
