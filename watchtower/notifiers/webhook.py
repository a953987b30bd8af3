"""A POST of JSON to any address."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from watchtower.edges import http
from watchtower.edges.secrets import Secret
from watchtower.notifiers import Notifier, NotifierSession, Receipt
from watchtower.notifiers import _codes as codes
from watchtower.notifiers import _retraining as retraining
from watchtower.notifiers import _wording as wording
from watchtower.nouns.errors import DeliveryError, Unavailable
from watchtower.nouns.incident import Incident
from watchtower.nouns.retraining import Retraining
from watchtower.nouns.written import Duration, PathText


class Webhook(Notifier):
    """Posts `{version, incident, revision, since, model, state, severity, opened, closed, alerts, title, news}` once per telling.

    *news* are the timeline's entries since the last delivery, each `{at, what, text}`. The header `Idempotency-Key` is
    `<incident>-<revision>`: a delivery may come twice, with the same key. With a secret, `X-Watchtower-Signature` is `sha256=` and the
    hexadecimal HMAC of the body.

    As a model's `retrain:` it posts `{version, action, incident, model, live, at, title, reasons, alerts, trials, features, reference, incident_path,
    report_path}`, with `action: retrain` and the incident's id as `Idempotency-Key`.
    """

    url: SecretStr
    """http:// or https://; only its host is ever told, since paths often hold a token."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers, such as Authorization."""
    secret: SecretStr | None = None
    """Signs the body (or `secret_file`)."""
    secret_file: PathText | None = None
    """A file with the secret; read again when it changes."""
    time_limit: Duration = timedelta(seconds=10)
    """How long an answer may take."""

    @field_validator("url")
    @classmethod
    def _http(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("http://", "https://")):
            msg = "an address begins with http:// or https://"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret is not None and self.secret_file is not None:
            msg = "secret and secret_file say the same: give one"
            raise ValueError(msg)
        return self

    def open(self) -> NotifierSession:
        """Prepares to post; connects at each delivery."""
        return WebhookSession(self)


class WebhookSession:
    """Posts; holds no connection."""

    def __init__(self, settings: Webhook) -> None:
        given, file = settings.secret, settings.secret_file
        self._settings = settings
        self._secret = Secret(given.get_secret_value() if given else None, Path(file) if file else None) if given or file else None

    def deliver(self, incident: Incident, since: int, receipt: Receipt | None) -> Receipt:
        """One POST with what is new; DeliveryError where it was not taken."""
        self._post(f"{incident.id}-{incident.revision}", wording.body(incident, since, wording.news(incident, receipt)))
        return wording.receipt(incident)

    def retrain(self, asked: Retraining) -> None:
        """One POST; DeliveryError where it was not taken."""
        self._post(asked.incident, retraining.body(asked))

    def close(self) -> None:
        """Holds nothing open."""

    def _post(self, key: str, told: Mapping[str, object]) -> None:
        url = self._settings.url.get_secret_value()
        body = json.dumps(told, ensure_ascii=False).encode()
        try:
            answer = http.post(url, body, self._headers(key, body), seconds=self._settings.time_limit.total_seconds())
        except Unavailable as away:
            msg = f"webhook: {away}"
            raise DeliveryError(msg, retryable=True) from None
        if not codes.is_fine(answer.status):
            who = f"webhook {http.origin(url)}"
            raise codes.refusal(who, answer.status, answer.headers)

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        own = {"Content-Type": "application/json", "User-Agent": "watchtower", "Idempotency-Key": key}
        if self._secret is not None:
            own["X-Watchtower-Signature"] = "sha256=" + hmac.new(self._secret.get().encode(), body, hashlib.sha256).hexdigest()
        return own | {name: value.get_secret_value() for name, value in self._settings.headers.items()}
