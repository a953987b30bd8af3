"""Asking for a retraining: written with the evaluation, told once an incident, retried, and visible where it was given up."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.servers.trainer import SECRET, Pipeline, TrainerServer
from tests.workers._acting import alert, at, begin
from watchtower.notifiers.webhook import Webhook
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.retraining import Retraining
from watchtower.nouns.score import Board
from watchtower.nouns.window import Window
from watchtower.store import Store
from watchtower.workers.outbox import Outbox

ASKED = Retraining("fraud-i1", "fraud", at(1), "2", ("PredictionDrift[] fires",), (alert(),))


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=lambda: at(0))
    begin(opened)
    Outbox(opened, {}).step(at(0))  # the incident's own telling is out of the way: nobody is called ml_oncall
    yield opened
    opened.close()


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    with TrainerServer() as found:
        yield found


def evaluated(store: Store, minute: int, asked: Retraining | None = ASKED) -> None:
    """The window to *minute*, in which *asked* was asked for."""
    window, memory = Window(at(minute - 1), at(minute)), store.evaluations.memory("fraud")
    evaluation = Evaluation(Board("fraud", window, "2", {}), (), memory, (), retraining=asked)
    store.evaluations.commit("fraud", window, {}, evaluation, now=at(minute))


def outbox(store: Store, pipeline: Pipeline | None, heard: list[tuple[str, str]] | None = None) -> Outbox:
    session = None if pipeline is None else Webhook.model_validate({"url": pipeline.url, "secret": SECRET}).open()
    made = Outbox(store, {}, trainers=lambda model: session if model == "fraud" else None)
    if heard is not None:
        made.heard = lambda name, outcome: heard.append((name, outcome))
    return made


def ask_of(store: Store) -> list[tuple[str, str, str]]:
    return [(lag.topic, lag.notifier, lag.error) for lag in store.told.dead_letters() if lag.topic.startswith("retrain/")]


def test_it_is_told_once_an_incident_however_often_it_is_asked_for(store: Store, pipeline: Pipeline) -> None:
    heard: list[tuple[str, str]] = []
    telling = outbox(store, pipeline, heard)
    evaluated(store, 1)
    assert [telling.step(at(1)), telling.step(at(1))] == [True, False]
    evaluated(store, 2, replace(ASKED, reasons=("Slow[] fires",)))
    evaluated(store, 3, None)
    assert not telling.step(at(3))
    assert pipeline.keys() == ["fraud-i1"]
    assert heard == [("retrain/fraud", "delivered")]
    assert store.told.depth() == 0


def test_it_is_tried_again_with_the_same_body_whatever_happened_meanwhile(store: Store, pipeline: Pipeline) -> None:
    pipeline.script = [503, 500]
    heard: list[tuple[str, str]] = []
    telling = outbox(store, pipeline, heard)
    evaluated(store, 1)
    telling.step(at(1))
    evaluated(store, 2, replace(ASKED, reasons=("Slow[] fires",)))
    assert store.told.depth() == 1
    for seconds in (64, 65, 74, 75):
        telling.step(at(seconds / 60))
    assert len(pipeline.posts) == 3
    assert len({raw for _, raw in pipeline.posts}) == 1
    assert list(pipeline.trained) == ["fraud-i1"]
    assert [outcome for _, outcome in heard] == ["failed", "failed", "delivered"]


def test_a_refusal_is_given_up_stays_visible_and_is_tried_again_when_it_is_asked_for_again(store: Store, pipeline: Pipeline) -> None:
    pipeline.script = [404]
    telling = outbox(store, pipeline)
    evaluated(store, 1)
    telling.step(at(1))
    ((topic, notifier, error),) = ask_of(store)
    assert (topic, notifier) == ("retrain/fraud-i1", "retrain/fraud")
    assert error.endswith("answered 404")
    evaluated(store, 2, None)
    telling.step(at(600))
    assert len(pipeline.posts) == 1
    evaluated(store, 3)
    telling.step(at(601))
    assert (list(pipeline.trained), ask_of(store)) == (["fraud-i1"], [])


def test_a_trainer_that_is_no_longer_configured_is_given_up(store: Store) -> None:
    evaluated(store, 1)
    outbox(store, None).step(at(1))
    assert ask_of(store) == [("retrain/fraud-i1", "retrain/fraud", "fraud has no retrain:")]


def test_it_is_kept_as_it_was(store: Store) -> None:
    evaluated(store, 1)
    assert store.retrainings.of("fraud-i1") == ASKED
    assert store.retrainings.of("another") is None
