"""The webhook notifier: what it posts."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.servers.web import Web
from watchtower.notifiers import webhook
from watchtower.nouns.alert import AlertId
from watchtower.nouns.errors import DeliveryError
from watchtower.nouns.incident import Incident, Moment

AT = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
INCIDENT = Incident(
    "i1", "fraud", AT, severity="page", alerts=(AlertId("Drift", "fraud", "", "amount"),), timeline=(Moment(AT, "alert", "Drift[amount] fires"),)
)


def test_it_posts_the_documented_body() -> None:
    with Web() as web:
        webhook.Webhook.model_validate({"url": f"{web.url}/hook"}).open().deliver(INCIDENT, 0, None)
    (call,) = web.calls
    assert json.loads(call.body) == {
        "version": 1,
        "incident": "i1",
        "revision": 1,
        "since": 0,
        "model": "fraud",
        "state": "open",
        "severity": "page",
        "opened": "2026-11-20T10:05:00Z",
        "closed": None,
        "alerts": [{"rule": "Drift", "version": "", "segment": "", "subject": "amount"}],
        "title": "\N{POLICE CARS REVOLVING LIGHT} PAGE fraud: Drift (open)",
        "news": [{"at": "2026-11-20T10:05:00Z", "what": "alert", "text": "Drift[amount] fires"}],
    }
    assert call.path == "/hook"
    assert call.headers["idempotency-key"] == "i1-1"
    assert call.headers["content-type"] == "application/json"


def test_the_next_post_tells_only_what_is_new() -> None:
    later = replace(INCIDENT, revision=2, timeline=(*INCIDENT.timeline, Moment(AT, "verdict", "held")))
    with Web() as web:
        session = webhook.Webhook.model_validate({"url": web.url}).open()
        session.deliver(later, 1, session.deliver(INCIDENT, 0, None))
    assert [each["text"] for each in json.loads(web.calls[1].body)["news"]] == ["held"]
    assert web.calls[1].headers["idempotency-key"] == "i1-2"


def test_delivering_twice_posts_the_same_body_under_the_same_key() -> None:
    with Web() as web:
        session = webhook.Webhook.model_validate({"url": web.url}).open()
        assert session.deliver(INCIDENT, 0, None) == session.deliver(INCIDENT, 0, None)
    assert web.calls[0].body == web.calls[1].body
    assert web.calls[0].headers["idempotency-key"] == web.calls[1].headers["idempotency-key"]


@pytest.mark.parametrize("where", ["secret", "secret_file"])
def test_with_a_secret_the_body_is_signed(tmp_path: Path, where: str) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    with Web() as web:
        fields = {"url": web.url, "headers": {"Authorization": "Bearer t"}, where: "s3cret" if where == "secret" else str(tmp_path / "secret")}
        webhook.Webhook.model_validate(fields).open().deliver(INCIDENT, 0, None)
    (call,) = web.calls
    assert call.headers["x-watchtower-signature"] == "sha256=" + hmac.new(b"s3cret", call.body, hashlib.sha256).hexdigest()
    assert call.headers["authorization"] == "Bearer t"


def test_a_redirect_is_not_followed() -> None:
    with Web((302, {"Location": "/elsewhere"})) as web:
        with pytest.raises(DeliveryError, match="302") as refused:
            webhook.Webhook.model_validate({"url": web.url}).open().deliver(INCIDENT, 0, None)
        assert len(web.calls) == 1
    assert not refused.value.retryable


@pytest.mark.parametrize("fields", [{"url": "ftp://a/b"}, {"url": "file:///etc/passwd"}, {"url": "http://a", "secret": "a", "secret_file": "b"}, {}])
def test_settings_that_cannot_work_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        webhook.Webhook.model_validate(fields)
