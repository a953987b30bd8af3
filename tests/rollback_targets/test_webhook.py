"""The webhook target: what it posts, what it takes for an answer, and what it never sends twice."""

import base64
import hashlib
import hmac
import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.rollback_targets.far_end_webhook import Served, Switchboard
from tests.rollback_targets.far_ends import SECRET
from watchtower.edges.clock import ManualClock
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import _webhook_far as far
from watchtower.rollback_targets import webhook
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets.webhook import Webhook, WebhookSession


@pytest.fixture
def board() -> Iterator[Switchboard]:
    made = Switchboard()
    with Served(made):
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (far, webhook):
        monkeypatch.setattr(module, "FIRST_PAUSE", 0.02)


def session(board: Switchboard, **more: Any) -> WebhookSession:
    fields = {"url": f"{board.url}/switch", "current_url": f"{board.url}/current", "secret": board.secret, "time_limit": "3s"}
    return Webhook.model_validate({**fields, **more}).open_for("fraud")


def bodies(board: Switchboard) -> list[Any]:
    return [json.loads(body) for _, body in board.posts]


def test_it_posts_the_documented_body(board: Switchboard) -> None:
    session(board).switch_to("1", expected="2", token="r1", key="plan-7")  # noqa: S106  no secret
    (body,) = bodies(board)
    assert datetime.now(UTC).timestamp() - datetime.fromisoformat(body.pop("time")).timestamp() < 60
    assert body == {"action": "switch", "model": "fraud", "live": "2", "candidate": "1", "token": "r1", "key": "plan-7"}
    headers = board.posts[0][0]
    assert (headers["idempotency-key"], headers["content-type"]) == ("plan-7-switch", "application/json")
    assert "if-match" not in headers


@pytest.mark.parametrize("secret", [SECRET, "whsec_" + base64.b64encode(b"\x00key\xff").decode()])
def test_it_signs_as_standard_webhooks_say(secret: str) -> None:
    clock = ManualClock(datetime(2026, 11, 20, 10, tzinfo=UTC))
    settings = Webhook.model_validate({"url": "http://a", "current_url": "http://a", "secret": secret})
    signed = WebhookSession(settings, "fraud", clock)._far._signed("plan-7-switch", b'{"a":1}')
    key = b"\x00key\xff" if secret.startswith("whsec_") else secret.encode()
    expected = hmac.new(key, b'plan-7-switch.1795168800.{"a":1}', hashlib.sha256).digest()
    assert signed == {
        "webhook-id": "plan-7-switch",
        "webhook-timestamp": "1795168800",
        "webhook-signature": f"v1,{base64.b64encode(expected).decode()}",
    }


