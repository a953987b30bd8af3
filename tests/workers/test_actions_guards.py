"""What guards hold, before the verdict and right before the call; what follows once they clear; canaries; going forward again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.workers._acting import ACCEPTED, at, begin, commit, evaluate
from tests.workers._far import Far
from watchtower.core import incidents, planning
from watchtower.core.guards import Freeze
from watchtower.core.keeping import Kept, KeptRun, packed
from watchtower.model_stores import Artefact
from watchtower.nouns.decision import DecisionKind
from watchtower.nouns.errors import Fenced, ShadowError
from watchtower.nouns.facts import Asked, Fact, Fired
from watchtower.nouns.incident import Incident
from watchtower.nouns.limits import AS_USUAL, Limits
from watchtower.nouns.plan import Plan
from watchtower.nouns.settings import GuardSettings
from watchtower.nouns.step import Step
from watchtower.store import Store
from watchtower.workers.actions import Actions
from watchtower.workers.approvals import Person
from watchtower.workers.asking import HandDesk
from watchtower.workers.gathering import key_of
from watchtower.workers.guarding import Fetch, Guarding, Steering
from watchtower.workers.switching import Switching


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=lambda: at(0))
    yield opened
    opened.close()


def actions(store: Store, far: Far, *, guards: GuardSettings | None = None, place: str = "", fetch: Fetch | None = None, reruns: bool = True) -> Actions:
    steering = Steering(lambda: far, guards or GuardSettings(), place, fetch, reruns)
    return Actions(store, lambda _: steering, lambda *_: ACCEPTED)


def freeze(store: Store, model: str = "fraud", minute: float = 0, until: datetime | None = None) -> None:
    store.freezes.freeze(Freeze(model, "ana@host", at(minute), "cli host", "migration", until))


def plan_of(store: Store, model: str = "fraud") -> Plan:
    found = store.evaluations.memory(model).plan
    assert found is not None
    return store.plans.plan(found.id)


def kinds(store: Store, plan: Plan) -> list[str]:
    return [row.fact.kind for row in store.plans.facts(plan.id)]


@pytest.mark.parametrize("model", ["fraud", ""], ids=["the model", "every model"])
def test_a_freeze_holds_the_verdict_and_evidence_is_told_all_the_same(store: Store, model: str) -> None:
    plan, far = begin(store), Far()
    freeze(store, model)
    worker = actions(store, far)
    worker.step(at(1))
    held = plan_of(store)
    assert (held.step, far.switches, far.writes) == (Step.HELD, 0, 0)
    assert held.reason.startswith(f"frozen: ana@host froze {model or 'every model'} until it is thawed (migration), 1m ago; evidence: ")
    assert kinds(store, plan) == ["fired", "judged"]


def test_a_freeze_of_another_model_or_one_that_ran_out_holds_nothing(store: Store) -> None:
    begin(store)
    freeze(store, "churn")
    freeze(store, "", until=at(1))
    worker = actions(store, far := Far())
    for _ in range(3):
        worker.step(at(1))
    assert far.switches == 1


def test_a_freeze_between_the_decision_and_the_call_ends_it_held_and_calls_nothing(store: Store) -> None:
    plan, far = begin(store), Far()
    worker = actions(store, far)
    worker.step(at(0))
    assert plan_of(store).step is Step.SWITCHING
    freeze(store)
    worker.step(at(0))
    assert (plan_of(store).step, far.switches, kinds(store, plan)) == (Step.HELD, 0, ["fired", "judged", "prepared", "frozen"])


def test_a_call_that_was_made_before_a_crash_is_recorded_although_it_is_frozen_now(store: Store) -> None:
    plan, far = begin(store), Far()
    worker = actions(store, far)
    worker.step(at(0))
    far.names = "1"  # the call was made; the process died before it was recorded
    freeze(store)
    actions(store, far).step(at(0))
    assert (plan_of(store).step, far.switches, kinds(store, plan)[-1]) == (Step.VERIFYING, 0, "switched")


def test_a_decision_that_has_grown_old_before_the_call_is_not_acted_on(store: Store) -> None:
    plan, far = begin(store), Far()
    actions(store, far).step(at(0))
    actions(store, far).step(at(16))
    assert (plan_of(store).step, far.switches, kinds(store, plan)[-1]) == (Step.HELD, 0, "stopped")
    assert plan_of(store).reason.startswith("max_age: the evidence is 16m old > 15m; held right before the switch")


def test_traffic_that_shows_a_third_version_stops_the_call(store: Store) -> None:
    begin(store)
    worker = actions(store, far := Far())
    worker.step(at(0))
    evaluate(store, 1, live="3")
    worker.step(at(1))
    assert (plan_of(store).step, far.switches) == (Step.HELD, 0)
    assert plan_of(store).reason.startswith("live version unclear: the traffic shows 3")


def test_what_a_freeze_held_gets_one_fresh_trial_once_it_is_thawed(store: Store) -> None:
    plan, far = begin(store), Far()
    freeze(store)
    worker = actions(store, far)
    worker.step(at(0))
    for minute in (1, 2):
        evaluate(store, minute)
        assert not worker.step(at(minute))
    assert store.freezes.thaw("fraud", by="ana@host", origin="cli host", now=at(2))
    evaluate(store, 3)
    assert worker.step(at(3))
    assert kinds(store, plan) == ["fired", "judged", "cleared"]
    assert store.plans.plan(plan.id).cleared
    assert not worker.step(at(4))


def test_what_a_person_asked_for_in_vain_meanwhile_hides_nothing(store: Store) -> None:
    plan, far = begin(store), Far()
    freeze(store)
    worker = actions(store, far)
    worker.step(at(0))
    desk = HandDesk(store, worker.guarding, "directory", AS_USUAL)
    wish = desk.look("fraud", "1", Person("ana", "cli"), at(1))
    asked = desk.ask(wish, at(1))
    assert (asked.step, asked.incident) == (Step.HELD, plan.incident)
    assert [row.plan and row.plan.id for row in store.plans.incidents()] == [plan.id]
    store.freezes.thaw("fraud", by="ana@host", origin="cli host", now=at(2))
    evaluate(store, 3)
    assert worker.step(at(3))
    assert kinds(store, plan) == ["fired", "judged", "cleared"]


@pytest.mark.parametrize("change", ["resolved", "another live version"])
def test_nothing_clears_where_the_alert_is_over_or_another_version_is_live(store: Store, change: str) -> None:
    plan = begin(store)
    freeze(store)
    worker = actions(store, Far())
    worker.step(at(0))
    store.freezes.thaw("fraud", by="a", origin="", now=at(0))
    evaluate(store, 1, firing=change != "resolved", live="3" if change != "resolved" else "2")
    worker.step(at(1))
    assert not store.plans.plan(plan.id).cleared


def test_a_cooldown_clears_with_time(store: Store) -> None:
    begin(store)
    memory = store.evaluations.memory("fraud")
    commit(store, replace(memory, rollbacks=(at(-50),)), 1)
    worker = actions(store, Far())
    worker.step(at(1))
    assert plan_of(store).reason.startswith("cooldown: 51m since the last rollback < 1h")
    evaluate(store, 8)
    assert not worker.step(at(8))
    evaluate(store, 10)
    assert worker.step(at(10))
    assert plan_of(store).cleared


def test_a_guard_that_comes_and_goes_brings_one_further_trial_only(store: Store) -> None:
    begin(store)
    memory = store.evaluations.memory("fraud")
    assert memory.plan is not None
    again = replace(memory.plan, step=Step.HELD, guards=("max_age: the evidence is 16m old > 15m",), again=("max_age",), revision=2)
    commit(store, replace(memory, plan=again), 1, (), (planned(store, again),))
    assert not actions(store, Far()).step(at(1))
    assert not plan_of(store).cleared


def planned(store: Store, plan: Plan) -> Fact:
    return store.plans.facts(plan.id)[0].fact


def test_models_that_share_a_target_take_turns(store: Store) -> None:
    begin(store)
    begin(store, "churn")
    worker = actions(store, far := Far(), place="directory models")
    worker.step(at(0))
    steps = {model: plan_of(store, model) for model in ("fraud", "churn")}
    held = next(plan for plan in steps.values() if plan.step is Step.HELD)
    assert sorted(plan.step for plan in steps.values()) == [Step.HELD, Step.SWITCHING]
    assert held.reason.startswith("one at a time: plan ")
    assert "acts on the same target, it is switching; evidence: " in held.reason
    assert far.switches == 0


def test_the_artefact_is_verified_at_that_moment(store: Store) -> None:
    def broken(version: str) -> Artefact:
        msg = f"version {version} has another sha256 than its metadata"
        raise ShadowError(msg)

    begin(store)
    actions(store, Far(), fetch=broken).step(at(0))
    assert plan_of(store).reason.startswith("artefact: version 1 has another sha256 than its metadata; evidence")


def of(digest: str, **metadata: object) -> Fetch:
    """A store of models whose versions all have that digest."""
    return lambda version: Artefact(version, Path("model.onnx"), digest, metadata=metadata)


def ran(store: Store, plan: Plan, sha256: str) -> None:
    """The trial of *plan* ran version 1 of that digest."""
    store.trials.save(key_of(plan), packed(Kept(plan.id, 0, 0, 0, runs=(KeptRun("1", sha256),))))


def test_an_artefact_that_is_not_the_one_first_seen_holds(store: Store) -> None:
    store.artefacts.first_seen("fraud", "1", "a" * 64)
    begin(store)
    actions(store, far := Far(), fetch=of("b" * 64)).step(at(0))
    assert "artefact: the artefact of version 1 changed: sha256 aaaaaaaaaaaa… when it was first seen" in plan_of(store).reason
    assert far.switches == 0


@pytest.mark.parametrize("fetch", [of("a" * 64), of("b" * 64, sha256="b" * 64)], ids=["the one first seen", "recorded as meant"])
def test_the_artefact_first_seen_or_one_that_is_recorded_as_meant_is_gone_back_to(store: Store, fetch: Fetch) -> None:
    store.artefacts.first_seen("fraud", "1", "a" * 64)
    begin(store)
    actions(store, Far(), fetch=fetch).step(at(0))
    assert plan_of(store).step is Step.SWITCHING


@pytest.mark.parametrize(("reruns", "step"), [(True, Step.HELD), (False, Step.SWITCHING)])
def test_what_the_trial_ran_must_be_there_still_unless_an_endpoint_ran_its_own(store: Store, *, reruns: bool, step: Step) -> None:
    ran(store, begin(store), "c" * 64)
    actions(store, Far(), fetch=of("a" * 64), reruns=reruns).step(at(0))
    assert plan_of(store).step is step
    assert ("version 1 is no longer what the trial ran: sha256 aaaaaaaaaaaa != cccccccccccc" in plan_of(store).reason) is reruns


def test_the_least_traffic_is_read_from_the_last_windows(store: Store) -> None:
    begin(store)
    actions(store, Far(), guards=GuardSettings.model_validate({"minimum_traffic": "200 rows in 2 windows"})).step(at(0))
    assert plan_of(store).reason.startswith("minimum_traffic: 0 rows in the last 2 windows < 200")


# ------------------------------------------------------------------------------------------------- leading


def test_who_does_not_lead_does_nothing(tmp_path: Path) -> None:
    now = [at(0)]
    one, other = (Store.open(f"sqlite:///{tmp_path}/w.db", now=lambda: now[0]) for _ in range(2))
    begin(one)
    far = Far()
    worker, rival = actions(one, far), actions(other, far)
    assert worker.step(at(0))
    with pytest.raises(Fenced):
        rival.step(at(0))
    now[0] = at(0) + timedelta(seconds=7)
    assert rival.step(now[0])
    assert far.switches == 1
    with pytest.raises(Fenced):
        worker.step(now[0])
    one.close()
    other.close()


def test_a_leader_that_was_stopped_before_the_call_and_woken_switches_nothing(tmp_path: Path) -> None:
    now = [at(0)]
    one, other = (Store.open(f"sqlite:///{tmp_path}/w.db", now=lambda: now[0]) for _ in range(2))
    begin(one)
    actions(one, Far()).step(at(0))
    decided = plan_of(one)
    now[0] = at(0) + timedelta(seconds=7)
    assert actions(other, far := Far()).step(now[0])
    assert far.switches == 1
    stopped = Far()
    with pytest.raises(Fenced):
        Switching(one, Guarding(one, lambda _: Steering(lambda: stopped))).switched(decided, lambda: at(0))
    assert (stopped.switches, stopped.keys) == (0, [])
    one.close()
    other.close()


def test_a_plan_that_moved_since_it_was_decided_calls_nothing(store: Store) -> None:
    begin(store)
    actions(store, Far()).step(at(0))
    stale = replace(plan_of(store), revision=1)
    far = Far()
    with pytest.raises(Fenced, match="its target was not called"):
        Switching(store, Guarding(store, lambda _: Steering(lambda: far))).switched(stale, lambda: at(0))
    assert far.keys == []


# ------------------------------------------------------------------------------------------------- canaries, and forward again


def opened(store: Store, **change: object) -> Plan:
    """Another plan of the incident, as an evaluation opens it."""
    memory = evaluate(store, 1)
    fired = Fired("fraud", "2", (), at(2), ("1",), rollback=True, dry_run=False, target="rollouts", **change)  # type: ignore[arg-type]
    plan = planning.open_plan(fired, "fraud-p2", "fraud-i1", at(2)).plan
    live = "1" if plan.canary else "2"
    commit(store, replace(memory, plan=plan, served=replace(memory.served, live=live)), 2, (), (fired,))
    return plan


@pytest.fixture
def tried(store: Store) -> Store:
    """A store whose first plan was refused by its trial."""
    begin(store, rollback=False)
    actions(store, Far()).step(at(0))
    return store


def test_a_canary_is_aborted_and_its_traffic_must_fall_away(tried: Store) -> None:
    opened(tried, canary=True, aborts_canaries=True)
    far = Far(names="1")
    worker = actions(tried, far)
    worker.step(at(2))
    worker.step(at(2))
    assert (far.aborted, far.switches, plan_of(tried).step) == (["2"], 0, Step.VERIFYING)
    assert [each.kind for each in tried.evaluations.decisions(1)] == [DecisionKind.ABORT]


def test_going_forward_again_is_one_further_switch_with_a_key_of_its_own(tried: Store) -> None:
    opened(tried, limits=Limits(verify_within=timedelta(minutes=2), forward=True))
    far = Far()
    worker = actions(tried, far)
    worker.step(at(2))
    worker.step(at(2))
    assert far.names == "1"
    evaluate(tried, 5)
    worker.step(at(5))
    assert plan_of(tried).step is Step.RETURNING
    worker.step(at(5))
    over = plan_of(tried)
    assert (over.step, far.names, far.switches, far.keys) == (Step.FAILED, "2", 2, ["fraud-p2", "fraud-p2/forward"])
    assert "which did not help, and from 1 to 2 again at" in over.reason
    assert not worker.step(at(6))


def test_a_freeze_holds_the_way_forward_too(tried: Store) -> None:
    opened(tried, limits=Limits(verify_within=timedelta(minutes=2), forward=True))
    worker = actions(tried, far := Far())
    worker.step(at(2))
    worker.step(at(2))
    evaluate(tried, 5)
    freeze(tried, minute=5)
    worker.step(at(5))
    worker.step(at(5))
    assert (plan_of(tried).step, far.names, far.switches) == (Step.FAILED, "1", 1)
    assert "and not forward to 2 again, a person must look: frozen: ana@host" in plan_of(tried).reason


@pytest.mark.parametrize("before", ["an open incident", "none"])
def test_what_an_evaluation_noted_while_a_person_asked_is_not_lost(store: Store, before: str) -> None:
    if before == "an open incident":
        begin(store, rollback=False)
        actions(store, Far()).step(at(0))
    memory = store.evaluations.memory("fraud")
    asked = Asked("fraud", "2", "1", "ana", "cli", at(1), "far", incident="fraud-i1")
    move = planning.ask(asked, "fraud-i1-hand-1", "fraud-i1", at(1))
    stale = incidents.noted(memory.incident or Incident("fraud-hand-1", "fraud", at(1), revision=0), at(1), "note", "asked")
    if memory.incident is None:
        begin(store, rollback=False)
        actions(store, Far()).step(at(0))
    else:
        commit(store, replace(memory, incident=incidents.noted(memory.incident, at(1), "note", "another alert fires")), 1)
    with pytest.raises(Fenced, match="incident fraud-i1 was moved by an evaluation meanwhile"):
        store.plans.begin(asked, move, stale, at(1))
    kept = store.evaluations.memory("fraud").incident
    assert kept is not None
    assert kept.id == "fraud-i1"
    assert [each.id for each in store.plans.of_incident("fraud-i1")] == ["fraud-p1"]
