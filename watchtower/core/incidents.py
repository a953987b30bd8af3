"""An incident is the fold of one model's alert changes: a storm is one incident, told once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from watchtower.core import wording
from watchtower.nouns.alert import Alert, AlertChange, AlertId, AlertState
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.incident import Incident, IncidentState, Moment

SEVERITIES = ("info", "warn", "page")
_TOLD = frozenset({AlertState.FIRING, AlertState.RESOLVED})


def follow(  # noqa: PLR0913  the fold of one evaluation needs all that the evaluation says
    incident: Incident | None,
    changes: Sequence[AlertChange],
    firing: Sequence[Alert],
    at: datetime,
    *,
    quiet: int,
    notify: Mapping[str, Sequence[str]],
    new_id: str,
    summaries: Mapping[str, str] | None = None,
) -> Incident | None:
    """The model's incident after one evaluation.

    It opens at the first alert that fires, and closes at the *quiet*-th evaluation after its last alert resolved. Its revision grows by one
    with every evaluation that has something to tell; pending alerts tell nothing.

    Args:
        incident: the open one; a closed one is left as it is until an alert fires, then a new one opens.
        changes: this evaluation's transitions of one model.
        firing: the alerts that fire after it.
        at: end of the evaluated window.
        quiet: evaluations without an alert after which it closes.
        notify: rule -> names of the notifiers that hear of it.
        new_id: the id of an incident that opens now.
        summaries: rule -> its `summary:` text, rendered for alerts that fire.

    """
    told = [change for change in changes if change.alert.state in _TOLD]
    fired = [change for change in told if change.alert.state is AlertState.FIRING]
    if incident is None or incident.state is IncidentState.CLOSED:
        if not fired:
            return incident
        incident = Incident(new_id, fired[0].alert.id.model, at, revision=0, severity="info")
    grown = _grown(incident, told, notify, summaries or {})
    return _quietened(grown, told, firing, at, quiet)


def notices(before: Incident | None, after: Incident | None, at: datetime) -> tuple[Decision, ...]:
    """One `notify` decision per notifier where *after* has something new to tell."""
    if after is None or (before is not None and before.id == after.id and before.revision == after.revision):
        return ()
    known = len(before.timeline) if before is not None and before.id == after.id else 0
    reason = "; ".join(moment.text for moment in after.timeline[known:])
    return tuple(Decision(DecisionKind.NOTIFY, after.model, at, reason, notifier=name) for name in after.notify)


def noted(incident: Incident, at: datetime, what: str, text: str) -> Incident:
    """The incident with one more entry in its timeline."""
    return replace(incident, revision=incident.revision + 1, timeline=(*incident.timeline, Moment(at, what, text)))


def _grown(incident: Incident, told: Sequence[AlertChange], notify: Mapping[str, Sequence[str]], summaries: Mapping[str, str]) -> Incident:
    if not told:
        return incident
    alerts = [change.alert for change in told]
    moments = [Moment(each.at, "alert", wording.transition(each, wording.summary(summaries.get(each.alert.id.rule, ""), each.alert))) for each in told]
    names = [name for alert in alerts for name in notify.get(alert.id.rule, ())]
    return replace(
        incident,
        revision=incident.revision + 1,
        severity=max((incident.severity, *(alert.severity for alert in alerts)), key=SEVERITIES.index),
        alerts=_union(incident.alerts, [alert.id for alert in alerts]),
        notify=tuple(dict.fromkeys((*incident.notify, *names))),
        timeline=(*incident.timeline, *moments),
    )


def _quietened(incident: Incident, told: Sequence[AlertChange], firing: Sequence[Alert], at: datetime, quiet: int) -> Incident:
    if firing or told:
        return replace(incident, quiet=0)
    calm = incident.quiet + 1
    if calm < quiet:
        return replace(incident, quiet=calm)
    closed = noted(incident, at, "closed", f"closed: nothing fired for {calm} evaluation{'s' if calm > 1 else ''}")
    return replace(closed, quiet=calm, state=IncidentState.CLOSED, closed_at=at)


def _union(known: tuple[AlertId, ...], new: Sequence[AlertId]) -> tuple[AlertId, ...]:
    return tuple(dict.fromkeys((*known, *new)))