def test_a_secret_in_a_file_is_read_again_when_it_changes(board: Switchboard, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    opened = session(board, secret=None, secret_file=str(tmp_path / "secret"))
    assert opened.current() == "2"
    board.secret = "another secret"  # noqa: S105  of this test
    (tmp_path / "secret").write_text("another secret\n")
    assert opened.current() == "2"
    (tmp_path / "secret").unlink()
    with pytest.raises(RollbackError, match="the secret's file .* cannot be read".replace(".*", f"{tmp_path / 'secret'}")):
        opened.current()


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_what_may_pass_is_tried_again_with_the_same_key_and_body(board: Switchboard, status: int) -> None:
    board.script = [(status, {}, False), (status, {}, False)]
    switch = session(board).switch_to("1", expected="2", key="plan-7")
    assert (board.live, board.revision) == ("1", 2)
    assert len({body for _, body in board.posts}) == 1
    assert [headers["idempotency-key"] for headers, _ in board.posts] == ["plan-7-switch"] * 3
    assert (switch.detail["tries"], switch.detail["status"]) == (3, 200)


def test_without_a_key_each_call_has_one_of_its_own(board: Switchboard) -> None:
    board.script = [(503, {}, False)]
    opened = session(board)
    opened.switch_to("1", expected="2")
    opened.switch_to("2", expected="1")
    first, again, second = (headers["idempotency-key"] for headers, _ in board.posts)
    assert first == again
    assert first != second


@pytest.mark.parametrize("status", [0, 500, 504])
def test_an_answer_that_was_lost_is_looked_for_and_nothing_is_sent_again(board: Switchboard, status: int) -> None:
    board.script = [(status, {}, True)]
    switch = session(board).switch_to("1", expected="2", key="plan-7")
    assert (switch.changed, switch.after, board.live, board.revision, len(board.posts)) == (True, "1", "1", 2, 1)


def test_a_wait_that_is_asked_for_is_kept_or_the_limit_ends_it(board: Switchboard) -> None:
    board.script = [(503, {"Retry-After": "1"}, False)]
    began = time.monotonic()
    assert session(board).switch_to("1", expected="2").changed
    assert time.monotonic() - began >= 1
    board.script = [(429, {"Retry-After": "60"}, False)]
    with pytest.raises(RollbackError, match=r"answered 429: not now \(tried 1 times within 3 s\)"):
        session(board).switch_to("2", expected="1")


@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_means_that_somebody_else_switched(board: Switchboard, status: int) -> None:
    board.script = [(status, {}, False)]
    with pytest.raises(Moved, match=f"answered {status} \\(not now\\): nothing was switched"):
        session(board).switch_to("1", expected="2")
    assert len(board.posts) == 1


def test_a_conflict_that_our_own_earlier_try_made_is_none(board: Switchboard) -> None:
    board.script = [(500, {}, True), (409, {}, False)]
    board.late = 1
    switch = session(board).switch_to("1", expected="2", key="plan-7")
    assert (switch.after, board.live, board.revision, switch.detail["status"]) == ("1", "1", 2, 409)


def test_somebody_who_switches_between_two_tries_is_seen(board: Switchboard) -> None:
    board.script, board.after_post = [(503, {}, False)], lambda: board.set("3")
    with pytest.raises(Moved, match="names 3, not 2"):
        session(board).switch_to("1", expected="2")
    assert len(board.posts) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_every_other_refusal_is_final(board: Switchboard, status: int) -> None:
    board.script = [(status, {}, False)]
    with pytest.raises(RollbackError, match=f"answered {status}: not now") as refused:
        session(board).switch_to("1", expected="2")
    assert not isinstance(refused.value, Moved)
    assert len(board.posts) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(board: Switchboard, status: int) -> None:
    elsewhere = Switchboard()
    with Served(elsewhere):
        board.script = [(status, {"Location": f"{elsewhere.url}/switch"}, False)]
        with pytest.raises(RollbackError, match=f"answered {status}: a redirect, and none is followed"):
            session(board).switch_to("1", expected="2")
        assert elsewhere.posts == []


def test_if_match_is_sent_where_the_far_end_honours_it(board: Switchboard) -> None:
    def away_and_back() -> None:
        board.set("3")
        board.set("2")

    board.after_look = away_and_back
    with pytest.raises(Moved, match=r"answered 412 \(it is r3 now\)"):
        session(board, if_match=True).switch_to("1", expected="2", token="r1")  # noqa: S106  no secret
    assert board.posts[0][0]["if-match"] == '"r1"'
    assert board.live == "2"


def test_if_match_without_a_token_switches_nothing(board: Switchboard) -> None:
    board.shape = lambda version, _: json.dumps({"version": version, "token": ""}).encode()
    with pytest.raises(RollbackError, match="if_match is set, but current_url gives no token: nothing was switched"):
        session(board, if_match=True).switch_to("1", expected="2")
    assert "gives no token" in session(board, if_match=True).ready("1")[0]
    assert board.posts == []


@pytest.mark.parametrize("token", ["r 1", "r\n1", 'r"1', "первый"])
def test_a_token_that_no_header_can_hold_switches_nothing(board: Switchboard, token: str) -> None:
    board.shape = lambda version, _: json.dumps({"version": version, "token": token}).encode()
    with pytest.raises(RollbackError, match="the token that current_url gives cannot stand in a header: nothing was switched"):
        session(board, if_match=True).switch_to("1", expected="2")
    assert board.posts == []


def test_a_model_of_any_name_has_keys_that_headers_can_hold(board: Switchboard) -> None:
    board.script = [(503, {}, False)]
    session(board).switch_to("1", expected="2", key="模型-20261120T100000/forward")
    assert {headers["idempotency-key"] for headers, _ in board.posts} == {"%E6%A8%A1%E5%9E%8B-20261120T100000/forward-switch"}
    assert bodies(board)[0]["key"] == "模型-20261120T100000/forward"


def test_an_accepted_switch_is_waited_for(board: Switchboard) -> None:
    board.script, board.late = [(202, {}, True)], 3
    assert session(board).switch_to("1", expected="2").detail["status"] == 202
    assert board.late == 0


def test_a_switch_that_never_shows_is_a_failure(board: Switchboard) -> None:
    board.script = [(202, {}, False)]
    with pytest.raises(RollbackError, match="took the switch, but after 1 s names 2 and not 1"):
        session(board, time_limit="1s").switch_to("1", expected="2")


@pytest.mark.parametrize(
    ("shape", "fields", "state"),
    [
        (b'{"version": "2", "token": "t"}', {}, ("2", "t")),
        (b'{"version": 2, "token": 7}', {}, ("2", "7")),
        (b'{"version": null}', {}, (None, '"e1"')),
        (b'{"status": {"live": [{"v": "2"}]}, "meta": {"rev": "9"}}', {"version_field": "status.live.0.v", "token_field": "meta.rev"}, ("2", "9")),
    ],
)
def test_what_current_url_says_is_found_by_its_fields(board: Switchboard, shape: bytes, fields: dict[str, str], state: tuple[str | None, str]) -> None:
    board.shape = lambda _version, _token: shape
    found = session(board, **fields).state()
    assert (found.version, found.token) == state


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (b"<html>", "answered no JSON"),
        (b"[" * 100_000, "answered no JSON"),
        (b'{"live": "2"}', "JSON without a version in version"),
        (b'{"version": {"name": "2"}}', "JSON without a version in version"),
        (b'{"version": true}', "JSON without a version in version"),
        (b'"' + b"x" * 1_000_001 + b'"', "answered more than 1,000,000 bytes"),
    ],
)
def test_what_names_no_version_is_an_error(board: Switchboard, shape: bytes, why: str) -> None:
    board.shape = lambda _version, _token: shape
    with pytest.raises(RollbackError, match=why):
        session(board, time_limit="600ms").current()


