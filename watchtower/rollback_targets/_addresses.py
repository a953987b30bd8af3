"""What targets that are asked over HTTP share: addresses, trust, and what may be told of an answer."""

import ipaddress
import json
import re
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr

from watchtower.edges import http
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import Caution
from watchtower.rollback_targets._hiding import Hiding

TOO_MANY, TIMED_OUT, SERVER_ERROR = 429, 408, 500
_TELLING = 12
"""A part of an address that is at least so long may be a token."""
_TOLD = 300


def checked(value: SecretStr) -> SecretStr:
    """An http or https address with a host; ValueError else, in words without the address."""
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "an address begins with http:// or https://, and has a host"
        raise ValueError(msg)
    try:
        parts.port  # noqa: B018  reading it is the check
    except ValueError:
        msg = "an address's port is a number up to 65535"
        raise ValueError(msg) from None
    return value


def trust(ca_file: str | None) -> ssl.SSLContext | None:
    """Which certificates are believed: those of *ca_file* alone, else the system's; RollbackError where it cannot be read."""
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as wrong:
        msg = f"ca_file {ca_file} cannot be read: {type(wrong).__name__}"
        raise RollbackError(msg) from None


def plain(key: str, url: SecretStr, risk: str) -> Iterator[Caution]:
    """Where *url* goes over the network without TLS: *risk*."""
    parts = urlsplit(url.get_secret_value())
    if parts.scheme == "http" and not _loopback(parts.hostname or ""):
        yield Caution(
            key, f"{http.origin(url.get_secret_value())} is plain http beyond this machine: {risk}", "use https, with ca_file where the certificate is your own"
        )


def pieces(url: SecretStr) -> list[str]:
    """The parts of *url* that may be tokens."""
    parts = urlsplit(url.get_secret_value())
    each = re.split(r"[/?&=]", f"{parts.path}?{parts.query}")
    return [*(part for part in each if len(part) >= _TELLING), *([parts.password] if parts.password else [])]


def retried(status: int) -> bool:
    """429, time-outs and 5xx may pass; every other refusal stays one."""
    return status in {TOO_MANY, TIMED_OUT} or status >= SERVER_ERROR


def wait_asked(answer: http.Answer) -> float:
    """Seconds of a `Retry-After`; 0 where it asks for none, or by a date."""
    asked = answer.headers.get("retry-after", "").strip()
    return float(asked) if asked.isdigit() and len(asked) < 6 else 0.0


def told(answer: http.Answer, hiding: Hiding, most: int = _TOLD) -> str:
    """What *answer* says, on one line, without secrets; of JSON with an `error`, that alone."""
    text = answer.body.decode(errors="replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = text
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        text = said["error"]
    return " ".join(hiding.of(text).split())[:most]


def refused(who: str, answer: http.Answer, hiding: Hiding) -> RollbackError:
    """The error for an answer that is not fine."""
    said = told(answer, hiding)
    why = "a redirect, and none is followed" if 300 <= answer.status < 400 else said
    return RollbackError(f"{who} answered {answer.status}" + (f": {why}" if why else ""), retryable=retried(answer.status))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
