"""What a delivery controller should do with a version that takes traffic: go on, wait, or take it back. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from watchtower.core import wording
from watchtower.core.rules import Rule, RuleBook
from watchtower.nouns.alert import Alert, AlertState
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.incident import IncidentState
from watchtower.nouns.memory import Memory
from watchtower.nouns.plan import Plan
from watchtower.nouns.score import Board, matches

ENOUGH = 1_000
"""Predictions that a version must have served before it is gone on with, where nobody says how many."""


class Course(StrEnum):
    """Never a boolean: what is not known holds, and only what is known to be worse aborts."""

    ADVANCE = "advance"
    HOLD = "hold"
    ABORT = "abort"

    @property
    def value_of(self) -> int:
        """1, 0 or -1: what metric providers compare."""
        return {Course.ADVANCE: 1, Course.HOLD: 0, Course.ABORT: -1}[self]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known when somebody asks. *board* is the newest one, None where no window was evaluated; *rows* are those that the version served."""

    memory: Memory
    board: Board | None
    book: RuleBook
    version: str
    rows: int
    now: datetime
    enough: int = ENOUGH
    max_age: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do, and why, as arithmetic; *evidence* as plain values."""

    course: Course
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)


def canary_of(memory: Memory, board: Board | None) -> str | None:
    """The version that is asked about where none is named: the one beside the live one that has traffic and served first last, else the live one."""
    served = memory.served
    beside = [version for version, share in ({} if board is None else board.versions).items() if share > 0 and version not in {"", served.live}]
    return max(beside, key=lambda version: (served.first_served[version].timestamp() if version in served.first_served else 0.0, version), default=served.live)


def judged(asked: Asked) -> Answer:
    """Abort where the version was judged worse or a page fires on it; advance where rules looked at enough of it and found nothing; else hold."""
    evidence = _evidence(asked)
    worse = next(_worse(asked), None)
    if worse is not None:
        return Answer(Course.ABORT, worse, evidence)
    lacking = next(_lacking(asked), None)
    if lacking is not None:
        return Answer(Course.HOLD, lacking, evidence)
    looked = ", ".join(rule.name for rule in _looking(asked))
    return Answer(Course.ADVANCE, f"{asked.rows:,} predictions >= {asked.enough:,}, and nothing was found by {looked}", evidence)


def _worse(asked: Asked) -> Iterator[str]:
    memory, version = asked.memory, asked.version
    if version in memory.served.rolled_back_from:
        yield f"version {version} was gone back from; `watchtower clear {memory.model}/{version}` makes it healthy again"
    for plan in _plans(asked):
        if plan.verdict is Verdict.ACCEPT:
            yield f"version {version} was judged worse than {plan.candidate}: {plan.reason}"
    for alert in _alerts(asked, AlertState.FIRING):
        if alert.severity == "page":
            yield f"{alert.id} fires on version {version}: {_value(alert)}"


def _lacking(asked: Asked) -> Iterator[str]:
    """What stands in the way of going on."""
    memory, version, board = asked.memory, asked.version, asked.board
    if board is None or memory.evaluated_through is None:
        yield f"no window of {memory.model} was evaluated yet"
        return
    age = asked.now - memory.evaluated_through
    if age > asked.max_age:
        yield f"the last window is {wording.span(age)} old > {wording.span(asked.max_age)}: monitoring may be out"
    if version not in memory.served.first_served and version != memory.served.live:
        yield f"version {version} has served nothing yet"
    elif board.versions.get(version, 0.0) <= 0:
        yield f"version {version} served nothing in the last window"
    for state in (AlertState.FIRING, AlertState.PENDING):
        for alert in _alerts(asked, state):
            yield f"{alert.id} is {state} on version {version}: {_value(alert)}"
    for plan in _plans(asked):
        if plan.step.is_open:
            yield f"a trial weighs version {version} ({plan.step}){': ' + plan.reason if plan.reason else ''}"
        elif plan.verdict in {Verdict.INCONCLUSIVE, Verdict.BROKEN}:
            yield f"the trial of version {version} was {plan.verdict}: {plan.reason}"
    if asked.rows < asked.enough:
        yield f"{asked.rows:,} of {asked.enough:,} predictions"
    if not _looking(asked):
        hint = "" if version == memory.served.live else '; a rule with `version: "*"` looks at canaries'
        yield f"no rule has a score of version {version}, so nothing is known of it{hint}"


def _alerts(asked: Asked, state: AlertState) -> list[Alert]:
    return [alert for alert in asked.memory.alerts if alert.state is state and alert.version == asked.version]


def _plans(asked: Asked) -> list[Plan]:
    """The open incident's plans that weigh this version."""
    memory = asked.memory
    if memory.incident is None or memory.incident.state is not IncidentState.OPEN:
        return []
    mine = [plan for plan in (memory.plan, *memory.others) if plan is not None]
    return [plan for plan in mine if plan.live == asked.version and plan.incident == memory.incident.id]


def _looking(asked: Asked) -> Sequence[Rule]:
    """The rules that watch this version and have a score of it on the board."""
    board = asked.board
    if board is None:
        return ()
    scored = {slot.need.measure for slot, scores in board.scores.items() if slot.version == asked.version and any(each is None for each in scores.reasons)}
    mine = (rule for rule in asked.book.of(asked.memory.model) if _watches(rule, asked))
    return [rule for rule in mine if any(need.measure in scored for need in rule.needs(asked.book.size))]


def _watches(rule: Rule, asked: Asked) -> bool:
    return asked.version == asked.memory.served.live if rule.version is None else matches(rule.version, asked.version)


def _value(alert: Alert) -> str:
    return "no score" if alert.value is None else f"{alert.value:.4g}"


def _evidence(asked: Asked) -> dict[str, object]:
    memory, board = asked.memory, asked.board
    alerts = [alert for state in (AlertState.FIRING, AlertState.PENDING) for alert in _alerts(asked, state)]
    return {
        "rows": asked.rows,
        "rows_wanted": asked.enough,
        "share": None if board is None else board.versions.get(asked.version, 0.0),
        "rules": [rule.name for rule in _looking(asked)],
        "alerts": [{"alert": str(alert.id), "state": str(alert.state), "severity": alert.severity} for alert in alerts],
        "plans": [{"id": plan.id, "step": str(plan.step), "verdict": plan.verdict and str(plan.verdict)} for plan in _plans(asked)],
        "evaluated_through": None if memory.evaluated_through is None else memory.evaluated_through.isoformat().replace("+00:00", "Z"),
    }
