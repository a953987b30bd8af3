"""Bearer tokens: one a line, re-read when the file changes."""

import base64
import binascii
import hmac
from pathlib import Path

from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place


class Tokens:
    """The tokens of a file; blank lines and lines that begin with # are none. No token is ever logged or shown."""

    def __init__(self, path: Path) -> None:
        """ConfigError where *path* cannot be read or holds no token."""
        self._path = path
        self._stamp = 0
        self._known: tuple[bytes, ...] = ()
        self._read()

    def allow(self, authorization: str | None) -> bool:
        """Whether an Authorization header carries a known token: ``Bearer TOKEN``, or Basic with it as the password (browsers)."""
        self._refresh()
        given = _token(authorization or "")
        found = False
        for known in self._known:
            found |= hmac.compare_digest(known, given)
        return found

    def name(self, authorization: str | None) -> str:
        """Which token an Authorization header carries, for the audit: ``token 2`` is the second of the file; "" where it is none."""
        given = _token(authorization or "")
        found = [number for number, known in enumerate(self._known, start=1) if hmac.compare_digest(known, given)]
        return f"token {found[0]}" if found else ""

    def _refresh(self) -> None:
        """Reads again where the file changed; an unreadable or empty one keeps the last good tokens."""
        try:
            if self._path.stat().st_mtime_ns != self._stamp:
                self._read()
        except (OSError, ConfigError):
            return

    def _read(self) -> None:
        try:
            stamp, text = self._path.stat().st_mtime_ns, self._path.read_text(encoding="utf-8")
        except OSError as problem:
            raise ConfigError([Problem(Place(str(self._path)), f"cannot read the tokens: {problem.strerror}", "check server.tokens_file")]) from problem
        lines = (line.strip() for line in text.splitlines())
        known = tuple(line.encode() for line in lines if line and not line.startswith("#"))
        self._stamp = stamp
        if not known:
            raise ConfigError([Problem(Place(str(self._path)), "holds no token", "write one token a line")])
        self._known = known


def _token(authorization: str) -> bytes:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
