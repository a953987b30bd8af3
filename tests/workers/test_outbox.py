"""Telling: retries, giving up, dead letters."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

from tests.servers.slack import TOKEN, SlackServer
from tests.workers import _acting
from tests.workers._acting import at, begin
from watchtower.core.incidents import noted
from watchtower.notifiers import Receipt
from watchtower.notifiers.slack import Slack
from watchtower.nouns.batch import Reason, Rejection
from watchtower.nouns.errors import DeliveryError, Unavailable
from watchtower.nouns.incident import Incident
from watchtower.nouns.profile import Delta, Totals
from watchtower.nouns.retraining import Retraining
from watchtower.nouns.window import Partition, Progress
from watchtower.store import Store
from watchtower.workers.outbox import Outbox, backoff


@dataclass
class Session:
    """Takes tellings, or refuses those that *script* says."""

    script: list[DeliveryError | None] = field(default_factory=list)
    told: list[tuple[int, int, Receipt | None]] = field(default_factory=list)
    tries: int = 0

    def deliver(self, incident: Incident, since: int, receipt: Receipt | None) -> Receipt:
        self.tries += 1
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        self.told.append((incident.revision, since, receipt))
        return Receipt({"n": str(len(self.told))})

    def retrain(self, asked: Retraining) -> None:
        pytest.fail(f"nobody asked for {asked}")

    def close(self) -> None:
        """Holds nothing."""


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=lambda: at(0))
    begin(opened)
    yield opened
    opened.close()


def away(after: float | None = None) -> DeliveryError:
    return DeliveryError("slack did not answer: timed out", retryable=True, after=after)


def grow(store: Store, minute: int) -> None:
    memory = store.evaluations.memory("fraud")
    assert memory.incident is not None
    _acting.commit(store, replace(memory, incident=noted(memory.incident, at(minute), "note", f"minute {minute}")), minute)


def test_an_incident_is_told_once_per_revision_with_the_last_receipt(store: Store) -> None:
    session = Session()
    outbox = Outbox(store, {"ml_oncall": session})
    assert [outbox.step(at(0)), outbox.step(at(0))] == [True, False]
    grow(store, 1)
    grow(store, 2)
    assert [outbox.step(at(2)), outbox.step(at(2))] == [True, False]
    assert [(revision, since) for revision, since, _ in session.told] == [(1, 0), (3, 1)]
    assert [receipt for _, _, receipt in session.told] == [None, Receipt({"n": "1"})]


@pytest.mark.parametrize(
    ("attempts", "asked", "seconds"),
    [(0, None, 5), (1, None, 10), (5, None, 160), (6, None, 300), (5000, None, 300), (0, 30.0, 30), (0, 1.0, 5), (9, 900.0, 900)],
)
def test_the_wait_doubles_to_five_minutes_and_honours_what_is_asked(attempts: int, asked: float | None, seconds: float) -> None:
    assert backoff(attempts, asked) == timedelta(seconds=seconds)


def test_what_did_not_arrive_is_tried_again_when_it_is_due(store: Store) -> None:
    session = Session([away(), away(after=60)])
    heard: list[tuple[str, str]] = []
    outbox = Outbox(store, {"ml_oncall": session}, heard=lambda name, outcome: heard.append((name, outcome)))
    tries = []
    for seconds in (0, 4, 5, 64, 65, 66):
        outbox.step(at(seconds / 60))
        tries.append(session.tries)
    assert tries == [1, 1, 2, 2, 3, 3]
    assert [outcome for _, outcome in heard] == ["failed", "failed", "delivered"]


def test_a_refusal_is_given_up_at_once_and_stays_visible_until_there_is_something_new(store: Store) -> None:
    session = Session([DeliveryError("slack refused: channel_not_found", retryable=False)])
    outbox = Outbox(store, {"ml_oncall": session})
    outbox.step(at(0))
    assert [(lag.notifier, lag.error) for lag in store.told.dead_letters()] == [("ml_oncall", "slack refused: channel_not_found")]
    assert not outbox.step(at(600))
    grow(store, 601)
    assert outbox.step(at(601))
    assert [(revision, since) for revision, since, _ in session.told] == [(2, 0)]


def test_a_day_of_failing_is_given_up_but_not_a_day_of_being_down(store: Store) -> None:
    session = Session([away() for _ in range(5)])
    outbox = Outbox(store, {"ml_oncall": session})
    now: datetime = at(25 * 60)
    for attempt in range(5):
        assert not store.told.dead_letters(), f"after {attempt} attempts"
        outbox.step(now + attempt * timedelta(minutes=6))
    assert [lag.attempts for lag in store.told.dead_letters()] == [5]


def test_one_notifier_that_is_away_does_not_keep_another_from_being_told(store: Store) -> None:
    memory = store.evaluations.memory("fraud")
    assert memory.incident is not None
    both = replace(memory.incident, revision=2, notify=("ml_oncall", "audit"))
    _acting.commit(store, replace(memory, incident=both), 1)
    fine = Session()
    Outbox(store, {"ml_oncall": Session([away()]), "audit": fine}).step(at(1))
    assert len(fine.told) == 1


def test_a_notifier_that_is_no_longer_configured_is_given_up(store: Store) -> None:
    Outbox(store, {}).step(at(0))
    assert [lag.error for lag in store.told.dead_letters()] == ["no notifier is called ml_oncall"]


def test_slack_that_limits_and_then_takes_it_gets_one_message_and_a_thread(store: Store) -> None:
    with SlackServer() as server:
        session = Slack(channel="#ml-oncall", token=SecretStr(TOKEN), base_url=server.url).open()
        outbox = Outbox(store, {"ml_oncall": session})
        server.slack.limit(after=20)
        for seconds in (0, 5, 19, 20):
            outbox.step(at(seconds / 60))
        assert [each.status for each in server.slack.received] == [429, 200]
        grow(store, 1)
        outbox.step(at(1))
        first, reply = server.slack.messages()
        assert reply.message["thread_ts"] == first.ts
        assert "minute 1" in json.dumps(reply.message["blocks"])


@dataclass
class Writer:
    """Where letters go; *away* calls fail first."""

    away: int = 0
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def send(self, letters: Sequence[tuple[str, bytes]]) -> None:
        if self.away:
            self.away -= 1
            msg = "the broker is away"
            raise Unavailable(msg)
        self.sent += letters


def reject(store: Store, topic: str = "predictions", position: int = 7) -> None:
    partition = Partition(topic)
    rejected = (Rejection(partition, position, Reason.NOT_JSON, 0, b"oops"),)
    delta = Delta({}, {}, {("fraud", "2"): Totals()}, rejected, {partition: (None, Progress(position + 1))}, None)
    store.intake.checkpoint(delta, keep_original=False)


def test_dead_letters_are_sent_and_then_wait_no_longer(store: Store) -> None:
    reject(store)
    writer = Writer()
    outbox = Outbox(store, {"ml_oncall": Session()}, {"predictions": writer})
    outbox.step(at(0))
    outbox.step(at(0))
    assert [key for key, _ in writer.sent] == ["predictions/0/7"]
    assert json.loads(writer.sent[0][1])["reason"] == "not_json"
    assert store.intake.dead_letters.waiting(10) == []


def test_dead_letters_wait_for_their_writer_and_hold_up_nothing(store: Store) -> None:
    reject(store)
    session, writer = Session(), Writer(away=2)
    outbox = Outbox(store, {"ml_oncall": session}, {"predictions": writer})
    left = []
    for seconds in (0, 4, 5, 14, 15):
        outbox.step(at(seconds / 60))
        left.append(len(store.intake.dead_letters.waiting(10)))
    assert left == [1, 1, 1, 1, 0]
    assert len(session.told) == 1


def test_dead_letters_without_a_writer_stay_in_the_store(store: Store) -> None:
    reject(store, "other")
    Outbox(store, {"ml_oncall": Session()}, {"predictions": Writer()}).step(at(0))
    Outbox(store, {"ml_oncall": Session()}).step(at(0))
    assert [letter.topic for letter in store.intake.dead_letters.waiting(10)] == ["other"]


def test_dead_letters_of_a_source_without_a_writer_do_not_stand_in_the_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchtower.workers.outbox.AT_ONCE", 1)
    reject(store, "log.jsonl")
    reject(store, "predictions")
    writer = Writer()
    Outbox(store, {}, {"predictions": writer}).step(at(0))
    assert [key for key, _ in writer.sent] == ["predictions/0/7"]
