"""What happens to a plan: facts, which are recorded, hash-chained and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watchtower.nouns.alert import AlertId
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.step import Step


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
class Prepared:
    """The target's state right before it is called: the undo of the undo. The call acts on exactly this state (*token*) or not at all."""

    kind = "prepared"
    target: str
    version: str | None
    token: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Switched:
    """The target names the candidate now. *detail*: what was asked of it and what it answered; *changed* False: it already did when we came."""

    kind = "switched"
    target: str
    before: str | None
    after: str
    dry_run: bool = False
    changed: bool = True
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwitchFailed:
    """The target refused, or names a third version: *void* means that somebody else switched meanwhile."""

    kind = "switch_failed"
    reason: str
    void: bool
    detail: Mapping[str, object] = field(default_factory=dict)


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


Fact = Fired | Judged | Approved | Refused | Prepared | Switched | SwitchFailed | Serving | AllResolved | DeadlinePassed | Frozen
