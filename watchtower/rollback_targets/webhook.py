"""A service of your own that switches: signed JSON over HTTP."""

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator

from watchtower.edges import http
from watchtower.edges.clock import Clock
from watchtower.edges.secrets import Secret
from watchtower.nouns.errors import RollbackError
from watchtower.nouns.written import Duration, PathText
from watchtower.rollback_targets import Caution, RollbackTarget, State, Switch
from watchtower.rollback_targets import _addresses as addresses
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._webhook_far import FIRST_PAUSE, LONGEST_PAUSE, Asked, Far, signing_key

READ_WITHIN = 15.0
"""Seconds that looking alone may take."""
_MOVED = frozenset({409, 412})
_KEPT = 2_000
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"|[\x21\x23-\x7e]+')
"""An entity tag (RFC 9110, 8.8.3), or what is one between quotation marks."""


class Webhook(RollbackTarget):
    """Posts `{action, model, live, candidate, token, key, time}` to `url`, and asks `current_url` what serves.

    *action* is `switch`, or what `knows` lists. Signed as Standard Webhooks are: `webhook-id`, `webhook-timestamp`, and `webhook-signature: v1,` with the
    base64 HMAC-SHA256 of `<id>.<timestamp>.<body>`. `Idempotency-Key` is the same for every try of one call. 409 and 412 say that somebody else
    switched; 429, 5xx and silence are tried again within `time_limit`; every other refusal is final. After a 2xx `current_url` must name the candidate.
    """

    url: SecretStr
    """Where to post; only its host is ever told."""
    current_url: SecretStr
    """Answers a GET with JSON that names the version that serves, and perhaps a token that changes at every write."""
    version_field: str = Field(default="version", min_length=1)
    """Where in that JSON the version is, such as `status.live.version`; a number counts into a list."""
    token_field: str = Field(default="token", min_length=1)
    """Likewise the token; where it is not there, the ETag."""
    secret: SecretStr | None = None
    """Signs (or `secret_file`); `whsec_…` is base64, anything else is taken as it is."""
    secret_file: PathText | None = None
    """A file with the secret; read again when it changes."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers, such as Authorization."""
    knows: tuple[Literal["dry_run", "abort"], ...] = ()
    """Actions beside `switch` that the far end knows: `dry_run` validates and changes nothing; `abort` takes all traffic from a canary."""
    if_match: bool = False
    """The far end honours `If-Match` with the token, and answers 412 where it is another: a compare-and-set."""
    ca_file: PathText | None = None
    """The certificates that are believed, instead of the system's."""
    time_limit: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0), le=timedelta(hours=1))
    """How long a switch may take, tries and waiting included."""

    @field_validator("url", "current_url")
    @classmethod
    def _http(cls, value: SecretStr) -> SecretStr:
        return addresses.checked(value)

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret is not None and self.secret_file is not None:
            msg = "secret and secret_file say the same: give one"
            raise ValueError(msg)
        if self.secret is not None:
            signing_key(self.secret.get_secret_value())
        return self

    @property
    def compare_and_set(self) -> bool:
        """Only where the far end says that it honours If-Match."""
        return self.if_match

    @property
    def aborts_canaries(self) -> bool:
        """Only where the far end knows how."""
        return "abort" in self.knows

    def open(self) -> "WebhookSession":
        """Prepares; connects at each call."""
        return WebhookSession(self, "", Clock())

    def open_for(self, model: str) -> "WebhookSession":
        """Prepares; connects at each call."""
        return WebhookSession(self, model, Clock())

    def cautions(self) -> Iterator[Caution]:
        """Plain http beyond loopback, and calls that nobody could tell from anybody else's."""
        yield from addresses.plain("url", self.url, "whoever is on the way reads it, and can change what is answered")
        yield from addresses.plain("current_url", self.current_url, "whoever is on the way can say what serves")
        if self.secret is None and self.secret_file is None and not self.headers:
            yield Caution(
                "", "nothing proves that a call is Watchtower's: anybody who reaches the address can switch", "give secret_file, and let the far end verify"
            )


