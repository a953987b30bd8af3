"""The HTTP server: uvicorn in a thread of its own."""

import ipaddress
import logging
import socket
from threading import Event, Thread

import uvicorn
from starlette.applications import Starlette

from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place

_log = logging.getLogger(__name__)
_START_SECONDS = 10.0
_STOP_SECONDS = 3


class Server:
    """Serves *app* at *listen* (host:port; port 0 takes a free one) until :meth:`stop`."""

    def __init__(self, app: Starlette, listen: str, *, has_tokens: bool = False) -> None:
        """ConfigError where *listen* is no address, or lies beyond loopback and there are no tokens."""
        self._app = app
        self._host, self._port = address(listen)
        if not has_tokens and not is_loopback(self._host):
            raise ConfigError(
                [_problem(f"{listen} can be reached from other machines, and there are no tokens", "set server.tokens_file, or listen at 127.0.0.1")]
            )
        self._server: uvicorn.Server | None = None
        self._thread: Thread | None = None

    def start(self) -> str:
        """Begins to answer and returns the address, ``http://127.0.0.1:9464``. ConfigError where the port is taken."""
        listening = self._listen()
        shown = f"[{self._host}]" if ":" in self._host else self._host
        url = f"http://{shown}:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=_STOP_SECONDS,
            server_header=False,
        )
        answering = Event()
        server = self._server = _Server(config, answering)
        self._thread = Thread(target=server.run, kwargs={"sockets": [listening]}, name="web", daemon=True)
        self._thread.start()
        answering.wait(_START_SECONDS)
        _log.info("server_listening address=%s", url)
        return url

    def stop(self) -> None:
        """Finishes what is being answered, for at most 3 s."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_SECONDS + 1.0)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family, backlog=128)
        except OSError as problem:
            what = f"cannot listen at {self._host}:{self._port}: {problem.strerror or problem}"
            raise ConfigError([_problem(what, "is another daemon running? port 0 takes a free one")]) from problem


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, answering: Event) -> None:
        super().__init__(config)
        self._answering = answering

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._answering.set()


def address(listen: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:9464`` or ``[::1]:0``; ConfigError else."""
    host, colon, port = listen.rpartition(":")
    most = 65_535
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > most:
        raise ConfigError([_problem(f"{listen!r} is no host:port", "write 127.0.0.1:9464")])
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches *host*."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(what: str, advice: str) -> Problem:
    return Problem(Place("server.listen"), what, advice)
