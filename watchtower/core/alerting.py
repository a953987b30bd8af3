"""Apply rules: outcomes in, alert changes out. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from watchtower.conditions._reading import NOT_CALIBRATED, Reading
from watchtower.core.rules import Rule, RuleBook
from watchtower.nouns.alert import Alert, AlertChange, AlertId, AlertState, Finding, Outcome
from watchtower.nouns.score import Board

GONE_AFTER = 3
"""Windows without traffic after which an alert of a named version resolves."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """An alert after an evaluation, and the transitions that it made."""

    alert: Alert | None
    changes: tuple[AlertChange, ...] = ()


def advance(alert: Alert, outcome: Outcome, rule: Rule, at: datetime, size: timedelta) -> Advanced:
    """One evaluation of one alert.

    FOUND counts a hit, CLEAR a miss, UNKNOWN neither (or what `no_data` says). Fires at the `hold`-th consecutive hit; resolves at one more than
    `keep_firing` consecutive misses; a pending one stops at its first miss. *size* is a window's, in which durations are rounded up.
    """
    finding = _with_no_data(outcome.finding, rule)
    told = replace(
        alert,
        version=outcome.version,
        value=outcome.value,
        p_value=outcome.p_value,
        p_adjusted=outcome.p_adjusted,
        reason=outcome.reason,
        severity=rule.severity,
        measures=outcome.measures or alert.measures,
    )
    match finding:
        case Finding.UNKNOWN:
            return Advanced(replace(alert, reason=outcome.reason))
        case Finding.FOUND:
            return _hit(replace(told, hits=alert.hits + 1, misses=0), rule, at, size)
        case Finding.CLEAR:
            return _miss(replace(told, hits=0, misses=alert.misses + 1), rule, at, size)
        case _:
            assert_never(finding)


def _with_no_data(finding: Finding, rule: Rule) -> Finding:
    if finding is not Finding.UNKNOWN or rule.no_data == "keep":
        return finding
    return Finding.FOUND if rule.no_data == "fire" else Finding.CLEAR


def _hit(alert: Alert, rule: Rule, at: datetime, size: timedelta) -> Advanced:
    if alert.state is AlertState.FIRING:
        return Advanced(alert)
    if alert.hits >= rule.hold.in_windows(size):
        return _became(replace(alert, fired_at=at), AlertState.FIRING, at)
    return Advanced(alert) if alert.state is AlertState.PENDING else _became(alert, AlertState.PENDING, at)


def _miss(alert: Alert, rule: Rule, at: datetime, size: timedelta) -> Advanced:
    if alert.state is AlertState.FIRING and alert.misses > rule.keep_firing.in_windows(size):
        return _ended(alert, AlertState.RESOLVED, at)
    if alert.state is AlertState.PENDING:
        return _ended(alert, AlertState.INACTIVE, at)
    return Advanced(alert if alert.state is AlertState.FIRING else None)


def _became(alert: Alert, state: AlertState, at: datetime, reason: str = "") -> Advanced:
    alert = replace(alert, state=state, since=at)
    return Advanced(alert, (AlertChange(alert, at, reason),))


def _ended(alert: Alert, state: AlertState, at: datetime, reason: str = "") -> Advanced:
    return Advanced(None, _became(alert, state, at, reason).changes)


def evaluate(board: Board, alerts: Sequence[Alert], book: RuleBook, *, live_changed: bool) -> tuple[tuple[Alert, ...], tuple[AlertChange, ...]]:
    """Every rule of the board's model, once: the alerts that are left (pending or firing), and all transitions in rule order."""
    at = board.window.end
    known = {alert.id: alert for alert in alerts}
    kept: list[Alert] = []
    changes: list[AlertChange] = []
    for rule in book.of(board.model):
        mine = {key: alert for key, alert in known.items() if key.rule == rule.name}
        for each in _rule(board, rule, mine, at, book, live_changed=live_changed):
            changes += each.changes
            if each.alert is not None and each.alert.state in {AlertState.PENDING, AlertState.FIRING}:
                kept.append(each.alert)
    names = {rule.name for rule in book.of(board.model)}
    for alert in alerts:
        if alert.id.rule not in names:
            state = AlertState.RESOLVED if alert.state is AlertState.FIRING else AlertState.INACTIVE
            changes += _ended(alert, state, at, "rule removed").changes
    return tuple(kept), tuple(changes)


def _rule(board: Board, rule: Rule, alerts: Mapping[AlertId, Alert], at: datetime, book: RuleBook, *, live_changed: bool) -> Iterator[Advanced]:  # noqa: PLR0913  one rule looks at all that an evaluation has
    reading = Reading(board, rule.reach(book.size), rule.version, rule.segment, book.lacking.get(rule.name, NOT_CALIBRATED))
    digest = book.digest_of(rule)
    told: set[AlertId] = set()
    for outcome in rule.when.check(reading):
        key = AlertId(rule.name, board.model, outcome.segment, outcome.subject, outcome.version if rule.version is not None else "")
        told.add(key)
        alert = alerts.get(key) or Alert(key, outcome.version, AlertState.INACTIVE, at, rule_digest=digest)
        restarted = _restart(alert, at, changed=live_changed and rule.version is None, digest=digest)
        if rule.version is not None and board.versions.get(outcome.version, 0.0) <= 0:
            yield _without_traffic(restarted.alert or alert, at)
            continue
        after = advance(
            restarted.alert or replace(alert, state=AlertState.INACTIVE, hits=0, misses=0, rule_digest=digest, gone=0), outcome, rule, at, book.size
        )
        yield Advanced(after.alert if after.alert is None else replace(after.alert, gone=0), (*restarted.changes, *after.changes))
    for key, alert in alerts.items():
        if key not in told:
            gone = rule.version is not None and board.versions.get(key.version, 0.0) <= 0
            yield _without_traffic(alert, at) if gone else _unheard(alert, at, digest)


def _restart(alert: Alert, at: datetime, *, changed: bool, digest: str) -> Advanced:
    """Pending starts anew when the live version or the rule changed; firing goes on."""
    if not changed and alert.rule_digest == digest:
        return Advanced(alert)
    if alert.state is AlertState.PENDING:
        return _ended(alert, AlertState.INACTIVE, at, "live version changed" if changed else "rule changed")
    return Advanced(replace(alert, rule_digest=digest))


def _unheard(alert: Alert, at: datetime, digest: str) -> Advanced:
    """The rule says nothing of the subject: missing data keeps the alert, an edit that no longer looks at it ends it."""
    if alert.rule_digest == digest:
        return Advanced(alert)
    return _ended(alert, AlertState.RESOLVED if alert.state is AlertState.FIRING else AlertState.INACTIVE, at, "rule changed")


def _without_traffic(alert: Alert, at: datetime) -> Advanced:
    """A named version sent nothing: after three windows its alert is over."""
    if alert.state is AlertState.INACTIVE:
        return Advanced(None)
    if alert.gone + 1 < GONE_AFTER:
        return Advanced(replace(alert, gone=alert.gone + 1))
    state = AlertState.RESOLVED if alert.state is AlertState.FIRING else AlertState.INACTIVE
    return _ended(alert, state, at, "version no longer serves")
