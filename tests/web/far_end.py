"""A view of a daemon that has just begun, and a browser in front of a real server."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx

from watchtower.store.codec import Json
from watchtower.web.app import create_app
from watchtower.web.server import Server
from watchtower.web.tokens import Tokens
from watchtower.web.view import StatusView


class Empty:
    """A view of a daemon that has just begun."""

    def __init__(self, missing: Mapping[str, str] | None = None) -> None:
        self.missing = missing or {}

    def status(self) -> Json:
        return {"models": [], "rejected": {}, "alerts": [], "lag": [], "windows": [], "decisions": [], "daemon": {"running": True, "heartbeat": None}}

    def metrics_text(self, *, openmetrics: bool) -> bytes:
        return b"# EOF\n" if openmetrics else b"up 1\n"

    def ready(self) -> Mapping[str, str]:
        return self.missing

    def incidents(self) -> Json:
        return {"incidents": []}

    def incident(self, incident_id: str) -> Json | None:  # noqa: ARG002  there is none
        return None

    def rollbacks(self) -> Json:
        return {"rollbacks": []}

    def report(self, incident_id: str) -> str | None:  # noqa: ARG002  there is none
        return None

    def boards(self, model: str, limit: int) -> Sequence[Json]:  # noqa: ARG002  there is none
        return []


@contextmanager
def browser(view: StatusView, *, tokens: Tokens | None = None, metrics_public: bool = True) -> Iterator[httpx.Client]:
    """Asks a server over *view* that listens at a free port."""
    server = Server(create_app(view, tokens=tokens, metrics_public=metrics_public), "127.0.0.1:0")
    with httpx.Client(base_url=server.start(), trust_env=False) as client:
        yield client
    server.stop()