def test_nobody_there_is_an_error_within_the_limit() -> None:
    began = time.monotonic()
    with pytest.raises(RollbackError, match=r"http://127\.0\.0\.1:9 did not answer: Connection refused"):
        session(Switchboard(url="http://127.0.0.1:9"), time_limit="500ms").switch_to("1", expected="2")
    assert time.monotonic() - began < 3


def test_a_dry_run_posts_only_where_the_far_end_knows_it(board: Switchboard) -> None:
    assert session(board).switch_to("1", expected="2", dry_run=True).changed
    assert board.posts == []
    assert session(board, knows=["dry_run"]).switch_to("1", expected="2", key="p", dry_run=True).dry_run
    assert (bodies(board)[0]["action"], board.posts[0][0]["idempotency-key"], board.revision) == ("dry_run", "p-dry_run", 1)
    with pytest.raises(RollbackError, match="answered 422: there is no version 9"):
        session(board, knows=["dry_run"]).switch_to("9", expected="2", dry_run=True)


def test_it_aborts_canaries_only_where_the_far_end_knows_how(board: Switchboard) -> None:
    with pytest.raises(RollbackError, match="knows no abort: canary 3 goes on"):
        session(board).abort("3", stable="2")
    opened = session(board, knows=["abort"])
    assert opened.abort("3", stable="2", key="p", dry_run=True).dry_run
    assert board.posts == []
    assert opened.abort("3", stable="2", key="p").changed
    assert opened.abort("3", stable="2", key="p").changed
    assert board.aborted == ["3"]
    body = bodies(board)[0]
    assert body.pop("time")
    assert body == {"action": "abort", "model": "fraud", "canary": "3", "stable": "2", "key": "p"}


def test_what_it_can_do_is_what_its_settings_say() -> None:
    plain = Webhook.model_validate({"url": "https://a/b", "current_url": "https://a/c"})
    able = Webhook.model_validate({"url": "https://a/b", "current_url": "https://a/c", "if_match": True, "knows": ["abort"]})
    assert [(each.compare_and_set, each.aborts_canaries) for each in (plain, able)] == [(False, False), (True, True)]


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({"url": "http://deploy.internal/s", "current_url": "https://deploy.internal/c", "secret": "x"}, ["url"]),
        ({"url": "http://127.0.0.1:1/s", "current_url": "http://localhost/c", "secret": "x"}, []),
        ({"url": "http://[::1]:1/s", "current_url": "http://10.0.0.1/c", "headers": {"Authorization": "x"}}, ["current_url"]),
        ({"url": "https://a/s", "current_url": "https://a/c"}, [""]),
    ],
)
def test_plain_http_beyond_loopback_and_unsigned_calls_are_cautioned_of(fields: dict[str, Any], keys: list[str]) -> None:
    assert [each.key for each in Webhook.model_validate(fields).cautions()] == keys


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://a/b"},
        {"url": "http://"},
        {"url": "http://a:99999/"},
        {"secret": "a", "secret_file": "b"},
        {"secret": "whsec_no base64"},
        {"knows": ["switch"]},
        {"time_limit": "0s"},
        {"current_url": None},
    ],
)
def test_settings_that_cannot_work_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Webhook.model_validate({"url": "http://a", "current_url": "http://a", **fields})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signed itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not there")
    at = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=watchtower-test", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", *names]
    subprocess.run([*made, "-keyout", str(at / "key.pem"), "-out", str(at / "cert.pem")], check=True, capture_output=True)
    return at / "cert.pem", at / "key.pem"


def test_over_tls_only_a_certificate_that_is_believed_is_spoken_to(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    board = Switchboard()
    with Served(board, context):
        assert session(board, ca_file=str(certificate[0])).switch_to("1", expected="2").after == "1"
        with pytest.raises(RollbackError, match=r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError"):
            session(board, time_limit="500ms").current()
        with pytest.raises(RollbackError, match="ca_file .*missing.pem cannot be read".replace(".*", f"{certificate[0].parent}/")):
            session(board, ca_file=str(certificate[0].parent / "missing.pem")).current()
