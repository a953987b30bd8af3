"""A local HTTP server that serves text by path, as an exporter does; it may refuse, drip, say nothing, or be changed while it runs."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

DRIP = "drip"
MUTE = "mute"


@dataclass
class Exporter:
    """*texts* by path (`/metrics`); *status* is answered to all; *how* may be DRIP (a byte every 50 ms, without end) or MUTE."""

    texts: dict[str, str] = field(default_factory=dict)
    status: int = 200
    how: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        exporter, self._ended = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                exporter._answer(self)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}/metrics"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, to: BaseHTTPRequestHandler) -> None:
        if self.how == MUTE:
            self._ended.wait(30)
            return
        body = self.texts.get(to.path, "").encode()
        to.send_response(self.status)
        to.send_header("Content-Type", "text/plain; version=0.0.4")
        to.send_header("Content-Length", "100000" if self.how == DRIP else str(len(body)))
        to.end_headers()
        try:
            while self.how == DRIP and not self._ended.wait(0.05):
                to.wfile.write(b"#")
                to.wfile.flush()
            to.wfile.write(body)
        except OSError:
            return  # nobody listens any more
