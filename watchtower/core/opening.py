"""Which trial an evaluation begins: of the live version, or of a canary beside it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from watchtower.core import versions
from watchtower.core.rules import Rule, RuleBook
from watchtower.core.versions import FADED, LEADS, Standing
from watchtower.nouns.alert import Alert, AlertChange, AlertId, AlertState
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.facts import Fired
from watchtower.nouns.limits import AS_USUAL, Limits
from watchtower.nouns.memory import Memory
from watchtower.nouns.plan import Plan

LEAST_WINDOWS, LEAST = 10, timedelta(minutes=1)
"""Alerts have at least this long to resolve after a switch."""
_OTHERS = 8


@dataclass(frozen=True, slots=True)
class Response:
    """What a model's settings say about acting: who is healthy, which target, who must approve, when an incident is over."""

    standing: Standing = field(default_factory=Standing)
    target: str = ""
    approval_required: bool = False
    quiet: int = 5
    max_age: timedelta = timedelta(minutes=15)
    """Windows that were over for longer than this when they were evaluated are told, and begin no trial: monitoring was out."""
    age: timedelta = timedelta(0)
    """How long the window has been over."""
    aborts_canaries: bool = False
    """Whether the target can take a canary's traffic away."""
    limits: Limits = AS_USUAL
    resolve_within: timedelta | None = None
    """How long alerts may take to resolve after a switch; None: as long as the rules that fired need."""
    retrains: bool = False
    """Whether there is somebody to tell that the model should be trained anew."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a trial is of: the live version, or a canary."""

    version: str
    canary: bool
    acting: Sequence[tuple[Alert, Rule]]


def opening(  # noqa: PLR0913, PLR0917  what one evaluation saw
    memory: Memory, changes: Sequence[AlertChange], firing: Sequence[Alert], book: RuleBook, response: Response, at: datetime, shares: Mapping[str, float]
) -> Iterator[Fired]:
    """The fact that opens a plan: a rule that responds fires, outside grace, and nothing was tried yet for this version.

    The live version comes first; else a canary with traffic that a rule with an explicit `version:` fires on. *shares*: version -> share of the
    window's served predictions.
    """
    live = memory.served.live
    if live is None or memory.incident is None or (memory.plan is not None and memory.plan.step.is_open):
        return
    fresh = {change.alert.id for change in changes if change.alert.state is AlertState.FIRING}
    for subject in _subjects(memory, firing, book, live, shares):
        past = _past(memory, subject)
        if _may_try(past, subject, fresh):
            yield _fired(memory, subject, past, book, response, at)
            return


def _fired(memory: Memory, subject: _Subject, past: Plan | None, book: RuleBook, response: Response, at: datetime) -> Fired:  # noqa: PLR0913, PLR0917  what a fact is made of
    live, acting = memory.served.live or "", subject.acting
    within = response.resolve_within or enough([rule for _, rule in acting], book.size)
    return Fired(
        model=memory.model,
        live=subject.version,
        alerts=tuple(alert.id for alert, _ in acting),
        fired_at=at,
        candidates=(live,) if subject.canary else versions.candidates(memory.served, response.standing),
        rollback=any("rollback" in rule.respond for _, rule in acting),
        dry_run=all(rule.dry_run for _, rule in acting),
        respond_measures=tuple(
            dict.fromkeys((rule.name, measure) for alert, rule in acting for measure in alert.measures or [str(need.measure) for need in rule.needs(book.size)])
        ),
        target=response.target,
        approval_required=response.approval_required,
        canary=subject.canary,
        aborts_canaries=subject.canary and response.aborts_canaries,
        incident="" if memory.incident is None else memory.incident.id,
        limits=replace(response.limits, resolve_within=within),
        again=() if past is None or not past.cleared else tuple(dict.fromkeys([*past.again, *names(past.guards)])),
    )


def enough(rules: Sequence[Rule], size: timedelta) -> timedelta:
    """How long alerts of *rules* may take to resolve once another version serves: `over` + `hold` + `keep_firing`, and until it counts as live."""
    windows = [LEAST_WINDOWS]
    for rule in rules:
        needed = [LEAST_WINDOWS if need.over.rows else need.over.windows for need in rule.needs(size)]
        windows.append(max(needed, default=1) + rule.hold.in_windows(size) + rule.keep_firing.in_windows(size) + LEADS)
    return max(LEAST, max(windows) * size)


def names(guards: Sequence[str]) -> tuple[str, ...]:
    """The names that the sentences of *guards* begin with."""
    return tuple(dict.fromkeys(each.partition(":")[0] for each in guards))


def others(memory: Memory, incident: str) -> tuple[Plan, ...]:
    """The ended plans of *incident* that stand beside the one that opens now: of the live version, and of each canary."""
    before = [each for each in _plans(memory) if each.incident == incident]
    return tuple({_kind(each): each for each in reversed(before)}.values())[::-1][:_OTHERS]


def _plans(memory: Memory) -> tuple[Plan, ...]:
    return memory.others if memory.plan is None else (memory.plan, *memory.others)


def _kind(plan: Plan) -> tuple[bool, str]:
    return plan.canary, plan.live if plan.canary else ""


def _subjects(memory: Memory, firing: Sequence[Alert], book: RuleBook, live: str, shares: Mapping[str, float]) -> Iterator[_Subject]:
    rules = {rule.name: rule for rule in book.of(memory.model)}
    answering = [(alert, rules[alert.id.rule]) for alert in firing if answers(rules[alert.id.rule], memory, book.size)]
    beside = sorted({_of(alert.id, live) for alert, _ in answering} - {live}, key=versions.natural)
    for version in (live, *(each for each in beside if shares.get(each, 0.0) >= FADED)):
        mine = [(alert, rule) for alert, rule in answering if _of(alert.id, live) == version]
        acting = [(alert, rule) for alert, rule in mine if not rule.dry_run] or mine
        if acting:
            yield _Subject(version, version != live, acting)


def _of(alert: AlertId, live: str) -> str:
    return alert.version or live


def answers(rule: Rule, memory: Memory, size: timedelta) -> bool:
    """Whether *rule* responds with a trial now: not in grace."""
    return not in_grace(rule, memory, size) and bool({"rollback", "shadow"} & set(rule.respond))


def in_grace(rule: Rule, memory: Memory, size: timedelta) -> bool:
    """Whether the live version changed less than `grace` ago."""
    return bool(memory.served.changed) and memory.served.since_change < rule.grace.in_windows(size)


def _past(memory: Memory, subject: _Subject) -> Plan | None:
    """The incident's newest plan of the same kind that no person asked for: of the live version, or of this canary."""
    if memory.incident is None:
        return None
    mine = (each for each in _plans(memory) if each.incident == memory.incident.id and not each.by)
    return next((each for each in mine if each.canary == subject.canary and (not subject.canary or each.live == subject.version)), None)


def _may_try(past: Plan | None, subject: _Subject, fresh: set[AlertId]) -> bool:
    """One trial per version and incident; again where only a dry run was tried, an inconclusive one ended and the rule fired anew, or a guard has cleared."""
    if past is None or past.live != subject.version:
        return True
    anew = any(alert.id in fresh for alert, _ in subject.acting)
    dry_run = all(rule.dry_run for _, rule in subject.acting)
    return (past.dry_run and not dry_run) or (anew and past.verdict is Verdict.INCONCLUSIVE) or past.cleared
