"""Rollbacks under way: a plan is the fold of its facts. Decisions are data that says what should happen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from watchtower.nouns.alert import Alert, AlertChange, AlertId
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.score import Board


class Step(StrEnum):
    """Where a plan stands."""

    ON_TRIAL = "on_trial"
    AWAITING_APPROVAL = "awaiting_approval"
    SWITCHING = "switching"
    VERIFYING = "verifying"
    ROLLED_BACK = "rolled_back"
    HELD = "held"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether the plan can still move."""
        return self in {Step.ON_TRIAL, Step.AWAITING_APPROVAL, Step.SWITCHING, Step.VERIFYING}


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that responds with a trial began firing; the fact that opens a plan."""

    kind = "fired"
    model: str
    live: str
    alerts: tuple[AlertId, ...]
    fired_at: datetime
    candidates: tuple[str, ...]
    rollback: bool
    """False: the rule responds with `shadow` only, so nothing will be switched."""
    dry_run: bool
    respond_measures: tuple[tuple[str, str], ...] = ()
    """(rule, measure) of the alerts."""
    target: str = ""
    approval_required: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A trial's outcome. *guards* are the reasons not to roll back that held at that moment."""

    kind = "judged"
    verdict: Verdict
    diagnosis: Diagnosis
    reason: str
    candidate: str | None
    judged_at: datetime
    guards: tuple[str, ...] = ()
    approval_asked: bool = False
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Approved:
    """A person said yes."""

    kind = "approved"
    by: str
    origin: str
    candidate: str
    guards: tuple[str, ...] = ()
    """The reasons not to roll back that held at that moment."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A person said no."""

    kind = "refused"
    by: str
    origin: str


@dataclass(frozen=True, slots=True)
class Switched:
    """The target names the candidate now. *by_us* False: it already did when we looked after a crash."""

    kind = "switched"
    target: str
    before: str | None
    after: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class SwitchFailed:
    """The target refused, or names a third version: *void* means that somebody else switched meanwhile."""

    kind = "switch_failed"
    reason: str
    void: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """The traffic shows that *version* is live."""

    kind = "serving"
    version: str


@dataclass(frozen=True, slots=True)
class AllResolved:
    """No alert of the incident fires any more."""

    kind = "all_resolved"


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The step took longer than it may."""

    kind = "deadline_passed"
    step: Step


@dataclass(frozen=True, slots=True)
class Frozen:
    """Somebody froze actions."""

    kind = "frozen"
    by: str


Fact = Fired | Judged | Approved | Refused | Switched | SwitchFailed | Serving | AllResolved | DeadlinePassed | Frozen


@dataclass(frozen=True, slots=True)
class Plan:
    """One rollback under way, or ended. The fold of its facts; *revision* counts them."""

    id: str
    model: str
    incident: str
    step: Step
    live: str
    candidates: tuple[str, ...]
    opened_at: datetime
    revision: int = 1
    candidate: str | None = None
    verdict: Verdict | None = None
    diagnosis: Diagnosis | None = None
    reason: str = ""
    rollback: bool = True
    dry_run: bool = False
    approval_required: bool = False
    target: str = ""
    deadline: datetime | None = None
    fired: tuple[tuple[str, str], ...] = ()
    """(rule, measure) of the alerts that opened it."""
    judged_at: datetime | None = None
    switched_at: datetime | None = None
    serving_at: datetime | None = None


class IncidentState(StrEnum):
    """An incident is open until *quiet* windows after its last alert resolved."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of an incident's timeline."""

    at: datetime
    what: str
    """alert | trial | verdict | switched | serving | closed | note"""
    text: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts of one model that belong together, with their evidence and actions. *revision* grows with every telling change."""

    id: str
    model: str
    opened_at: datetime
    state: IncidentState = IncidentState.OPEN
    revision: int = 1
    closed_at: datetime | None = None
    quiet: int = 0
    """Evaluations since the last alert resolved."""
    severity: str = "warn"
    alerts: tuple[AlertId, ...] = ()
    notify: tuple[str, ...] = ()
    timeline: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the far end gave back, kept until the next delivery (Slack: channel and ts of the thread)."""

    fields: dict[str, str] = field(default_factory=dict)


class DecisionKind(StrEnum):
    """What replay prints, the audit keeps and tests compare."""

    NOTIFY = "notify"
    BEGIN_TRIAL = "begin_trial"
    ROLL_BACK = "roll_back"
    ABORT = "abort"
    HOLD = "hold"
    RETRAIN = "retrain"


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that should happen; workers act on committed ones only."""

    kind: DecisionKind
    model: str
    at: datetime
    reason: str = ""
    notifier: str | None = None
    live: str | None = None
    candidate: str | None = None
    verdict: Verdict | None = None
    diagnosis: Diagnosis | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A plan after a fact, and what follows from it."""

    plan: Plan
    decisions: tuple[Decision, ...] = ()
    note: str = ""
    """What the incident's timeline says, "" if nothing."""


@dataclass(frozen=True, slots=True)
class Served:
    """Which version served, per evaluated window: the record behind `live` and `healthy`."""

    live: str | None = None
    leader: str | None = None
    led: int = 0
    previous: str | None = None
    """The live version before this one."""
    live_since: datetime | None = None
    """Start of the first window of the present live version."""
    first_served: Mapping[str, datetime] = field(default_factory=dict)
    quiet_windows: Mapping[str, int] = field(default_factory=dict)
    """version -> consecutive windows live without a page, as it stood when it was last live."""
    rolled_back_from: tuple[str, ...] = ()
    changed: tuple[datetime, ...] = ()
    """Ends of the windows at which another version became live, newest last, the last 50."""
    since_change: int = 0
    """Evaluated windows since the live version changed (0 at the change itself)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """One model's state between evaluations: loaded for each one and returned changed."""

    model: str
    alerts: tuple[Alert, ...] = ()
    """Every alert that is pending or firing, and what hysteresis needs of the others."""
    incident: Incident | None = None
    plan: Plan | None = None
    """The open plan, or the incident's last one."""
    served: Served = Served()
    rollbacks: tuple[datetime, ...] = ()
    """When rollbacks were decided (event time), newest last, the last 50."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """"measure|segment|subject" -> windows since it last had a score (for `absent`), at most 60."""
    evaluated_through: datetime | None = None
    reference_windows: int = 0
    """Windows that closed while the reference was not complete (`first_windows`)."""
    reference_rows: int = 0
    """Served rows in them."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation says; committed in one transaction."""

    board: Board
    changes: tuple[AlertChange, ...]
    memory: Memory
    decisions: tuple[Decision, ...]
    facts: tuple[Fact, ...] = ()
    """Facts for the open plan (or the one that is being opened), in order."""
