"""A plan is the fold of its facts: those of the audit give the stored plan, whatever happened to it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers._acting import ARITHMETIC, at, begin
from watchtower.core import planning
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.facts import (
    AllResolved,
    Approved,
    Cleared,
    DeadlinePassed,
    Fact,
    Faded,
    Frozen,
    Judged,
    Prepared,
    Refused,
    Serving,
    Stopped,
    Switched,
    SwitchFailed,
    Unreached,
)
from watchtower.nouns.step import Step
from watchtower.store import Store

JUDGED = Judged(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, ARITHMETIC, "1", at(1))
HAPPENINGS: Sequence[Fact] = (
    JUDGED,
    replace(JUDGED, guards=("cooldown: 12m since the last rollback < 1h",)),
    replace(JUDGED, approval_asked=True),
    Approved("ana", "cli", "1"),
    Approved("ana", "cli", "1", ("frozen: bob froze fraud, 1m ago",)),
    Refused("ana", "cli"),
    Prepared("directory", "2", "17-4"),
    Switched("directory", "2", "1"),
    SwitchFailed("no folder", void=False),
    Serving("1", at(3)),
    Serving("3", at(4)),
    Faded("2", at(4)),
    AllResolved(at(5)),
    DeadlinePassed(Step.VERIFYING),
    DeadlinePassed(Step.AWAITING_APPROVAL),
    Frozen("frozen: bob froze fraud, 1m ago"),
    Stopped(("max_age: the evidence is 16m old > 15m",)),
    Cleared(("cooldown",)),
    Unreached("nobody answers", at(9)),
    DeadlinePassed(Step.VERIFYING, evaluated=False),
)
USUAL: Sequence[Fact] = (JUDGED, HAPPENINGS[6], HAPPENINGS[7], HAPPENINGS[9], HAPPENINGS[12])


def recorded(facts: Sequence[Fact], *, approval_required: bool) -> None:
    store = Store.open("sqlite://", now=lambda: at(0))
    try:
        plan = begin(store, approval_required=approval_required)
        for minute, fact in enumerate(facts, start=1):
            now: datetime = at(minute + 0.123456)
            plan = store.plans.record(plan, fact, planning.advance(plan, fact, now), now)
        stored = store.plans.plan(plan.id)
        assert planning.folded([(row.at, row.fact) for row in store.plans.facts(plan.id)], plan.id, plan.incident) == stored
        assert stored.revision == len(facts) + 1
        assert store.plans.broken_link(plan.id) is None
    finally:
        store.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(HAPPENINGS), max_size=8), st.booleans())
def test_folding_the_facts_of_the_audit_gives_the_stored_plan(facts: list[Fact], approval_required: bool) -> None:  # noqa: FBT001  hypothesis gives it so
    recorded(facts, approval_required=approval_required)


def test_the_usual_rollback_folds_to_rolled_back() -> None:
    recorded(USUAL, approval_required=False)
