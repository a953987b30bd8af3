"""A system that serves versions, behind HTTP: strict about what it is asked, and counts what really changed it."""

import json
import os
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class FarEnd:
    """Names a version; each write changes its token.

    Attributes:
        tokens: whether a switch with another token than the present one is refused.
        refuses: every switch is forbidden.
        lost: while it says so, what is asked is done and the answer never arrives.
        kills: "before" or "after": the asking process is killed when it asks for a switch, before it happens or after, and never hears an answer; once.
        switches: every change that was made from outside, in order: (from, to).
        keys: the idempotency keys of the calls.
    """

    def __init__(self, *, tokens: bool = True, refuses: bool = False, kills: str = "", lost: Callable[[], bool] = lambda: False) -> None:
        self.tokens, self.refuses, self.kills, self.lost = tokens, refuses, kills, lost
        self.version, self.writes = "2", 0
        self.switches: list[tuple[str, str]] = []
        self.keys: list[str] = []
        self._lock = threading.Lock()
        far = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._tell(200, {"version": far.version, "token": far.token})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                kills, far.kills = far.kills, ""
                if kills == "before":
                    os.kill(asked["pid"], signal.SIGKILL)
                    return
                status, said = far.switch(asked)
                if kills == "after":
                    os.kill(asked["pid"], signal.SIGKILL)
                    return
                if not far.lost():
                    self._tell(status, said)

            def _tell(self, status: int, said: dict[str, str]) -> None:
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])

    @property
    def token(self) -> str:
        return f"{self.version} after {self.writes}"

    def switch(self, asked: dict[str, str]) -> tuple[int, dict[str, str]]:
        """A compare-and-set."""
        with self._lock:
            self.keys.append(asked["key"])
            if self.refuses:
                return 403, {"error": "may not"}
            if self.version == asked["to"]:
                return 200, {"changed": "no"}
            if self.version != asked["expected"] or (self.tokens and asked["token"] != self.token):
                return 409, {"version": self.version}
            self.switches.append((self.version, asked["to"]))
            self.version, self.writes = asked["to"], self.writes + 1
            return 200, {"changed": "yes"}

    def deploy(self, version: str) -> None:
        """Somebody else writes it."""
        with self._lock:
            self.version, self.writes = version, self.writes + 1

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
