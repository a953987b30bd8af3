"""The far end of the webhook target: signed calls, and what `current_url` says."""

import base64
import binascii
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from watchtower.edges import http
from watchtower.edges.clock import Clock
from watchtower.edges.secrets import Secret
from watchtower.nouns.errors import RollbackError, Unavailable
from watchtower.rollback_targets import State
from watchtower.rollback_targets import _addresses as addresses
from watchtower.rollback_targets._hiding import Hiding

LARGEST = 1_000_000
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
_TRY, _LEAST = 10.0, 0.05
_BASE64 = "whsec_"
_FINE = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: the same *body* and *id* in every try; *matching*: the token that it is conditional on, "" for none."""

    body: bytes
    id: str
    matching: str = ""


class Far:
    """Two addresses, and how to speak to them."""

    def __init__(  # noqa: PLR0913, PLR0917  the target's settings, one by one
        self,
        url: SecretStr,
        current_url: SecretStr,
        headers: Mapping[str, SecretStr],
        secret: Secret | None,
        ca_file: str | None,
        fields: tuple[str, str],
        clock: Clock,
    ) -> None:
        """*fields*: where in what `current_url` answers the version and the token are."""
        self._url = url
        self._current_url = current_url
        self._headers = headers
        self._secret = secret
        self._ca_file = ca_file
        self._fields = fields
        self._clock = clock
        self.who = f"webhook {http.origin(url.get_secret_value())}"

    def post(self, asked: Asked, until: float) -> http.Answer | Unavailable:
        """One try."""
        matching = {"If-Match": _quoted(asked.matching)} if asked.matching else {}
        own = {"Content-Type": "application/json", "Idempotency-Key": asked.id, **matching}
        try:
            return self._call("POST", self._url, asked.body, own | self._signed(asked.id, asked.body), until)
        except Unavailable as away:
            return away

    def read(self, until: float) -> State:
        """One look at `current_url`; what may pass is tried again until then. RollbackError where it cannot be read."""
        pause = FIRST_PAUSE
        while True:
            try:
                answer = self._call("GET", self._current_url, None, self._signed(uuid.uuid4().hex, b""), until)
                if answer.status == _FINE:
                    return self._named(answer)
                wrong = self.refused(answer, " (current_url)")
                if not addresses.retried(answer.status):
                    raise wrong
            except Unavailable as away:
                wrong = RollbackError(f"webhook (current_url): {away}", retryable=True)
            if time.monotonic() + pause >= until:
                raise wrong
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def refused(self, answer: http.Answer, which: str = "") -> RollbackError:
        """The error for an answer that is not fine."""
        return addresses.refused(f"{self.who}{which}", answer, self.hiding())

    def hiding(self) -> Hiding:
        """Knows the secrets as they are now."""
        try:
            secret = [self._secret.get()] if self._secret is not None else []
        except Unavailable:  # then nothing was sent that was signed by it
            secret = []
        parts = [*addresses.pieces(self._url), *addresses.pieces(self._current_url)]
        return Hiding(secret, [*(each.get_secret_value() for each in self._headers.values()), *parts])

    def _call(self, method: str, url: SecretStr, body: bytes | None, own: Mapping[str, str], until: float) -> http.Answer:
        headers = {"Accept": "application/json", "User-Agent": "watchtower", **own, **{name: each.get_secret_value() for name, each in self._headers.items()}}
        seconds = max(_LEAST, min(_TRY, until - time.monotonic()))
        return http.call(method, url.get_secret_value(), body, headers, seconds=seconds, largest=LARGEST, trust=addresses.trust(self._ca_file))

    def _signed(self, called: str, body: bytes) -> dict[str, str]:
        """The three headers of Standard Webhooks; only the id where there is no secret."""
        if self._secret is None:
            return {"webhook-id": called}
        try:
            key = signing_key(self._secret.get())
        except (Unavailable, ValueError) as wrong:
            msg = f"{self.who}: {wrong}"
            raise RollbackError(msg) from None
        at = str(int(self._clock.now().timestamp()))
        digest = hmac.new(key, b".".join([called.encode(), at.encode(), body]), hashlib.sha256).digest()
        return {"webhook-id": called, "webhook-timestamp": at, "webhook-signature": "v1," + base64.b64encode(digest).decode()}

    def _named(self, answer: http.Answer) -> State:
        """The version and the token of an answer; null is no version."""
        where, wanted = self._fields
        try:
            said: object = json.loads(answer.body)
        except (ValueError, RecursionError):
            msg = f"{self.who}: current_url answered no JSON"
            raise RollbackError(msg) from None
        there, version = _found(said, where)
        if not there or isinstance(version, dict | list | bool):
            msg = f"{self.who}: current_url answered JSON without a version in {where}"
            raise RollbackError(msg)
        _, token = _found(said, wanted)
        named = None if version is None else str(version)
        token = answer.headers.get("etag", "") if token is None else str(token)
        return State(named, token, {"asked": self.who, "names": named, "token": token})


def signing_key(secret: str) -> bytes:
    """The key that a secret is: `whsec_` and base64, or its bytes; ValueError where the base64 is none."""
    if not secret.startswith(_BASE64):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_BASE64), validate=True)
    except binascii.Error:
        msg = "a secret that begins with whsec_ goes on in base64"
        raise ValueError(msg) from None


def _found(said: object, path: str) -> tuple[bool, object]:
    """Whether there is something at a path such as ``status.live.version`` or ``items.0.version``, and what."""
    for part in path.split("."):
        if isinstance(said, dict) and part in said:
            said = said[part]
        elif isinstance(said, list) and part.isdigit() and int(part) < len(said):
            said = said[int(part)]
        else:
            return False, None
    return True, said


def _quoted(token: str) -> str:
    """As an entity tag is written."""
    return token if token.startswith(('"', 'W/"')) else f'"{token}"'
