"""What happens to a plan: facts, which are recorded, hash-chained and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watchtower.nouns.alert import AlertId
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.limits import AS_USUAL, Limits
from watchtower.nouns.provenance import Provenance
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
    canary: bool = False
    """The alerts are on a canary, which *live* names then; the one candidate is the stable version, which the traffic goes back to."""
    aborts_canaries: bool = False
    """Whether the target can take a canary's traffic away."""
    incident: str = ""
    limits: Limits = AS_USUAL
    again: tuple[str, ...] = ()
    """Names of the guards that had held the plan before this one, and have cleared."""
    provenance: Provenance = field(default_factory=Provenance)
    """By which rules, settings and release."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A person asked to go back by hand; the fact that opens a plan without a trial. *guards* are the reasons not to that held at that moment."""

    kind = "asked"
    model: str
    live: str
    candidate: str
    by: str
    origin: str
    asked_at: datetime
    target: str = ""
    reason: str = ""
    guards: tuple[str, ...] = ()
    incident: str = ""
    limits: Limits = AS_USUAL


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
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A person said no."""

    kind = "refused"
    by: str
    origin: str
    reason: str = ""


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
class Unreached:
    """The target could not be reached, or was too busy: the same call is made again until then. Recorded once, at the first time."""

    kind = "unreached"
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Serving:
    """The traffic shows that *version* is live. *at*: end of the window that shows it."""

    kind = "serving"
    version: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Faded:
    """The traffic shows that a canary has none any more: under 1 % of the served predictions. *at*: end of the window that shows it."""

    kind = "faded"
    version: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AllResolved:
    """No alert of the plan's rules fires any more. *at*: end of the window that shows it."""

    kind = "all_resolved"
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The step took longer than it may. *evaluated* False: windows up to then were never evaluated, so nothing is known of what came of it."""

    kind = "deadline_passed"
    step: Step
    evaluated: bool = True


@dataclass(frozen=True, slots=True)
class Frozen:
    """Somebody froze actions, or a window in which none may be taken has begun. *by*: who, or the guard's sentence."""

    kind = "frozen"
    by: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Right before the target was called a guard held that had not held at the verdict. *guards*: which, as sentences."""

    kind = "stopped"
    guards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """The guards that had held a plan hold no longer, while its alerts still fire: the next evaluation may begin a fresh trial."""

    kind = "cleared"
    guards: tuple[str, ...]


Fact = (
    Fired
    | Asked
    | Judged
    | Approved
    | Refused
    | Prepared
    | Switched
    | SwitchFailed
    | Unreached
    | Serving
    | Faded
    | AllResolved
    | DeadlinePassed
    | Frozen
    | Stopped
    | Cleared
)
