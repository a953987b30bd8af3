"""Following plans: trials, guards, switches, deadlines, and what a crash leaves."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest

from tests.workers._acting import ACCEPTED, ARITHMETIC, at, begin, commit, evaluate
from tests.workers._far import Far
from watchtower.core import planning
from watchtower.nouns.decision import DecisionKind
from watchtower.nouns.errors import RollbackError, ShadowError, Unavailable
from watchtower.nouns.evidence import Diagnosis, Judgement, Verdict
from watchtower.nouns.facts import Fired
from watchtower.nouns.plan import Plan
from watchtower.nouns.settings import GuardSettings
from watchtower.nouns.step import Step
from watchtower.store import Store
from watchtower.workers.actions import RESOLVED, Actions, Steering

PENDING = Judgement(Verdict.INCONCLUSIVE, Diagnosis.UNKNOWN, "81 of 100 pairs", None, final=False)


@dataclass
class Trials:
    """Judgements in turn, the last one again and again; an exception is raised. *asked* keeps (through, ended)."""

    script: list[Judgement | Exception | None]
    asked: list[tuple[datetime, str]] = field(default_factory=list)

    def look(self, _plan: Plan, through: datetime, ended: str) -> Judgement | None:
        self.asked.append((through, ended))
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=lambda: at(0))
    yield opened
    opened.close()


def actions(store: Store, far: Far, *script: Judgement | Exception | None, **changes: object) -> tuple[Actions, Trials]:
    trials = Trials(list(script) or [ACCEPTED])
    steering = Steering(lambda: far, GuardSettings())
    return Actions(store, lambda _: steering, trials.look, **changes), trials  # type: ignore[arg-type]


def decisions(store: Store) -> list[tuple[DecisionKind, str]]:
    return [(each.kind, each.reason) for each in reversed(store.evaluations.decisions(10))][1:]


def test_an_accepted_trial_switches_once_and_the_traffic_ends_it(store: Store) -> None:
    plan = begin(store)
    far = Far()
    worker, _ = actions(store, far)
    assert worker.step(at(0))
    assert (store.plans.plan(plan.id).step, far.switches) == (Step.SWITCHING, 0)
    assert worker.step(at(0))
    assert (store.plans.plan(plan.id).step, far.switches, far.names) == (Step.VERIFYING, 1, "1")
    assert not worker.step(at(0))
    evaluate(store, 1, live="1")
    evaluate(store, 2, live="1", firing=False)
    assert store.plans.plan(plan.id).step is Step.ROLLED_BACK
    assert far.switches == 1
    assert decisions(store) == [(DecisionKind.ROLL_BACK, ARITHMETIC)]
    assert store.plans.broken_link(plan.id) is None


def test_the_incident_tells_each_step(store: Store) -> None:
    begin(store)
    worker, _ = actions(store, Far())
    worker.step(at(0))
    worker.step(at(0))
    told = [moment.text for moment in store.plans.incidents()[0].incident.timeline]
    assert [text.split(":")[0].split(",")[0] for text in told[1:]] == ["verdict accept", "switched from 2 to 1 (directory); waiting for the traffic to show it"]


def test_a_trial_is_looked_at_once_per_evaluated_window(store: Store) -> None:
    plan = begin(store)
    worker, trials = actions(store, Far(), PENDING)
    assert [worker.step(at(0)) for _ in range(3)] == [False, False, False]
    evaluate(store, 1)
    worker.step(at(1))
    assert trials.asked == [(at(0), ""), (at(1), "")]
    assert store.plans.plan(plan.id).step is Step.ON_TRIAL


def test_a_trial_hears_that_the_alert_resolved_or_that_the_input_ended(store: Store) -> None:
    begin(store)
    ended: list[bool] = []
    worker, trials = actions(store, Far(), None, input_ended=lambda: bool(ended))
    worker.step(at(0))
    ended.append(True)
    worker.step(at(0))
    ended.clear()
    evaluate(store, 1, firing=False)
    worker.step(at(1))
    assert [why for _, why in trials.asked] == ["", "the input ended", RESOLVED]


def test_what_cannot_be_run_is_broken_evidence_and_holds(store: Store) -> None:
    plan = begin(store)
    far = Far()
    worker, _ = actions(store, far, ShadowError("version 1 has no artefact"))
    worker.step(at(0))
    held = store.plans.plan(plan.id)
    assert (held.step, held.verdict, held.reason) == (Step.HELD, Verdict.BROKEN, "version 1 has no artefact")
    assert not worker.step(at(0))
    assert far.looks == 0


def test_a_source_that_is_away_is_asked_again_and_holds_up_no_other_plan(store: Store) -> None:
    plans = [begin(store), begin(store, "churn")]
    worker, trials = actions(store, Far(), Unavailable("the broker is away"), ACCEPTED)
    with pytest.raises(Unavailable):
        worker.step(at(0))
    assert sorted(store.plans.plan(plan.id).step for plan in plans) == [Step.ON_TRIAL, Step.SWITCHING]
    worker.step(at(0))
    assert len(trials.asked) == 3


@pytest.mark.parametrize(
    ("far", "changes", "words"),
    [
        (Far(names="3"), {}, "live version unclear: the target names 3"),
        (Far(breaks=RollbackError("no such folder")), {}, "live version unclear: the target cannot be read (no such folder)"),
    ],
)
def test_a_guard_holds_an_accepted_trial(store: Store, far: Far, changes: dict[str, object], words: str) -> None:
    plan = begin(store)
    worker, _ = actions(store, far, **changes)
    worker.step(at(0))
    worker.step(at(0))
    assert store.plans.plan(plan.id).step is Step.HELD
    assert [kind for kind, _ in decisions(store)] == [DecisionKind.HOLD]
    assert words in decisions(store)[0][1]
    assert far.switches == 0


def test_old_evidence_decides_nothing(store: Store) -> None:
    plan = begin(store)
    worker, _ = actions(store, far := Far())
    worker.step(at(16))
    assert store.plans.plan(plan.id).reason.startswith("max_age: the evidence is 16m old > 15m")
    assert far.switches == 0


def test_a_second_rollback_soon_after_the_first_is_held_by_the_cooldown(store: Store) -> None:
    begin(store)
    worker, _ = actions(store, far := Far())
    worker.step(at(0))
    worker.step(at(0))
    memory = store.evaluations.memory("fraud")
    assert memory.rollbacks == (at(0),)
    evaluate(store, 1, live="1")
    evaluate(store, 2, live="1", firing=False)
    far.names = "2"
    memory = evaluate(store, 3)
    fired = Fired("fraud", "2", (), at(4), ("1",), rollback=True, dry_run=False, target="directory")
    commit(store, replace(memory, plan=planning.open_plan(fired, "fraud-p2", "fraud-i1", at(4)).plan), 4, (), (fired,))
    worker.step(at(4))
    assert store.plans.plan("fraud-p2").reason.startswith("cooldown: 4m since the last rollback < 1h")
    assert far.switches == 1


@pytest.mark.parametrize(
    ("names", "breaks", "step", "switches"),
    [("2", None, Step.VERIFYING, 1), ("1", None, Step.VERIFYING, 0), ("3", None, Step.CANCELLED, 0), ("2", RollbackError("no permission"), Step.FAILED, 0)],
)
def test_after_a_crash_in_switching_the_target_says_what_is_left_to_do(store: Store, names: str, breaks: Exception | None, step: Step, switches: int) -> None:
    plan = begin(store)
    worker, _ = actions(store, Far())
    worker.step(at(0))
    far = Far(names=names, breaks=breaks)
    restarted, _ = actions(store, far)
    restarted.step(at(1))
    assert (store.plans.plan(plan.id).step, far.switches) == (step, switches)


def test_traffic_that_shows_the_candidate_before_the_switch_is_recorded_does_not_cancel_it(store: Store) -> None:
    plan = begin(store)
    worker, _ = actions(store, Far())
    worker.step(at(0))
    evaluate(store, 1, live="1", firing=False)
    restarted, _ = actions(store, far := Far(names="1"))
    restarted.step(at(1))
    evaluate(store, 2, live="1", firing=False)
    assert (store.plans.plan(plan.id).step, far.switches) == (Step.ROLLED_BACK, 0)


def test_a_plan_that_moved_meanwhile_is_loaded_again(store: Store) -> None:
    plan = begin(store)

    def look(_plan: Plan, _through: datetime, _ended: str) -> Judgement:
        evaluate(store, 1, live="1")
        return ACCEPTED

    far = Far()
    worker = Actions(store, lambda _: Steering(lambda: far), look)
    assert worker.step(at(1))
    assert store.plans.plan(plan.id).step is Step.CANCELLED
    assert not worker.step(at(1))
    assert far.switches == 0


@pytest.mark.parametrize(("minute", "evaluated", "step"), [(9.9, 9, Step.VERIFYING), (10, 10, Step.FAILED), (11, 9, Step.VERIFYING), (20, 9, Step.FAILED)])
def test_verifying_ends_at_its_deadline_but_not_before_windows_had_their_chance(store: Store, minute: float, evaluated: int, step: Step) -> None:
    plan = begin(store)
    worker, _ = actions(store, Far())
    worker.step(at(0))
    worker.step(at(0))
    evaluate(store, evaluated)
    worker.step(at(minute))
    assert store.plans.plan(plan.id).step is step


def test_an_approval_that_nobody_gives_ends_after_a_day(store: Store) -> None:
    plan = begin(store, approval_required=True)
    worker, _ = actions(store, far := Far())
    worker.step(at(0))
    assert store.plans.plan(plan.id).step is Step.AWAITING_APPROVAL
    assert not worker.step(at(24 * 60 - 1))
    assert worker.step(at(24 * 60))
    assert store.plans.plan(plan.id).step is Step.HELD
    assert far.switches == 0


@pytest.mark.parametrize(("dry_run", "rollback"), [(True, True), (False, False)])
def test_a_dry_run_and_a_shadow_rule_never_switch(store: Store, dry_run: bool, rollback: bool) -> None:  # noqa: FBT001  a table
    plan = begin(store, "fraud", dry_run=dry_run, rollback=rollback)
    worker, _ = actions(store, far := Far())
    assert worker.step(at(0))
    assert not worker.step(at(0))
    assert (store.plans.plan(plan.id).step, far.switches) == (Step.HELD, 0)


def test_in_replay_the_target_is_never_called_and_the_log_says_how_it_went(store: Store) -> None:
    plan = begin(store)
    worker, _ = actions(store, far := Far(names="whatever"), act=False)
    worker.step(at(0))
    worker.step(at(0))
    assert (store.plans.plan(plan.id).step, far.looks) == (Step.VERIFYING, 0)
    assert [kind for kind, _ in decisions(store)] == [DecisionKind.ROLL_BACK]
    evaluate(store, 1, live="1", firing=False)
    assert store.plans.plan(plan.id).step is Step.ROLLED_BACK


def test_every_recorded_fact_is_heard(store: Store) -> None:
    begin(store)
    heard: list[tuple[str, Step]] = []
    worker, _ = actions(store, Far(), heard=lambda _plan, fact, move: heard.append((fact.kind, move.plan.step)))
    worker.step(at(0))
    worker.step(at(0))
    assert heard == [("judged", Step.SWITCHING), ("prepared", Step.SWITCHING), ("switched", Step.VERIFYING)]
