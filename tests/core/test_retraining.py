"""A retraining is asked for once an incident, with what was known then."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from watchtower import line
from watchtower.core import retraining
from watchtower.core.rules import Rule, RuleBook
from watchtower.nouns.decision import DecisionKind
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.step import Step
from watchtower.nouns.window import Window

START, MINUTE = datetime(2026, 11, 20, 10, tzinfo=UTC), timedelta(minutes=1)


def book(*rules: tuple[str, float], dry_run: bool = False) -> RuleBook:
    """Rules of (name, value) on the share of errors, which ask for a retraining."""
    made = [
        {"name": name, "model": "*", "when": {"kind": "above", "measure": "errors.share", "value": value}, "respond": ["retrain"], "dry_run": dry_run}
        for name, value in rules
    ]
    return RuleBook(tuple(Rule.model_validate(each) for each in made), MINUTE)


def follow(shares: Sequence[float], rules: RuleBook, *, retrains: bool = True) -> list[Evaluation]:
    """An evaluation a minute, of such shares of errors; an incident closes after one quiet window."""
    memory, found = Memory("fraud", served=Served(live="2", since_change=9)), []
    for minute, share in enumerate(shares):
        scores = {Slot("2", "", Need(MeasureName("errors", "share"))): Scores.one(share, 300)}
        board = Board("fraud", Window(START + minute * MINUTE, START + (minute + 1) * MINUTE), "2", scores, {"2": 1.0})
        found.append(line.apply(board, memory, rules, line.Response(quiet=1, retrains=retrains)))
        memory = found[-1].memory
    return found


def notes(evaluation: Evaluation) -> list[str]:
    incident = evaluation.memory.incident
    return [] if incident is None else [moment.text for moment in incident.timeline if moment.what == "note"]


def asks(found: Sequence[Evaluation]) -> list[int]:
    """In which evaluations it is asked for; the store takes the first of an incident."""
    return [minute for minute, each in enumerate(found) if retraining.asked(each, "", None) is not None]


def test_the_incident_says_once_that_it_is_asked_for_and_why() -> None:
    found = follow([0.15, 0.25, 0.25], book(("Errors", 0.1), ("Many", 0.2)))
    assert notes(found[-1]) == ["retraining is asked for: Errors[] fires"]
    assert asks(found) == [0, 1]
    assert [decision.kind for decision in found[1].decisions] == [DecisionKind.RETRAIN]


def test_the_next_incident_asks_again() -> None:
    found = follow([0.5, 0.0, 0.0, 0.5], book(("Errors", 0.1)))
    first, second = retraining.asked(found[0], "", None), retraining.asked(found[3], "", None)
    assert first is not None
    assert second is not None
    assert (first.incident, second.incident) == ("fraud-20261120T100100", "fraud-20261120T100400")
    assert notes(found[3]) == ["retraining is asked for: Errors[] fires"]


def test_where_nobody_trains_and_for_a_dry_run_the_incident_says_nothing() -> None:
    assert notes(follow([0.5], book(("Errors", 0.1)), retrains=False)[0]) == []
    (dry,) = follow([0.5], book(("Errors", 0.1), dry_run=True))
    assert (notes(dry), asks([dry])) == ([], [])


def test_it_is_told_with_what_was_known_then() -> None:
    (evaluation,) = follow([0.5], book(("Errors", 0.1), ("Many", 0.2)))
    incident = evaluation.memory.incident
    assert incident is not None
    judged = Plan("p1", "fraud", incident.id, Step.HELD, "2", ("1",), START, verdict=Verdict.REJECT, diagnosis=Diagnosis.DATA_DRIFT, reason="why")
    other = replace(judged, id="p0", incident="fraud-earlier")
    asked = retraining.asked(replace(evaluation, memory=replace(evaluation.memory, plan=judged, others=(other,))), "b1", START)
    assert asked is not None
    assert (asked.incident, asked.model, asked.live, asked.at) == (incident.id, "fraud", "2", START + MINUTE)
    assert asked.reasons == ("Errors[] fires", "Many[] fires")
    assert [(str(alert.id), alert.value) for alert in asked.alerts] == [("Errors[]", 0.5), ("Many[]", 0.5)]
    assert asked.trials == (judged,)
    assert (asked.reference, asked.reference_since) == ("b1", START)


def test_without_a_reference_there_is_none_to_name() -> None:
    (evaluation,) = follow([0.5], book(("Errors", 0.1)))
    asked = retraining.asked(evaluation, "", START)
    assert asked is not None
    assert (asked.reference, asked.reference_since) == ("", None)
