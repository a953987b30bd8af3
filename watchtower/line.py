"""The line, readable on one screen, pure: no clock, no network, no disk, no logging."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from watchtower.core import alerting, incidents, planning, retraining, scoring, versions, wording
from watchtower.core.observing import fires, observed
from watchtower.core.opening import Response, in_grace, opening, others
from watchtower.core.profiling import Folder
from watchtower.core.rules import Rule, RuleBook
from watchtower.formats import Format
from watchtower.nouns.alert import Alert, AlertChange, AlertState
from watchtower.nouns.batch import Catalog, Messages, Rejection
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.facts import Fact, Fired
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.score import Board, Closed, MeasureName, Need

__all__ = ["Response", "apply", "fold", "score", "watched"]
LATE = "monitoring was out"
SEEN_FOR = 60
"""Windows for which `absent` remembers that a subject had a score."""
TOLD_AS = {"fired": "trial", "judged": "verdict", "switched": "switched", "serving": "serving", "faded": "serving"}
"""What a fact's note is in the incident's timeline."""


def fold(messages: Sequence[Messages], form: Format, catalog: Catalog, folder: Folder, *, now: datetime | None, ended: bool = False) -> Sequence[Rejection]:  # noqa: PLR0913  the step of the line that reads
    """Decodes *messages* and folds them; the folder is the one mutable thing. *now* None: only event time moves (replay)."""
    messages = folder.with_carry(messages)
    decoded = form.decode(messages, catalog)
    folder.add(messages, decoded, now=now, ended=ended)
    return decoded.rejected


def score(closed: Closed, needs: frozenset[Need]) -> Board:
    """Every score that *needs* ask for, of every version and segment of one closed window."""
    return scoring.score(closed, needs)


def apply(board: Board, memory: Memory, book: RuleBook, response: Response) -> Evaluation:
    """Rules, incident and plan after one closed window; *memory*.served already says who was live in it."""
    at, before = board.window.end, memory.incident
    alerts, changes = alerting.evaluate(board, memory.alerts, book, live_changed=memory.served.since_change == 0)
    firing = [alert for alert in alerts if alert.state is AlertState.FIRING]
    incident = incidents.follow(
        before, changes, firing, at, quiet=response.quiet, notify=_hearers(book), new_id=f"{board.model}-{at:%Y%m%dT%H%M%S}", summaries=_summaries(book)
    )
    retrained = tuple(_retrained(memory, changes, firing, book, at))
    incident = retraining.told(incident, retrained, at) if response.retrains else incident
    served = versions.aged(memory.served, paged=any(alert.severity == "page" and alert.id.version in {"", memory.served.live} for alert in firing))
    memory = replace(memory, alerts=alerts, incident=incident, served=served, evaluated_through=at, seen=_seen(board, memory.seen))
    decisions = [*incidents.notices(before, incident, at), *retrained]
    opened: tuple[Fact, ...] = tuple(opening(memory, changes, firing, book, response, at, board.versions))
    if opened and response.age > response.max_age:
        memory, opened = _told_late(memory, response.age, at), ()
    still = memory.plan is not None and fires(memory.plan, alerts)
    facts = (*observed(memory.plan, served.live, firing=still, at=at, shares=board.versions), *opened)
    for fact in facts:
        memory, decided = _followed(memory, fact, at)
        decisions += decided
    return Evaluation(board, changes, memory, tuple(decisions), facts)


def _told_late(memory: Memory, age: timedelta, at: datetime) -> Memory:
    """The memory whose incident says, once, that no trial was begun on what is long over."""
    incident = memory.incident
    if incident is None or any(moment.text.startswith(LATE) for moment in incident.timeline):
        return memory
    text = f"{LATE}: this window was over for {wording.span(age)} when it was evaluated, so no trial is begun before windows are fresh again"
    return replace(memory, incident=incidents.noted(incident, at, "note", text))


def _followed(memory: Memory, fact: Fact, at: datetime) -> tuple[Memory, tuple[Decision, ...]]:
    """The model's memory after one fact of its plan, and what follows from it."""
    incident = memory.incident
    if isinstance(fact, Fired) and incident is not None:
        memory = replace(memory, others=others(memory, incident.id))
        move = planning.open_plan(fact, f"{incident.id}-{at:%Y%m%dT%H%M%S}", incident.id, at)
    elif memory.plan is not None:
        move = planning.advance(memory.plan, fact, at)
    else:
        return memory, ()
    if move.note and incident is not None:
        incident = incidents.noted(incident, at, TOLD_AS.get(fact.kind, "note"), move.note)
    return replace(memory, plan=move.plan, incident=incident, served=versions.left(memory.served, move.plan)), move.decisions


def _hearers(book: RuleBook) -> dict[str, tuple[str, ...]]:
    return {rule.name: book.notifiers if rule.notify is None else rule.notify for rule in book.rules}


def _summaries(book: RuleBook) -> dict[str, str]:
    return {rule.name: rule.summary for rule in book.rules if rule.summary}


def _retrained(memory: Memory, changes: Sequence[AlertChange], firing: Sequence[Alert], book: RuleBook, at: datetime) -> Iterator[Decision]:
    """For rules that ask for it and are outside grace: as they begin to fire, or as grace ends where they began in it."""
    rules = {rule.name: rule for rule in book.of(memory.model) if "retrain" in rule.respond and not rule.dry_run}
    fresh = {change.alert.id for change in changes if change.alert.state is AlertState.FIRING}
    for alert in firing:
        rule = rules.get(alert.id.rule)
        if rule is not None and not in_grace(rule, memory, book.size) and (alert.id in fresh or _waited(alert, rule, memory, book.size)):
            yield Decision(DecisionKind.RETRAIN, alert.id.model, at, reason=f"{alert.id} fires")


def _waited(alert: Alert, rule: Rule, memory: Memory, size: timedelta) -> bool:
    """Whether grace ends with this evaluation, and the alert began to fire in it."""
    changed = memory.served.changed
    return bool(changed) and memory.served.since_change == rule.grace.in_windows(size) and alert.fired_at is not None and alert.fired_at >= changed[-1]


def _seen(board: Board, before: Mapping[str, int]) -> dict[str, int]:
    """Windows since each score of the live version was last there; forgotten after 60."""
    now = {
        f"{slot.need.measure}|{slot.segment}|{subject}": 0
        for slot, scores in board.scores.items()
        if slot.version in ("", board.live)
        for subject, reason, value in zip(scores.subjects, scores.reasons, scores.values, strict=True)
        if reason is None and not (value == 0 and _is_nothing(slot.need.measure, subject))
    }
    return {**{key: age + 1 for key, age in before.items() if age < SEEN_FOR}, **now}


def _is_nothing(measure: MeasureName, subject: str) -> bool:
    """Whether a score of 0 says that there was none: no traffic, no row of that status."""
    return measure == MeasureName("traffic", "rate") or (measure.family == "errors" and subject != "")


def watched(book: RuleBook, model: str) -> frozenset[Need]:
    """Every score that the model's rules ask for, and each of their measures over the base window (for metrics and replay's score lines)."""
    needs = {replace(need, history=0) for need in book.needs(model)}
    return frozenset(needs | {Need(need.measure, against=need.against) for need in needs})
