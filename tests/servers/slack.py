"""A local server that speaks Slack's Web API well enough to check what is sent; also a process: `python -m tests.servers.slack --port N`."""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Json = dict[str, object]
TOKEN = "xoxb-test-token"  # noqa: S105  of this server only
CHANNELS = {"#ml-oncall": "C0ONCALL", "#audit": "C0AUDIT"}
LIMITS = {"header": (1, 150), "section": (1, 3000), "context": (1, 3000)}


@dataclass(frozen=True)
class Received:
    """One call as it came: when it had fully arrived, what was sent, and what was answered ("" is no error)."""

    at: float
    method: str
    message: Json
    status: int
    error: str = ""
    ts: str = ""


@dataclass
class Slack:
    """A workspace: who may post where, what was posted, and which trouble comes next."""

    token: str = TOKEN
    channels: dict[str, str] = field(default_factory=lambda: dict(CHANNELS))
    received: list[Received] = field(default_factory=list)
    heard: Callable[[Received], None] = lambda _: None
    trouble: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    posted: set[tuple[str, str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def limit(self, times: int = 1, after: int = 1) -> None:
        """The next *times* calls are answered 429 with Retry-After *after* seconds."""
        self.trouble += [(429, {"Retry-After": str(after)}, json.dumps({"ok": False, "error": "ratelimited"}))] * times

    def fail(self, status: int, times: int = 1, body: str = "oops") -> None:
        """The next *times* calls are answered *status*."""
        self.trouble += [(status, {}, body)] * times

    def messages(self) -> list[Received]:
        """What was taken, in order."""
        return [each for each in self.received if not each.error and each.status == 200]

    def answer(self, method: str, authorization: str, message: Json) -> tuple[int, dict[str, str], bytes]:
        """One call of the Web API."""
        with self.lock:
            at = time.time()
            if self.trouble:
                status, headers, body = self.trouble.pop(0)
                self._keep(Received(at, method, message, status, "trouble"))
                return status, headers, body.encode()
            error = self._error(method, authorization, message)
            if error:
                self._keep(Received(at, method, message, 200, error))
                return 200, {}, json.dumps({"ok": False, "error": error}).encode()
            channel, ts = self._place(method, message)
            self._keep(Received(at, method, message, 200, ts=ts))
            return 200, {}, json.dumps({"ok": True, "channel": channel, "ts": ts, "message": {"text": message.get("text")}}).encode()

    def _error(self, method: str, authorization: str, message: Json) -> str:
        if authorization != f"Bearer {self.token}":
            return "invalid_auth" if authorization else "not_authed"
        if method not in {"chat.postMessage", "chat.update"}:
            return "unknown_method"
        channel = self._channel(message)
        if channel is None:
            return "channel_not_found"
        known = (channel, str(message.get("ts" if method == "chat.update" else "thread_ts", "")))
        if method == "chat.update" and known not in self.posted:
            return "message_not_found"
        if "thread_ts" in message and known not in self.posted:
            return "thread_not_found"
        return blocks_error(message)

    def _channel(self, message: Json) -> str | None:
        named = str(message.get("channel", ""))
        return named if named in self.channels.values() else self.channels.get(named)

    def _place(self, method: str, message: Json) -> tuple[str, str]:
        channel = self._channel(message) or ""
        ts = str(message["ts"]) if method == "chat.update" else f"{1_700_000_000 + len(self.received)}.000100"
        self.posted.add((channel, ts))
        return channel, ts

    def _keep(self, received: Received) -> None:
        self.received.append(received)
        self.heard(received)


def blocks_error(message: Json) -> str:
    """What Slack would say of *message*'s blocks, "" if nothing."""
    blocks = message.get("blocks")
    if blocks is None:
        return "" if message.get("text") else "no_text"
    fine = isinstance(blocks, list) and 0 < len(blocks) <= 50 and all(isinstance(each, dict) and _fits(each) for each in blocks)
    return "" if fine else "invalid_blocks"


def _fits(block: Json) -> bool:
    kind = str(block.get("type"))
    if kind not in LIMITS or set(block) - {"type", "block_id", "text", "elements"}:
        return False
    texts = block.get("elements") if kind == "context" else [block.get("text")]
    if not isinstance(texts, list) or not 1 <= len(texts) <= 10:
        return False
    return all(_is_text(each, kind) for each in texts)


def _is_text(text: object, kind: str) -> bool:
    least, most = LIMITS[kind]
    wanted = {"plain_text"} if kind == "header" else {"plain_text", "mrkdwn"}
    return isinstance(text, dict) and text.get("type") in wanted and isinstance(text.get("text"), str) and least <= len(text["text"]) <= most


class SlackServer:
    """A :class:`Slack` behind a loopback port, as a context manager."""

    def __init__(self, slack: Slack | None = None, port: int = 0) -> None:
        self.slack = slack or Slack()
        workspace = self.slack

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    message = json.loads(raw or b"{}")
                except ValueError:
                    message = {"unreadable": raw.decode("utf-8", "replace")}
                status, headers, body = workspace.answer(self.path.rpartition("/")[2], self.headers.get("Authorization", ""), message)
                self.send_response(status)
                for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing: what came is kept."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = workspace.url = f"http://127.0.0.1:{self.port}/api/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def main() -> None:
    """Serves until it is ended; the first line says where it listens, then a JSON line per call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    asked = parser.parse_args()

    def tell(received: Received) -> None:
        sys.stdout.write(json.dumps(vars(received)) + "\n")
        sys.stdout.flush()

    with SlackServer(Slack(token=asked.token, heard=tell), asked.port) as server:
        sys.stdout.write(json.dumps({"listening": server.url, "port": server.port}) + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
