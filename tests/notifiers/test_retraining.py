"""What each notifier says of a retraining that is asked for."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.servers.slack import TOKEN, SlackServer
from tests.servers.trainer import SECRET, TrainerServer
from watchtower.notifiers import NotifierSession
from watchtower.notifiers import _retraining as retraining
from watchtower.notifiers.log import Log
from watchtower.notifiers.slack import Slack
from watchtower.notifiers.webhook import Webhook
from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.attribution import Attribution, Moved
from watchtower.nouns.errors import DeliveryError
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.plan import Plan
from watchtower.nouns.retraining import Retraining
from watchtower.nouns.step import Step

AT = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
MOVED = (Moved("amount", 0.42, 1e-9, 1.0, 0.7), Moved("", 0.9, 1e-9, 1.0, 0.0), Moved("age", 0.1, None, 1.0, 0.3))
AMOUNT = Alert(
    AlertId("FeatureDrift", "fraud", "country=DE", "amount"),
    "2",
    AlertState.FIRING,
    AT,
    value=0.31,
    p_value=1e-7,
    p_adjusted=1e-6,
    severity="page",
    fired_at=AT,
    attribution=Attribution(MOVED),
)
TRIAL = Plan("i1-p", "fraud", "i1", Step.HELD, "2", ("1",), AT, candidate="1", verdict=Verdict.REJECT, diagnosis=Diagnosis.DATA_DRIFT, reason="both suffer")
ASKED = Retraining("i1", "fraud", AT, "2", ("FeatureDrift[country=DE|amount] fires",), (AMOUNT,), (TRIAL,), "b1", AT)


def posting(url: str) -> NotifierSession:
    return Webhook.model_validate({"url": url, "secret": SECRET}).open()


def test_a_webhook_posts_the_documented_body_under_the_incidents_id() -> None:
    with TrainerServer() as pipeline:
        posting(pipeline.url).retrain(ASKED)
    assert list(pipeline.trained) == ["i1"]
    assert pipeline.bodies() == [
        {
            "version": 1,
            "action": "retrain",
            "incident": "i1",
            "model": "fraud",
            "live": "2",
            "at": "2026-11-20T10:05:00Z",
            "title": "Retrain fraud: FeatureDrift[country=DE|amount] fires",
            "reasons": ["FeatureDrift[country=DE|amount] fires"],
            "alerts": [
                {
                    "rule": "FeatureDrift",
                    "version": "2",
                    "segment": "country=DE",
                    "subject": "amount",
                    "severity": "page",
                    "fired": "2026-11-20T10:05:00Z",
                    "value": 0.31,
                    "p_value": 1e-6,
                }
            ],
            "trials": [
                {
                    "plan": "i1-p",
                    "step": "held",
                    "live": "2",
                    "candidate": "1",
                    "verdict": "reject",
                    "diagnosis": "data_drift",
                    "reason": "both suffer",
                }
            ],
            "features": [
                {"feature": "amount", "distance": 0.42, "p_value": 1e-9, "share": 0.7},
                {"feature": "age", "distance": 0.1, "p_value": None, "share": 0.3},
            ],
            "reference": {"id": "b1", "since": "2026-11-20T10:05:00Z"},
            "incident_path": "/api/v1/incidents/i1",
            "report_path": "/incidents/i1/report",
        }
    ]


def test_asked_twice_the_body_is_the_same_and_the_pipeline_trains_once() -> None:
    with TrainerServer() as pipeline:
        for _ in range(2):
            posting(pipeline.url).retrain(ASKED)
    assert (len(pipeline.posts), len(pipeline.trained)) == (2, 1)


def test_a_feature_that_moved_by_two_alerts_is_told_once_with_the_larger_distance() -> None:
    other = replace(AMOUNT, attribution=Attribution((Moved("amount", 0.5, None, 1.0, 0.2),)))
    found = retraining.drifted(replace(ASKED, alerts=(AMOUNT, other, replace(AMOUNT, attribution=None))))
    assert [(each.subject, each.value) for each in found] == [("amount", 0.5), ("age", 0.1)]


def test_a_trial_that_goes_on_has_no_verdict_and_no_reference_is_null() -> None:
    body = retraining.body(replace(ASKED, trials=(replace(TRIAL, step=Step.ON_TRIAL, verdict=None, diagnosis=None, reason=""),), reference=""))
    assert body["trials"] == [{"plan": "i1-p", "step": "on_trial", "live": "2", "candidate": "1", "verdict": None, "diagnosis": None, "reason": ""}]
    assert body["reference"] is None


@pytest.mark.parametrize(("status", "retryable"), [(503, True), (429, True), (404, False), (422, False)])
def test_what_is_not_taken_says_whether_to_try_again(status: int, *, retryable: bool) -> None:
    with TrainerServer() as pipeline:
        pipeline.script = [status]
        with pytest.raises(DeliveryError, match=f"answered {status}") as refused:
            posting(pipeline.url).retrain(ASKED)
    assert refused.value.retryable is retryable


def test_slack_gets_one_message_with_why_the_verdict_and_what_moved() -> None:
    with SlackServer() as server:
        Slack.model_validate({"channel": "#ml-oncall", "token": TOKEN, "base_url": server.slack.url}).open().retrain(
            replace(ASKED, reasons=("FeatureDrift[<!channel>] fires", "Slow[] fires"))
        )
        (posted,) = server.slack.messages()
    written = json.dumps(posted.message["blocks"], ensure_ascii=False)
    for each in ("Retrain fraud: ", "and 1 more", "trial i1-p: reject, data_drift: both suffer", "amount (0.42), age (0.1)", "incident i1", "&lt;!channel&gt;"):
        assert each in written
    assert "<!channel>" not in str(posted.message["text"])
    assert "thread_ts" not in posted.message


def test_the_log_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Log().open().retrain(ASKED)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line) == {"event": "retraining_asked", **retraining.body(ASKED)}
