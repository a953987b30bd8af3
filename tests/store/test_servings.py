"""Which version served when: recorded with the evaluation that shows it, and told where nobody explains it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.workers._acting import at
from watchtower.nouns.facts import Fact, Fired, Serving, Switched
from watchtower.nouns.incident import Incident, IncidentState
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.score import Board
from watchtower.nouns.step import Step
from watchtower.nouns.window import Window
from watchtower.store import Store
from watchtower.store.servings import Announced

PLAN = Plan("p1", "fraud", "i1", Step.SWITCHING, "7", ("6",), at(0), candidate="6", target="directory")
FIRED = Fired("fraud", "7", (), at(0), ("6",), rollback=True, dry_run=False)


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=lambda: at(0))
    opened.evaluations.hearers = ("oncall",)
    yield opened
    opened.close()


def evaluate(store: Store, minute: int, live: str, *, shares: dict[str, float] | None = None, facts: tuple[Fact, ...] = (), **changes: object) -> None:
    """The window to *minute*, in which *live* is."""
    memory = store.evaluations.memory("fraud")
    window = Window(at(minute - 1), at(minute))
    since = memory.served.live_since if memory.served.live == live else window.start
    memory = replace(memory, served=replace(memory.served, live=live, live_since=since), **changes)  # type: ignore[arg-type]
    board = Board("fraud", window, live, {}, shares or {live: 1.0})
    store.evaluations.commit("fraud", window, {}, Evaluation(board, (), replace(memory, evaluated_through=window.end), (), facts), now=at(minute))


def told(store: Store) -> list[tuple[str, str]]:
    """Whom each incident is of, and the last line of its timeline."""
    return [(row.incident.model, row.incident.timeline[-1].text) for row in store.plans.incidents() if row.incident.timeline]


def how(store: Store) -> list[tuple[str, str, str | None]]:
    return [(str(each["version"]), str(each["how"]), each["until"] and str(each["until"])) for each in reversed(store.servings.listed("fraud"))]  # type: ignore[misc]


def test_each_change_is_a_stretch_and_the_first_version_is_no_news(store: Store) -> None:
    for minute in (1, 2, 3):
        evaluate(store, minute, "7" if minute < 3 else "8")
    assert how(store) == [("7", "first", "2026-11-20T10:02:00Z"), ("8", "person", None)]
    assert told(store) == [("watchtower", "fraud: version 8 was deployed; it serves instead of version 7, and it was not announced")]
    assert [(lag.notifier, lag.incident.state) for lag in store.told.lagging(at(3))] == [("oncall", IncidentState.CLOSED)]
    assert store.status()["servings"] == store.servings.listed()


def test_going_back_by_hand_is_told_on_the_open_incident_where_there_is_one(store: Store) -> None:
    incident = Incident("i1", "fraud", at(0), notify=("oncall",))
    evaluate(store, 1, "6")
    evaluate(store, 2, "7", incident=incident)
    evaluate(store, 3, "6")
    assert [row.incident.id for row in store.plans.incidents()] == ["i1"]
    assert [moment.text for moment in store.evaluations.memory("fraud").incident.timeline] == [  # type: ignore[union-attr]
        "fraud: version 7 was deployed; it serves instead of version 6, and it was not announced",
        "fraud: somebody went back to version 6 by hand; it serves instead of version 7, and it was not announced",
    ]


def test_what_watchtower_switched_is_its_own_doing(store: Store) -> None:
    evaluate(store, 1, "7", incident=Incident("i1", "fraud", at(0)))
    evaluate(store, 2, "7", plan=replace(PLAN, revision=1), facts=(FIRED,))
    plan = store.plans.plan("p1")
    store.plans.record(plan, Switched("directory", "7", "6"), Move(replace(plan, step=Step.VERIFYING)), at(2.5))
    evaluate(store, 3, "6")
    assert how(store)[-1] == ("6", "watchtower", None)
    assert store.servings.listed()[0]["plan"] == "p1"
    assert [each for each in told(store) if each[0] == "watchtower"] == []


def test_a_switch_that_the_traffic_shows_before_its_answer_is_recorded_is_its_own_doing_too(store: Store) -> None:
    evaluate(store, 1, "7", incident=Incident("i1", "fraud", at(0)))
    evaluate(store, 2, "7", plan=replace(PLAN, revision=1), facts=(FIRED,))
    evaluate(store, 3, "6")
    assert how(store)[-1] == ("6", "watchtower", None)


def test_a_dry_run_switched_nothing(store: Store) -> None:
    evaluate(store, 1, "7", incident=Incident("i1", "fraud", at(0), state=IncidentState.CLOSED))
    evaluate(store, 2, "7", plan=replace(PLAN, revision=1), facts=(FIRED,))
    plan = store.plans.plan("p1")
    store.plans.record(plan, Switched("directory", "7", "6", dry_run=True), Move(replace(plan, step=Step.HELD)), at(2.5))
    evaluate(store, 3, "6")
    assert how(store)[-1] == ("6", "person", None)


def test_an_announced_change_is_recorded_with_who_and_told_to_nobody(store: Store) -> None:
    evaluate(store, 1, "7")
    store.servings.announce(Announced("fraud", "8", "ann", at(2), "retrained on May", "api 10.0.0.1"), at(1))
    evaluate(store, 3, "8")
    assert told(store) == []
    newest = store.servings.listed()[0]
    assert (newest["how"], newest["by"], newest["note"]) == ("announced", "ann", "retrained on May")
    evaluate(store, 4, "7")
    evaluate(store, 5, "8")
    assert [each[1] for each in how(store)[2:]] == ["person", "person"]
    assert store.audit.newest(1)[0]["act"] == {
        "kind": "deployment_announced",
        "model": "fraud",
        "by": "ann",
        "origin": "api 10.0.0.1",
        "detail": {"version": "8", "time": "2026-11-20T10:02:00Z", "note": "retrained on May"},
    }


def test_an_announcement_of_another_version_or_of_long_ago_explains_nothing(store: Store) -> None:
    evaluate(store, 1, "7")
    store.servings.announce(Announced("fraud", "9", "ann", at(2)), at(1))
    store.servings.announce(Announced("fraud", "8", "ann", at(2) - timedelta(days=2)), at(1))
    evaluate(store, 3, "8")
    assert how(store)[-1] == ("8", "person", None)


def test_an_announcement_that_comes_after_the_change_explains_it_once(store: Store) -> None:
    evaluate(store, 1, "7")
    evaluate(store, 2, "8")
    store.servings.announce(Announced("fraud", "8", "ann", at(2)), at(5))
    assert how(store)[-1] == ("8", "announced", None)
    evaluate(store, 6, "7")
    evaluate(store, 7, "8")
    assert how(store)[-1] == ("8", "person", None)


def test_two_versions_that_share_the_traffic_are_told_once_and_not_at_each_turn(store: Store) -> None:
    evaluate(store, 1, "7")
    for minute in range(2, 12):
        evaluate(store, minute, "8" if minute % 2 else "7", shares={"7": 0.5, "8": 0.5})
    assert len(how(store)) == 10
    assert len(told(store)) == 1


def test_what_the_plan_already_tells_is_not_told_twice(store: Store) -> None:
    evaluate(store, 1, "6")
    evaluate(store, 2, "7", incident=Incident("i1", "fraud", at(0)))
    evaluate(store, 3, "7", plan=replace(PLAN, step=Step.ON_TRIAL, revision=1), facts=(FIRED,))
    plan = store.evaluations.memory("fraud").plan
    assert plan is not None
    evaluate(store, 4, "6", plan=replace(plan, step=Step.CANCELLED, revision=2), facts=(Serving("6"),))
    assert [moment.text.split(";")[0] for moment in store.plans.incidents()[0].incident.timeline] == ["fraud: version 7 was deployed"]


def test_nobody_is_told_where_settings_say_so_and_in_a_replay(store: Store) -> None:
    store.evaluations.hearers = None
    evaluate(store, 1, "7")
    evaluate(store, 2, "8", incident=Incident("i1", "fraud", at(0)))
    assert (told(store), how(store)[-1]) == ([], ("8", "person", None))


def test_an_evaluation_that_is_not_committed_records_nothing(store: Store) -> None:
    evaluate(store, 1, "7")
    with pytest.raises(Exception, match="evaluated by somebody else"):
        evaluate(store, 1, "8")
    assert how(store) == [("7", "first", None)]