class WebhookSession:
    """Posts and looks; holds no connection."""

    def __init__(self, settings: Webhook, model: str, clock: Clock) -> None:
        given, file = settings.secret, settings.secret_file
        secret = Secret(given.get_secret_value() if given else None, Path(file) if file else None) if given or file else None
        self._settings = settings
        self._model = model
        self._clock = clock
        self._limit = settings.time_limit.total_seconds()
        fields = (settings.version_field, settings.token_field)
        self._far = Far(settings.url, settings.current_url, settings.headers, secret, settings.ca_file, fields, clock)

    def current(self) -> str | None:
        """The version that `current_url` names."""
        return self.state().version

    def state(self) -> State:
        """The version and the token that `current_url` names."""
        return self._far.read(time.monotonic() + min(self._limit, READ_WITHIN))

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:
        """Looks, posts, and looks until the candidate is named."""
        until = time.monotonic() + self._limit
        state = self._far.read(until)
        changed = state.version != candidate
        if changed:
            self._expect(state, expected, token)
        if not changed or (dry_run and "dry_run" not in self._settings.knows):
            return Switch(state.version, candidate, changed=changed, dry_run=dry_run)
        asked = self._asked_to("dry_run" if dry_run else "switch", candidate, state, key)
        if dry_run:
            return Switch(state.version, candidate, changed=True, dry_run=True, detail=self._post(asked, until, None, expected))
        detail = self._post(asked, until, candidate, expected)
        self._await(candidate, until)
        return Switch(state.version, candidate, changed=True, detail=detail)

    def abort(self, canary: str, *, stable: str, key: str = "", dry_run: bool = False) -> Switch:
        """Posts `{action: abort, model, canary, stable, key, time}`; a dry run posts nothing."""
        if "abort" not in self._settings.knows:
            msg = f"{self._far.who} knows no abort: canary {canary} goes on"
            raise RollbackError(msg)
        if dry_run:
            return Switch(canary, stable, changed=True, dry_run=True)
        asked = self._asked("abort", {"canary": canary, "stable": stable}, key)
        return Switch(canary, stable, changed=True, detail=self._post(asked, time.monotonic() + self._limit, None, canary))

    def ready(self, candidate: str) -> Sequence[str]:
        """Whether `current_url` can be read, and what a dry run says, where the far end knows it."""
        until = time.monotonic() + min(self._limit, READ_WITHIN)
        try:
            state = self._far.read(until)
            self._with_token(state)
            if "dry_run" in self._settings.knows and state.version != candidate:
                self._post(self._asked_to("dry_run", candidate, state, ""), until, None, state.version)
        except RollbackError as wrong:
            return (str(wrong),)
        return ()

    def close(self) -> None:
        """Holds nothing open."""

    def _expect(self, state: State, expected: str | None, token: str) -> None:
        if state.version != expected:
            raise Moved(self._far.who, expected, state.version)
        if token and token != state.token:
            raise Moved(self._far.who, expected, state.version, since="was written since it was read")

    def _with_token(self, state: State) -> None:
        if self._settings.if_match and not state.token:
            msg = f"{self._far.who}: if_match is set, but current_url gives no token: nothing was switched"
            raise RollbackError(msg)
        if self._settings.if_match and not _TAG.fullmatch(state.token):
            msg = f"{self._far.who}: if_match is set, but the token that current_url gives cannot stand in a header: nothing was switched"
            raise RollbackError(msg)

    def _asked_to(self, action: str, candidate: str, state: State, key: str) -> Asked:
        """A switch from exactly *state*."""
        self._with_token(state)
        said = {"live": state.version, "candidate": candidate, "token": state.token}
        return self._asked(action, said, key, state.token if self._settings.if_match else "")

    def _asked(self, action: str, said: Mapping[str, object], key: str, matching: str = "") -> Asked:
        at = self._clock.now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = {"action": action, "model": self._model, **said, "key": key, "time": at}
        called = quote(key, safe=_PRINTABLE) or uuid.uuid4().hex  # a model's name is in the key, and headers are ASCII
        return Asked(json.dumps(body, ensure_ascii=False).encode(), f"{called}-{action}", matching)

    def _post(self, asked: Asked, until: float, candidate: str | None, expected: str | None) -> dict[str, object]:
        """Posts until it is taken; between tries it looks whether an earlier one was (*candidate*: what is named then)."""
        tries, pause = 0, FIRST_PAUSE
        while True:
            tries += 1
            answer = self._far.post(asked, until)
            if isinstance(answer, http.Answer):
                told = {"status": answer.status, "answer": addresses.told(answer, self._far.hiding(), _KEPT), "tries": tries, "id": asked.id}
                if 200 <= answer.status < 300 or (answer.status in _MOVED and self._conflict(told, until, candidate, expected)):
                    return told
                if not addresses.retried(answer.status):
                    raise self._far.refused(answer)
                pause = max(pause, addresses.wait_asked(answer))
            wrong = str(self._far.refused(answer) if isinstance(answer, http.Answer) else answer)
            if time.monotonic() + pause >= until:
                msg = f"{wrong} (tried {tries} times within {self._limit:g} s)"
                raise RollbackError(msg, retryable=True)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if candidate is not None and self._taken(candidate, expected, until):
                return {"status": None, "answer": wrong, "tries": tries, "id": asked.id}

    def _conflict(self, told: Mapping[str, object], until: float, candidate: str | None, expected: str | None) -> bool:
        """409 or 412: True where an earlier try of ours did it, else Moved."""
        if told["tries"] != 1 and candidate is not None and self._far.read(until).version == candidate:
            return True
        said = f" ({str(told['answer'])[:200]})" if told["answer"] else ""
        raise Moved(self._far.who, expected, None, since=f"answered {told['status']}{said}")

    def _taken(self, candidate: str, expected: str | None, until: float) -> bool:
        """Whether an earlier try arrived although its answer did not; Moved where a third version is named."""
        names = self._far.read(until).version
        if names not in {candidate, expected}:
            raise Moved(self._far.who, expected, names)
        return names == candidate

    def _await(self, candidate: str, until: float) -> None:
        pause = FIRST_PAUSE
        while (names := self._far.read(until).version) != candidate:
            if time.monotonic() + pause >= until:
                msg = f"{self._far.who} took the switch, but after {self._limit:g} s names {names or 'nothing'} and not {candidate}"
                raise RollbackError(msg)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
