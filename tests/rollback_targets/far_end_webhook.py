"""A service that switches, as strict as the page about the target says that one must be."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from tests.rollback_targets.far_ends import SECRET, FarEnd
from watchtower.rollback_targets import RollbackTarget

KEYS = {
    "switch": {"action", "model", "live", "candidate", "token", "key", "time"},
    "dry_run": {"action", "model", "live", "candidate", "token", "key", "time"},
    "abort": {"action", "model", "canary", "stable", "key", "time"},
}


@dataclass
class Switchboard:
    """Versions 1, 2 and 3, of which one is live; *script* is what happens to the next posts instead: (status, headers, whether it is done all the same).

    Status 0 closes the connection without an answer. *late*: how many looks see the old version after a switch. *broken*: everything is refused,
    with all that was sent repeated. *after_look*, *after_post*: what somebody else does right after one.
    """

    secret: str = SECRET
    live: str | None = "2"
    revision: int = 1
    aborted: list[str] = field(default_factory=list)
    script: list[tuple[int, dict[str, str], bool]] = field(default_factory=list)
    late: int = 0
    broken: bool = False
    honours_if_match: bool = True
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answered: dict[str, tuple[bytes, int, object]] = field(default_factory=dict)
    shape: Callable[[str | None, str], bytes] = lambda version, token: json.dumps({"version": version, "token": token}).encode()
    old: str | None = None
    url: str = ""
    after_look: Callable[[], None] = lambda: None
    after_post: Callable[[], None] = lambda: None

    def done(self, headers: dict[str, str], raw: bytes) -> tuple[int, object]:
        """One post, done or refused."""
        self.verify(headers, raw)
        body = json.loads(raw)
        plain = json.dumps({name: each for name, each in body.items() if name != "time"}).encode()
        once = headers["idempotency-key"]
        if once in self.answered:
            before, status, said = self.answered[once]
            return (status, said) if before == plain else (422, {"error": "another body under the same Idempotency-Key"})
        status, said = self.act(body, headers)
        if status < 400:
            self.answered[once] = (plain, status, said)
        return status, said

    def act(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, object]:
        if set(body) != KEYS[body["action"]]:
            return 400, {"error": f"keys {sorted(body)}"}
        if body["action"] == "abort":
            self.aborted.append(body["canary"])
            return 200, {"aborted": body["canary"]}
        if self.honours_if_match and "if-match" in headers and headers["if-match"] != f'"r{self.revision}"':
            return 412, {"error": f"it is r{self.revision} now"}
        if body["live"] != self.live:
            return 409, {"error": f"{self.live} is live"}
        if body["candidate"] not in {"1", "2", "3"}:
            return 422, {"error": f"there is no version {body['candidate']}"}
        if body["action"] == "switch":
            self.set(body["candidate"])
        return 200, {"ok": True}

    def set(self, version: str | None) -> None:
        self.old, self.live, self.revision = self.live, version, self.revision + 1

    def verify(self, headers: dict[str, str], raw: bytes) -> None:
        """As https://www.standardwebhooks.com says: id, timestamp and body, joined by dots."""
        assert abs(time.time() - int(headers["webhook-timestamp"])) < 300
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + raw
        expected = base64.b64encode(hmac.new(self.secret.encode(), signed, hashlib.sha256).digest()).decode()
        assert hmac.compare_digest(headers["webhook-signature"], f"v1,{expected}"), "not signed by us"

    def shown(self) -> bytes:
        if self.late > 0 and self.revision > 1:
            self.late -= 1
            return self.shape(self.old, f"r{self.revision}")
        return self.shape(self.live, f"r{self.revision}")


class Served:
    """A switchboard on a local port; with *context*, over TLS."""

    def __init__(self, board: Switchboard, context: ssl.SSLContext | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(board))
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        board.url = f"http{'s' if context else ''}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _handler(board: Switchboard) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            board.verify(self._headers(), b"")
            answer = (403, {}, self._echo(b"")) if board.broken else (200, {"ETag": f'"e{board.revision}"'}, board.shown())
            board.after_look()
            self._answer(*answer)

        def do_POST(self) -> None:
            headers = self._headers()
            raw = self.rfile.read(int(headers["content-length"]))
            board.posts.append((headers, raw))
            if board.broken:
                self._answer(403, {}, self._echo(raw))
                return
            status, extra, does = board.script.pop(0) if board.script else (200, {}, True)
            if does:
                found, said = board.done(headers, raw)
                status = found if status == 200 else status
            else:
                said = {"error": "not now"}
            board.after_post()
            if status:
                self._answer(status, extra, json.dumps(said).encode())

        def _headers(self) -> dict[str, str]:
            return {name.lower(): value for name, value in self.headers.items()}

        def _echo(self, raw: bytes) -> bytes:
            return json.dumps({"error": f"refused {self.path} {self._headers()} {raw!r} {board.secret}"}).encode()

        def _answer(self, status: int, extra: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def far_end(at: Path, request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    """A switchboard that knows dry runs and honours If-Match; its version, revision and what was aborted are seen."""
    del request
    board = Switchboard()
    (at / "secret").write_text(SECRET)
    with Served(board):
        fields = {"url": f"{board.url}/{SECRET}/switch?token={SECRET}", "current_url": f"{board.url}/{SECRET}", "knows": ["dry_run"], "if_match": True}
        more = {"secret_file": str(at / "secret"), "headers": {"Authorization": f"Bearer {SECRET}"}, "time_limit": "5s"}
        target = RollbackTarget.member("webhook").model_validate({**fields, **more})

        def touch() -> None:
            board.set("3")
            board.set("2")

        def fail() -> None:
            board.broken = True

        yield FarEnd(target, lambda: (board.live, board.revision, board.aborted), move=lambda: board.set("3"), touch=touch, fail=fail, secrets=True)
