"""A local HTTP server that answers as it is told and keeps what came."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Script = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Call:
    """One request; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Web:
    """Answers *script* in turn, then always 200; *echo* repeats all headers in the body; *mute* never answers until the end."""

    def __init__(self, *script: Script, echo: bool = False, mute: bool = False) -> None:
        self.calls: list[Call] = []
        self._ended = threading.Event()
        left, calls, ended = list(script), self.calls, self._ended

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                calls.append(Call(self.path, headers, self.rfile.read(int(headers.get("content-length", "0")))))
                if mute:
                    ended.wait(30)
                    return
                status, extra = left.pop(0) if left else (200, {})
                body = repr(headers).encode() if echo else b"{}"
                self.send_response(status)
                for name, value in {**extra, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing: what came is kept."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
