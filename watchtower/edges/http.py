"""One HTTP call: bounded in time and size, never redirected, and no secret in what it raises."""

import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from time import monotonic
from typing import IO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from watchtower.nouns.errors import Unavailable

_LARGEST = 1_000_000
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What the far end said: *headers* by lower-case name; of an answer to a POST, or of a refusal, at most the first million bytes of the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirected POST would lose its body, and carry our headers elsewhere."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str) -> None:  # noqa: PLR0913, PLR0917
        """None: the redirect itself is the answer."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> Answer:
    """Posts *body* to an http(s) *url*; any status is an answer; Unavailable where none came within *seconds*."""
    with _sent("POST", url, body, headers, monotonic() + seconds) as response:
        return _answer(response, response.read(_LARGEST))


def get(url: str, headers: Mapping[str, str], *, seconds: float, largest: int) -> Answer:
    """Gets an http(s) *url*; any status is an answer.

    Unavailable where the whole of it had not come within *seconds*, or is larger than *largest* bytes.
    """
    return call("GET", url, None, headers, seconds=seconds, largest=largest)


def call(  # noqa: PLR0913  what a request is
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, seconds: float, largest: int = _LARGEST, trust: ssl.SSLContext | None = None
) -> Answer:
    """Sends *body* by *method*; any status is an answer, with its whole body; *trust* says which certificates are believed (None: the system's).

    Unavailable where the whole of it had not come within *seconds*, was cut short, or is larger than *largest* bytes.
    """
    with _sent(method, url, body, headers, monotonic() + seconds, trust) as response:
        return _answer(response, _whole(response, largest, url))


def save(url: str, headers: Mapping[str, str], into: IO[bytes], *, seconds: float, largest: int) -> Answer:
    """Gets an http(s) *url* and writes what it holds to *into*, piece by piece; of a refusal nothing is written, and its body is in the answer.

    Unavailable where the whole of it had not come within *seconds*, was cut short, or is larger than *largest* bytes.
    """
    with _sent("GET", url, None, headers, monotonic() + seconds) as response:
        if response.status >= 300:
            return _answer(response, _whole(response, _LARGEST, url))
        for piece in _pieces(response, largest, url):
            _written(into, piece, url)
        return _answer(response, b"")


@contextmanager
def _sent(  # noqa: PLR0913, PLR0917  what a request is
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], until: float, trust: ssl.SSLContext | None = None
) -> Iterator[HTTPResponse]:
    """The response, whatever its status; Unavailable where none comes, or it does not go on, until then."""
    opener = urllib.request.build_opener(_Stay, _Plain(until), _Tls(until, trust))
    try:
        request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310  the settings allow http and https only
        with _opened(opener, request, max(until - monotonic(), 0.001)) as response:
            yield response
    except URLError as away:
        msg = f"{origin(url)} did not answer: {_named(away.reason)}"
        raise Unavailable(msg) from None
    except (OSError, HTTPException) as away:
        msg = f"{origin(url)} did not answer: {_named(away)}"
        raise Unavailable(msg) from None
    except ValueError:  # whose words hold the header or the address itself
        msg = f"{origin(url)} could not be asked: its address or a header holds what HTTP does not take"
        raise Unavailable(msg) from None


def _opened(opener: urllib.request.OpenerDirector, request: urllib.request.Request, seconds: float) -> HTTPResponse:
    try:
        return cast("HTTPResponse", opener.open(request, timeout=seconds))
    except HTTPError as refused:
        return cast("HTTPResponse", refused)  # it reads like one


class _Until(RawIOBase):
    """A socket's stream that ends at a moment: a time-out alone, which counts anew at each byte, would let a far end that drips hold us for ever."""

    def __init__(self, stream: RawIOBase, sock: socket, until: float) -> None:
        self._stream, self._sock, self._until = stream, sock, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int | None:  # type: ignore[override]  # what a BufferedReader gives
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _response(until: float) -> type[HTTPResponse]:
    class Response(HTTPResponse):
        def __init__(self, sock: socket, debuglevel: int = 0, method: str | None = None, url: str | None = None) -> None:
            super().__init__(sock, debuglevel, method, url)
            self.fp = BufferedReader(_Until(self.fp.detach(), sock, until))

    return Response


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, until: float) -> None:
        super().__init__()
        self._until = until

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        class Connection(HTTPConnection):
            response_class = _response(self._until)

        return self.do_open(Connection, req)


class _Tls(urllib.request.HTTPSHandler):
    def __init__(self, until: float, trust: ssl.SSLContext | None) -> None:
        super().__init__()
        self._until, self._trust = until, trust

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        class Connection(HTTPSConnection):
            response_class = _response(self._until)

        return self.do_open(Connection, req, context=self._trust)


def _written(into: IO[bytes], piece: bytes, url: str) -> None:
    try:
        into.write(piece)
    except OSError as full:
        msg = f"what {origin(url)} sent cannot be written: {_named(full)}"
        raise Unavailable(msg) from None


def _pieces(body: HTTPResponse, largest: int, url: str) -> Iterator[bytes]:
    read = 0
    while piece := body.read1(_PIECE):
        read += len(piece)
        if read > largest:
            msg = f"{origin(url)} answered more than {largest:,} bytes"
            raise Unavailable(msg)
        yield piece
    if body.length:  # http.client's read1 takes an early end for the end
        msg = f"{origin(url)} ended {body.length:,} bytes early"
        raise Unavailable(msg)


def _whole(body: HTTPResponse, largest: int, url: str) -> bytes:
    return b"".join(_pieces(body, largest, url))


def origin(url: str) -> str:
    """Scheme, host and port of *url*: what may be told of it; paths and queries may hold tokens."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # none that there is
        port = ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def _answer(response: HTTPResponse, body: bytes) -> Answer:
    return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)


def _named(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
