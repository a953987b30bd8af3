"""One HTTP call: bounded in time and size, never redirected, and no secret in what it raises."""

import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import IO, Protocol
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


class _Body(Protocol):
    def read(self, amount: int, /) -> bytes: ...

    def read1(self, amount: int, /) -> bytes: ...


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirected POST would lose its body, and carry our headers elsewhere."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str) -> None:  # noqa: PLR0913, PLR0917
        """None: the redirect itself is the answer."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> Answer:
    """Posts *body* to an http(s) *url*; any status is an answer; Unavailable where none came within *seconds*."""
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310  the settings allow http and https only
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(request, timeout=seconds) as response:
            return _answer(response.status, response.headers, response)
    except HTTPError as refused:
        with refused:
            return _answer(refused.code, refused.headers, refused)
    except URLError as away:
        msg = f"{origin(url)} did not answer: {_named(away.reason)}"
        raise Unavailable(msg) from None
    except (OSError, HTTPException) as away:
        msg = f"{origin(url)} did not answer: {_named(away)}"
        raise Unavailable(msg) from None


def get(url: str, headers: Mapping[str, str], *, seconds: float, largest: int) -> Answer:
    """Gets an http(s) *url*; any status is an answer.

    Unavailable where the whole of it had not come within *seconds*, or is larger than *largest* bytes.
    """
    until = monotonic() + seconds
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  the settings allow http and https only
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(request, timeout=seconds) as response:
            return _answer(response.status, response.headers, _whole(response, until, largest, url))
    except HTTPError as refused:
        with refused:
            return _answer(refused.code, refused.headers, refused)
    except URLError as away:
        msg = f"{origin(url)} did not answer: {_named(away.reason)}"
        raise Unavailable(msg) from None
    except (OSError, HTTPException) as away:
        msg = f"{origin(url)} did not answer: {_named(away)}"
        raise Unavailable(msg) from None


def call(  # noqa: PLR0913  what a request is
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, seconds: float, largest: int = _LARGEST, trust: ssl.SSLContext | None = None
) -> Answer:
    """Sends *body* by *method*; any status is an answer, with its whole body; *trust* says which certificates are believed (None: the system's).

    Unavailable where the whole of it had not come within *seconds*, or is larger than *largest* bytes.
    """
    until = monotonic() + seconds
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310  the settings allow http and https only
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=trust))
    try:
        with opener.open(request, timeout=max(seconds, 0.001)) as response:
            return _answer(response.status, response.headers, _whole(response, until, largest, url))
    except HTTPError as refused:
        return _refusal(refused, until, largest, url)
    except URLError as away:
        msg = f"{origin(url)} did not answer: {_named(away.reason)}"
        raise Unavailable(msg) from None
    except (OSError, HTTPException) as away:
        msg = f"{origin(url)} did not answer: {_named(away)}"
        raise Unavailable(msg) from None


def save(url: str, headers: Mapping[str, str], into: IO[bytes], *, seconds: float, largest: int) -> Answer:
    """Gets an http(s) *url* and writes what it holds to *into*, piece by piece; of a refusal nothing is written, and its body is in the answer.

    Unavailable where the whole of it had not come within *seconds*, was cut short, or is larger than *largest* bytes.
    """
    until = monotonic() + seconds
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  the settings allow http and https only
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(request, timeout=seconds) as response:
            _poured(response, into, until, largest, url)
            return _answer(response.status, response.headers, b"")
    except HTTPError as refused:
        return _refusal(refused, until, _LARGEST, url)
    except URLError as away:
        msg = f"{origin(url)} did not answer: {_named(away.reason)}"
        raise Unavailable(msg) from None
    except (OSError, HTTPException) as away:
        msg = f"{origin(url)} did not answer: {_named(away)}"
        raise Unavailable(msg) from None


def _poured(body: HTTPResponse, into: IO[bytes], until: float, largest: int, url: str) -> None:
    written = 0
    while piece := body.read1(_PIECE):
        into.write(piece)
        written += len(piece)
        if written > largest:
            msg = f"{origin(url)} answered more than {largest:,} bytes"
            raise Unavailable(msg)
        if monotonic() > until:
            raise TimeoutError
    if body.length:  # http.client's read1 takes an early end for the end
        msg = f"{origin(url)} ended {body.length:,} bytes early"
        raise Unavailable(msg)


def _refusal(refused: HTTPError, until: float, largest: int, url: str) -> Answer:
    try:
        with refused:
            return _answer(refused.code, refused.headers, _whole(refused, until, largest, url))
    except (OSError, HTTPException) as away:
        msg = f"{origin(url)} did not answer: {_named(away)}"
        raise Unavailable(msg) from None


def _whole(body: _Body, until: float, largest: int, url: str) -> bytes:
    """All of *body*; a socket's time-out alone would let a far end that drips hold us for ever."""
    read = bytearray()
    while piece := body.read1(_PIECE):
        read += piece
        if len(read) > largest:
            msg = f"{origin(url)} answered more than {largest:,} bytes"
            raise Unavailable(msg)
        if monotonic() > until:
            raise TimeoutError
    return bytes(read)


def origin(url: str) -> str:
    """Scheme, host and port of *url*: what may be told of it; paths and queries may hold tokens."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def _answer(status: int, headers: Message, body: _Body | bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers.items()}, body if isinstance(body, bytes) else body.read(_LARGEST))


def _named(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
