"""Nouns come back from JSON as they were."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.facts import AllResolved, Approved, DeadlinePassed, Fact, Fired, Frozen, Judged, Refused, Serving, Switched, SwitchFailed
from watchtower.nouns.incident import Incident, IncidentState, Moment
from watchtower.nouns.memory import Memory, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.store.codec import audit_body, chained, decision_json, decode, encode, fact_from, fact_in, fact_json, incident_json, stamp

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
ALERT = AlertId("FeatureDrift", "fraud", "country=DE", "betrag €", "7")
FACTS: list[Fact] = [
    Fired("fraud", "7", (ALERT,), TEN, ("6", "5"), rollback=True, dry_run=False, respond_measures=(("FeatureDrift", "drift.psi"),), target="directory"),
    Judged(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "0.031 < 0.094", "6", TEN, ("cooldown",), evidence={"n": 2048, "p": 3e-09, "of": {"x": [1, None]}}),
    Judged(Verdict.BROKEN, Diagnosis.UNKNOWN, "no file", None, TEN),
    Approved("ada", "cli", "6"),
    Refused("ada", "api"),
    Switched("directory", None, "6", dry_run=True),
    SwitchFailed("gone", void=True),
    Serving("6"),
    AllResolved(),
    DeadlinePassed(Step.VERIFYING),
    Frozen("ada"),
]
PLAN = Plan(
    "p1",
    "fraud",
    "i1",
    Step.SWITCHING,
    "7",
    ("6", "5"),
    TEN,
    3,
    "6",
    Verdict.ACCEPT,
    Diagnosis.MODEL_REGRESSION,
    deadline=TEN + timedelta(microseconds=1),
    fired=(("R", "drift.psi"),),
)
BARE = replace(PLAN, candidate=None, verdict=None, diagnosis=None, deadline=None)
INCIDENT = Incident("i1", "fraud", TEN, IncidentState.CLOSED, 4, TEN, 5, "page", (ALERT,), ("slack",), (Moment(TEN, "note", "x"),))
SERVED = Served("7", "7", 3, "6", TEN, {"7": TEN}, {"6": 3}, ("5",), (TEN, TEN + timedelta(minutes=1)), 2)
MEMORY = Memory("fraud", (Alert(ALERT, "7", AlertState.FIRING, TEN, value=0.3, fired_at=TEN),), INCIDENT, PLAN, SERVED, (TEN,), {"drift.psi||amount": 3}, TEN)
DECISION = Decision(DecisionKind.ROLL_BACK, "fraud", TEN, "worse", None, "7", "6", Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "p1")


def test_nouns_come_back_as_they_were() -> None:
    assert [decode(encode(each), Memory) for each in (MEMORY, Memory("leer"))] == [MEMORY, Memory("leer")]
    assert decode(encode(INCIDENT), Incident) == INCIDENT
    assert [decode(encode(each), Plan) for each in (PLAN, BARE)] == [PLAN, BARE]
    assert decode(encode(DECISION), Decision) == DECISION


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind)
def test_a_fact_comes_back_as_it_was(fact: Fact) -> None:
    assert fact_from(fact_json(fact)) == fact
    assert fact_in(audit_body("p1", 1, TEN, fact)) == fact


def test_a_hash_follows_from_all_that_stands_before_it() -> None:
    # printf 'a' | sha256sum; printf '%s%s' <that> b | sha256sum
    first = chained("", b"a")
    assert first == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert chained(first, b"b") != chained("", b"b")


@pytest.mark.parametrize(
    ("when", "text"),
    [(TEN, "2026-11-20T10:00:00Z"), (TEN + timedelta(milliseconds=5), "2026-11-20T10:00:00.005000Z")],
)
def test_moments_are_written_in_utc(when: datetime, text: str) -> None:
    assert stamp(when) == text


def test_a_decision_is_listed_with_what_it_says() -> None:
    assert decision_json(DECISION) == {
        "time": "2026-11-20T10:00:00Z",
        "decision": "roll_back",
        "model": "fraud",
        "reason": "worse",
        "live": "7",
        "candidate": "6",
        "verdict": "accept",
        "diagnosis": "model_regression",
        "plan": "p1",
    }


def test_an_incident_is_listed_with_its_plan_or_null() -> None:
    shown = incident_json(INCIDENT, PLAN)
    assert (shown["id"], shown["state"], shown["opened"]) == ("i1", "closed", "2026-11-20T10:00:00Z")
    assert shown["plan"] == {"id": "p1", "step": "switching", "live": "7", "candidate": "6", "verdict": "accept", "diagnosis": "model_regression", "reason": ""}
    assert incident_json(INCIDENT, None)["plan"] is None
