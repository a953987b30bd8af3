"""An evaluation, a fact: each is one transaction, and a lost race writes nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.errors import Fenced
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.facts import AllResolved, Fact, Fired, Judged, Serving
from watchtower.nouns.incident import Incident, IncidentState, Moment, Receipt
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.step import Step
from watchtower.nouns.window import Window
from watchtower.store import Store
from watchtower.store.tables import facts

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALERT = AlertId("FeatureDrift", "fraud", "", "amount")
FIRED = Fired("fraud", "7", (ALERT,), TEN, ("6",), rollback=True, dry_run=False)
PLAN = Plan("p1", "fraud", "i1", Step.ON_TRIAL, "7", ("6",), TEN)
INCIDENT = Incident("i1", "fraud", TEN, alerts=(ALERT,), notify=("slack", "log"), timeline=(Moment(TEN, "alert", "amount drifted"),))
FIRING = Alert(ALERT, "7", AlertState.FIRING, TEN, value=0.31, fired_at=TEN)
BEGIN = Decision(DecisionKind.BEGIN_TRIAL, "fraud", TEN, "drift", live="7", candidate="6", plan="p1")
BAD = Memory("fraud", (FIRING,), INCIDENT, PLAN, Served("7"))
Nth = Callable[[int], Window]


def commit(store: Store, window: Window, memory: Memory, *, made: tuple[Decision, ...] = (), facts: tuple[Fact, ...] = ()) -> None:
    store.evaluations.commit("fraud", window, {}, Evaluation(Board("fraud", window, "7", {}), (), memory, made, facts), now=window.end)


def opened(store: Store, window: Nth) -> Memory:
    commit(store, window(0), BAD, made=(BEGIN,), facts=(FIRED,))
    return store.evaluations.memory("fraud")


def judged(store: Store) -> Plan:
    fact = Judged(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "0.03 < 0.09", "6", TEN)
    plan = replace(PLAN, step=Step.SWITCHING, candidate="6", revision=2)
    back = Decision(DecisionKind.ROLL_BACK, "fraud", TEN + MINUTE, "0.03 < 0.09", live="7", candidate="6")
    return store.plans.record(PLAN, fact, Move(plan, (back,), "going back to 6"), TEN + 2 * MINUTE)


def test_a_model_without_evaluations_has_an_empty_memory(store: Store) -> None:
    assert store.evaluations.memory("fraud") == Memory("fraud")


def test_an_evaluation_leaves_all_it_says(store: Store, window: Nth) -> None:
    memory = opened(store, window)
    assert memory == replace(BAD, evaluated_through=window(0).end)
    assert store.plans.open_plans() == [PLAN]
    assert store.plans.plan("p1") == PLAN
    assert [(row.seq, row.at, row.fact) for row in store.plans.facts("p1")] == [(1, window(0).end, FIRED)]
    assert [(row.incident, row.plan) for row in store.plans.incidents()] == [(INCIDENT, PLAN)]
    assert store.evaluations.decisions(9) == [BEGIN]
    assert [(lag.notifier, lag.revision, lag.told_revision) for lag in store.told.lagging(window(0).end)] == [("log", 1, 0), ("slack", 1, 0)]


def test_status_shows_alerts_windows_and_decisions(store: Store, window: Nth) -> None:
    opened(store, window)
    shown = store.status()
    alert = {"rule": "FeatureDrift", "model": "fraud", "version": "7", "segment": "", "subject": "amount", "state": "firing", "severity": "warn"}
    assert shown["alerts"] == [alert | {"since": "2026-11-20T10:00:00Z", "value": 0.31}]
    assert shown["windows"] == [{"model": "fraud", "window_end": "2026-11-20T10:01:00Z"}]
    decisions = shown["decisions"]
    assert isinstance(decisions, list)
    assert [each["decision"] for each in decisions] == ["begin_trial"]


def test_resolved_alerts_are_remembered_and_not_shown(store: Store, window: Nth) -> None:
    commit(store, window(0), Memory("fraud", (replace(FIRING, state=AlertState.RESOLVED),)))
    assert store.status()["alerts"] == []
    assert len(store.evaluations.memory("fraud").alerts) == 1


def test_boards_come_back_newest_first(store: Store, window: Nth) -> None:
    need = Need(MeasureName("traffic", "rate"))
    for n in range(2):
        board = Board("fraud", window(n), "7", {Slot("7", "", need): Scores.one(float(n), 5)})
        store.evaluations.commit("fraud", window(n), {}, Evaluation(board, (), Memory("fraud"), ()), now=TEN)
    first, second = store.windows.boards("fraud", 5)
    scores = first["scores"]
    assert isinstance(scores, list)
    assert (scores[0]["measure"], scores[0]["value"], scores[0]["n"], scores[0]["p_value"]) == ("traffic.rate", 1.0, 5, None)
    assert second["window"] == {"start": "2026-11-20T10:00:00Z", "end": "2026-11-20T10:01:00Z"}
    newest = store.windows.newest_board("fraud")
    assert newest is not None
    assert newest.window == window(1)


def test_a_fact_moves_the_plan_and_all_that_knows_of_it(store: Store, window: Nth) -> None:
    opened(store, window)
    moved = judged(store)
    memory = store.evaluations.memory("fraud")
    assert (moved.step, moved.revision) == (Step.SWITCHING, 2)
    assert memory.plan == moved == store.plans.plan("p1")
    assert memory.rollbacks == (TEN + MINUTE,)
    assert memory.incident is not None
    assert (memory.incident.revision, memory.incident.timeline[-1]) == (2, Moment(TEN + 2 * MINUTE, "verdict", "going back to 6"))
    assert store.plans.incidents()[0].incident == memory.incident
    assert [each.kind for each in store.evaluations.decisions(9)] == [DecisionKind.ROLL_BACK, DecisionKind.BEGIN_TRIAL]
    assert {lag.revision for lag in store.told.lagging(TEN + 2 * MINUTE)} == {2}


def test_a_lost_race_between_two_facts_writes_nothing(store: Store, window: Nth) -> None:
    opened(store, window)
    judged(store)
    before = (store.status(), store.evaluations.memory("fraud"))
    with pytest.raises(Fenced):
        judged(store)
    assert (store.status(), store.evaluations.memory("fraud")) == before
    assert len(store.plans.facts("p1")) == 2


def test_an_evaluation_that_began_before_a_fact_is_fenced(store: Store, window: Nth) -> None:
    stale = opened(store, window)
    judged(store)
    with pytest.raises(Fenced):
        commit(store, window(1), stale)
    plan = replace(PLAN, step=Step.CANCELLED, revision=2)
    with pytest.raises(Fenced):
        commit(store, window(1), replace(stale, plan=plan), facts=(Serving("8"),))
    commit(store, window(1), store.evaluations.memory("fraud"))
    assert store.evaluations.memory("fraud").evaluated_through == window(1).end


def test_a_plan_that_began_meanwhile_fences_an_evaluation_without_one(store: Store, window: Nth) -> None:
    opened(store, window)
    with pytest.raises(Fenced):
        commit(store, window(1), Memory("fraud"))


def test_a_model_has_one_open_plan(store: Store, window: Nth) -> None:
    opened(store, window)
    other = replace(PLAN, id="p2", revision=0)
    with pytest.raises(Fenced):
        store.plans.record(other, FIRED, Move(replace(other, revision=1)), TEN)
    with pytest.raises(KeyError):
        store.plans.plan("p2")


def test_a_plan_that_ends_rolled_back_marks_the_version_it_left(store: Store, window: Nth) -> None:
    memory = opened(store, window)
    ended = replace(PLAN, step=Step.ROLLED_BACK, revision=2)
    commit(store, window(1), replace(memory, plan=ended), facts=(AllResolved(),))
    assert store.evaluations.memory("fraud").served.rolled_back_from == ("7",)
    assert store.plans.open_plans() == []


def test_a_plan_by_hand_begins_without_an_evaluation(store: Store) -> None:
    begun = store.plans.record(replace(PLAN, revision=0), FIRED, Move(replace(PLAN, revision=1), (BEGIN,)), TEN)
    assert begun.revision == 1
    assert store.plans.open_plans() == [begun]


def test_facts_without_a_plan_are_a_mistake_in_the_code(store: Store, window: Nth) -> None:
    with pytest.raises(ValueError, match="without a plan"):
        commit(store, window(0), Memory("fraud"), facts=(FIRED,))
    assert store.evaluations.memory("fraud") == Memory("fraud")


def test_a_forged_fact_breaks_the_chain(store: Store, window: Nth) -> None:
    opened(store, window)
    judged(store)
    assert store.plans.broken_link("p1") is None
    with store.lease.as_leader() as tx:
        tx.execute(sa.text("DROP TRIGGER facts_no_update"))
        forged = sa.func.replace(sa.cast(facts.c.body, sa.Text), '"live":"7"', '"live":"8"')
        tx.execute(sa.update(facts).where(facts.c.seq == 1).values(body=sa.cast(forged, sa.LargeBinary)))
    assert store.plans.broken_link("p1") == 1


def test_incidents_are_listed_by_state(store: Store, window: Nth) -> None:
    opened(store, window)
    ended = replace(INCIDENT, state=IncidentState.CLOSED, revision=2, closed_at=TEN + MINUTE)
    commit(store, window(1), Memory("fraud", incident=ended, plan=PLAN))
    assert store.plans.incidents(IncidentState.OPEN) == []
    listed = store.incidents_json()["incidents"]
    assert [(each["id"], each["state"], each["closed"]) for each in listed] == [("i1", "closed", "2026-11-20T10:01:00Z")]
    assert store.incidents_json(IncidentState.OPEN) == {"incidents": []}


def test_what_was_delivered_lags_no_more_until_there_is_news(store: Store, window: Nth) -> None:
    opened(store, window)
    log, slack = store.told.lagging(window(0).end)
    assert log.since == window(0).end
    store.told.delivered(slack, Receipt({"ts": "1.2"}), TEN + MINUTE)
    store.told.delivered(log, Receipt(), TEN + MINUTE)
    assert (store.told.lagging(TEN + 9 * MINUTE), store.told.depth()) == ([], 0)
    judged(store)
    again = {lag.notifier: lag for lag in store.told.lagging(TEN + 2 * MINUTE)}["slack"]
    assert (again.told_revision, again.revision, again.receipt, again.since) == (1, 2, Receipt({"ts": "1.2"}), TEN + 2 * MINUTE)


def test_what_failed_waits_and_news_do_not_hurry_it(store: Store, window: Nth) -> None:
    opened(store, window)
    log, slack = store.told.lagging(window(0).end)
    store.told.delivered(log, Receipt(), TEN + MINUTE)
    store.told.failed(slack, "429", TEN + 5 * MINUTE, TEN + MINUTE)
    judged(store)
    assert [lag.notifier for lag in store.told.lagging(TEN + 4 * MINUTE)] == ["log"]
    late = {lag.notifier: lag for lag in store.told.lagging(TEN + 5 * MINUTE)}["slack"]
    assert (late.attempts, late.error, late.since, late.revision) == (1, "429", window(0).end, 2)


def test_what_was_given_up_stays_visible_and_is_tried_again_at_the_next_news(store: Store, window: Nth) -> None:
    opened(store, window)
    log, slack = store.told.lagging(window(0).end)
    store.told.delivered(log, Receipt(), TEN + MINUTE)
    store.told.dead(slack, "no such channel", TEN + MINUTE)
    assert store.told.lagging(TEN + 9 * MINUTE) == []
    assert [(lag.notifier, lag.error) for lag in store.told.dead_letters()] == [("slack", "no such channel")]
    judged(store)
    assert {lag.notifier for lag in store.told.lagging(TEN + 2 * MINUTE)} == {"log", "slack"}


def test_a_delivery_of_an_older_revision_leaves_the_newer_one_lagging(store: Store, window: Nth) -> None:
    opened(store, window)
    old = store.told.lagging(window(0).end)[0]
    judged(store)
    store.told.delivered(old, Receipt(), TEN + 2 * MINUTE)
    left = {lag.notifier: lag for lag in store.told.lagging(TEN + 2 * MINUTE)}[old.notifier]
    assert (left.told_revision, left.revision) == (1, 2)
