"""Incidents as the fold of alert changes."""

from datetime import UTC, datetime, timedelta

import pytest

from watchtower.core import wording
from watchtower.core.incidents import follow, noted, notices
from watchtower.nouns.alert import Alert, AlertChange, AlertId, AlertState
from watchtower.nouns.incident import Incident, IncidentState, Moment

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
NOTIFY = {"Drift": ("ml_oncall",), "Latency": ("ml_oncall", "audit")}


def at(window: int) -> datetime:
    return START + timedelta(minutes=window)


def alert(state: AlertState, window: int, rule: str = "Drift", subject: str = "amount", severity: str = "warn") -> Alert:
    return Alert(AlertId(rule, "fraud", "", subject), "2", state, at(window), value=0.3123, p_value=1e-9, severity=severity)


def change(state: AlertState, window: int, rule: str = "Drift", subject: str = "amount", severity: str = "warn") -> AlertChange:
    return AlertChange(alert(state, window, rule, subject, severity), at(window))


def after(incident: Incident | None, window: int, *changes: AlertChange, firing: int = 0, quiet: int = 2) -> Incident | None:
    still = [alert(AlertState.FIRING, window)] * firing
    return follow(
        incident,
        changes,
        still,
        at(window),
        quiet=quiet,
        notify=NOTIFY,
        new_id=f"i{window}",
        summaries={"Drift": "{{ model }}: {{ subject }} drifted ({{ value }})"},
    )


def opened() -> Incident:
    found = after(None, 1, change(AlertState.FIRING, 1), firing=1)
    assert found is not None
    return found


def test_a_pending_alert_opens_nothing() -> None:
    assert after(None, 1, change(AlertState.PENDING, 1)) is None


def test_an_incident_opens_at_the_first_alert_that_fires_and_says_what_an_operator_needs() -> None:
    text = "Drift[amount] fires on version 2: 0.3123 (p 1e-09). fraud: amount drifted (0.3123)"
    assert opened() == Incident(
        "i1",
        "fraud",
        at(1),
        revision=1,
        severity="warn",
        alerts=(AlertId("Drift", "fraud", "", "amount"),),
        notify=("ml_oncall",),
        timeline=(Moment(at(1), "alert", text),),
    )


def test_a_storm_is_one_incident_with_one_revision() -> None:
    found = after(None, 1, *(change(AlertState.FIRING, 1, subject=f"f{i}") for i in range(100)), firing=100)
    assert found is not None
    assert (found.revision, len(found.alerts), len(found.timeline)) == (1, 100, 100)


def test_a_further_alert_joins_raises_the_severity_and_reaches_its_notifiers() -> None:
    found = after(opened(), 2, change(AlertState.FIRING, 2, "Latency", "", "page"), firing=2)
    assert found is not None
    assert (found.id, found.revision, found.severity, found.notify) == ("i1", 2, "page", ("ml_oncall", "audit"))


def test_a_milder_alert_does_not_lower_the_severity() -> None:
    found = after(opened(), 2, change(AlertState.FIRING, 2, severity="info"), firing=2)
    assert found is not None
    assert found.severity == "warn"


def test_evaluations_that_tell_nothing_do_not_grow_the_revision() -> None:
    found = after(opened(), 2, change(AlertState.PENDING, 2, subject="age"), firing=1)
    assert found == opened()


def test_it_closes_that_many_evaluations_after_the_last_alert_resolved() -> None:
    states = []
    incident: Incident | None = opened()
    for window, changes in [(2, [change(AlertState.RESOLVED, 2)]), (3, []), (4, []), (5, [])]:
        incident = after(incident, window, *changes)
        assert incident is not None
        states.append((incident.state, incident.revision))
    assert states == [(IncidentState.OPEN, 2), (IncidentState.OPEN, 2), (IncidentState.CLOSED, 3), (IncidentState.CLOSED, 3)]
    assert incident is not None
    assert incident.closed_at == at(4)
    assert incident.timeline[-1] == Moment(at(4), "closed", "closed: nothing fired for 2 evaluations")


def test_an_alert_that_fires_again_starts_the_quiet_time_anew() -> None:
    resolved = after(opened(), 2, change(AlertState.RESOLVED, 2))
    again = after(after(resolved, 3), 4, change(AlertState.FIRING, 4), firing=1)
    assert again is not None
    assert (again.id, again.quiet, again.state) == ("i1", 0, IncidentState.OPEN)


def test_after_closing_the_next_alert_opens_another_incident() -> None:
    closed = after(after(after(opened(), 2, change(AlertState.RESOLVED, 2)), 3), 4)
    fresh = after(closed, 5, change(AlertState.FIRING, 5), firing=1)
    assert fresh is not None
    assert (fresh.id, fresh.revision, len(fresh.timeline)) == ("i5", 1, 1)


def test_notices_are_one_per_notifier_and_only_where_something_is_new() -> None:
    first = opened()
    resolved = after(first, 2, change(AlertState.RESOLVED, 2))
    assert [(each.notifier, each.reason) for each in notices(None, first, at(1))] == [("ml_oncall", first.timeline[0].text)]
    assert [each.reason for each in notices(first, resolved, at(2))] == ["Drift[amount] resolved on version 2: 0.3123 (p 1e-09)"]
    assert notices(resolved, after(resolved, 3), at(3)) == ()
    assert notices(None, None, at(1)) == ()


def test_a_note_is_one_revision_more() -> None:
    found = noted(opened(), at(3), "verdict", "held")
    assert (found.revision, found.timeline[-1]) == (2, Moment(at(3), "verdict", "held"))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain text", "plain text"),
        ("{{ model }}/{{ version }} {{ rule }} {{ subject }}={{ value }}", "fraud/2 Drift amount=0.3123"),
        ("{{ unknown }}!", "!"),
        ("{{ broken", "{{ broken"),
        ("{{ model.__class__.__mro__ }}", "{{ model.__class__.__mro__ }}"),
        ("{{ 1 / 0 }}", "{{ 1 / 0 }}"),
    ],
)
def test_a_summary_is_rendered_in_a_sandbox_and_told_as_written_where_it_cannot_be(template: str, text: str) -> None:
    assert wording.summary(template, alert(AlertState.FIRING, 1)) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (0.4, "0.4s"), (42, "42s"), (3900, "1h 5m"), (86400, "1d"), (90061, "1d 1h")])
def test_a_span_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert wording.span(timedelta(seconds=seconds)) == text
