"""The Slack notifier against a local server that speaks Slack's Web API."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from tests.servers.slack import TOKEN, Slack, SlackServer
from watchtower.notifiers import NotifierSession, Receipt
from watchtower.notifiers import slack as kind
from watchtower.nouns.alert import AlertId
from watchtower.nouns.errors import DeliveryError
from watchtower.nouns.incident import Incident, IncidentState, Moment

AT = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
FIRES = Moment(AT, "alert", "PredictionDrift[] fires on version 2: 0.312 (p 1e-09)")
VERDICT = Moment(
    AT + timedelta(minutes=1),
    "verdict",
    "verdict accept, model regression: candidate error 0.031 < live error 0.094 (n=2,048, p=3e-09). Going back from 2 to 1",
)
CLOSED = Moment(AT + timedelta(minutes=9), "closed", "closed: nothing fired for 5 evaluations")
INCIDENT = Incident("i1", "fraud", AT, severity="page", alerts=(AlertId("PredictionDrift", "fraud", "", ""),), notify=("ml_oncall",), timeline=(FIRES,))


@pytest.fixture
def slack() -> Iterator[Slack]:
    with SlackServer() as server:
        yield server.slack


def opened(slack: Slack, **fields: object) -> NotifierSession:
    return kind.Slack.model_validate({"channel": "#ml-oncall", "token": TOKEN, "base_url": slack.url, "time_limit": timedelta(seconds=5), **fields}).open()


def grown(*moments: Moment, **changes: object) -> Incident:
    return replace(INCIDENT, timeline=(*INCIDENT.timeline, *moments), revision=1 + len(moments), **changes)  # type: ignore[arg-type]


def written(message: dict[str, object]) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


def test_the_first_message_says_what_happened_with_numbers(slack: Slack) -> None:
    receipt = opened(slack).deliver(INCIDENT, 0, None)
    (posted,) = slack.messages()
    assert receipt == Receipt({"channel": "C0ONCALL", "ts": posted.ts, "entries": "1"})
    assert posted.message["channel"] == "#ml-oncall"
    assert "PAGE fraud: PredictionDrift (open)" in written(posted.message)
    assert "10:05:00Z PredictionDrift[] fires on version 2: 0.312 (p 1e-09)" in written(posted.message)
    assert "incident i1, opened 2026-11-20T10:05:00Z" in written(posted.message)
    assert "PredictionDrift[] fires on version 2" in str(posted.message["text"])


def test_what_follows_is_told_in_the_thread_and_only_once(slack: Slack) -> None:
    session = opened(slack)
    receipt = session.deliver(INCIDENT, 0, None)
    receipt = session.deliver(grown(VERDICT), 1, receipt)
    again = session.deliver(grown(VERDICT), 2, receipt)
    first, reply = slack.messages()
    assert reply.message["thread_ts"] == first.ts
    assert "candidate error 0.031 &lt; live error 0.094 (n=2,048, p=3e-09). Going back from 2 to 1" in written(reply.message)
    assert "fires on version 2" not in written(reply.message)
    assert again == receipt


def test_a_closed_incident_is_marked_in_its_first_message(slack: Slack) -> None:
    session = opened(slack)
    receipt = session.deliver(INCIDENT, 0, None)
    session.deliver(grown(CLOSED, state=IncidentState.CLOSED, closed_at=CLOSED.at), 1, receipt)
    first, mark, reply = slack.messages()
    assert (mark.method, mark.message["ts"]) == ("chat.update", first.ts)
    assert "(closed)" in written(mark.message)
    assert "nothing fired for 5 evaluations" in written(reply.message)


def test_a_first_message_that_is_gone_does_not_keep_the_thread_from_being_told(slack: Slack) -> None:
    session = opened(slack)
    receipt = session.deliver(INCIDENT, 0, None)
    slack.fail(404)
    session.deliver(grown(CLOSED, state=IncidentState.CLOSED, closed_at=CLOSED.at), 1, receipt)
    assert [each.method for each in slack.messages()] == ["chat.postMessage", "chat.postMessage"]


def test_a_name_cannot_mention_a_channel(slack: Slack) -> None:
    bad = replace(INCIDENT, timeline=(Moment(AT, "alert", "Drift[<!channel> & <@U1>] fires"),))
    opened(slack).deliver(bad, 0, None)
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in written(slack.messages()[0].message)
    assert "<!channel>" not in json.dumps(slack.messages()[0].message)


def test_a_storm_is_one_message_that_slack_takes(slack: Slack) -> None:
    storm = tuple(Moment(AT, "alert", f"Drift[f{i}] fires: " + "&" * 700) for i in range(200))
    opened(slack).deliver(replace(INCIDENT, model="m" * 300, timeline=(*storm, VERDICT)), 0, None)
    (posted,) = slack.messages()
    assert "and 190 more alert changes" in written(posted.message)
    assert "Going back from 2 to 1" in written(posted.message)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ("invalid_auth", False),
        ("channel_not_found", False),
        ("account_inactive", False),
        ("ratelimited", True),
        ("internal_error", True),
        ("service_unavailable", True),
    ],
)
def test_slacks_own_words_say_whether_to_try_again(slack: Slack, error: str, retryable: bool) -> None:  # noqa: FBT001
    slack.fail(200, body=json.dumps({"ok": False, "error": error}))
    with pytest.raises(DeliveryError, match=error) as refused:
        opened(slack).deliver(INCIDENT, 0, None)
    assert refused.value.retryable is retryable


def test_a_limit_is_told_with_the_wait_that_slack_asks_for_and_is_not_retried_here(slack: Slack) -> None:
    slack.limit(after=7)
    with pytest.raises(DeliveryError) as limited:
        opened(slack).deliver(INCIDENT, 0, None)
    assert (limited.value.retryable, limited.value.after) == (True, 7.0)
    assert len(slack.received) == 1


def test_a_wrong_token_or_channel_is_refused_for_good(slack: Slack) -> None:
    for fields in ({"token": "xoxb-wrong"}, {"channel": "#nowhere"}):
        with pytest.raises(DeliveryError) as refused:
            opened(slack, **fields).deliver(INCIDENT, 0, None)
        assert not refused.value.retryable


def test_a_token_file_is_read_again_when_it_changes(slack: Slack, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("xoxb-old\n")
    session = opened(slack, token=None, token_file=str(file))
    with pytest.raises(DeliveryError, match="invalid_auth"):
        session.deliver(INCIDENT, 0, None)
    file.write_text(f"{TOKEN}\n")
    session.deliver(INCIDENT, 0, None)
    file.unlink()
    with pytest.raises(DeliveryError, match="cannot be read") as unread:
        session.deliver(INCIDENT, 0, None)
    assert unread.value.retryable


@pytest.mark.parametrize("fields", [{}, {"token": "a", "token_file": "b"}])
def test_one_of_token_and_token_file_is_needed(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="token or token_file"):
        kind.Slack.model_validate({"channel": "#x", **fields})


def test_a_token_does_not_show_in_its_settings() -> None:
    settings = kind.Slack(channel="#x", token=SecretStr("xoxb-hidden"))
    assert "hidden" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_the_local_server_runs_as_a_process_and_tells_each_call_with_its_time() -> None:
    process = subprocess.Popen([sys.executable, "-m", "tests.servers.slack"], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["listening"]
        kind.Slack(channel="#audit", token=SecretStr(TOKEN), base_url=url).open().deliver(INCIDENT, 0, None)
        told = json.loads(process.stdout.readline())
        assert (told["method"], told["message"]["channel"], told["status"], told["error"]) == ("chat.postMessage", "#audit", 200, "")
        assert told["at"] > 0
    finally:
        process.kill()
        process.communicate()
