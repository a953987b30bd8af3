"""Reasons not to roll back now. Each is a sentence that begins with the guard's name and ends with its arithmetic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchtower.core import freezing, wording
from watchtower.nouns.plan import Plan
from watchtower.nouns.settings import GuardSettings

LASTING = frozenset({"frozen", "freeze_window", "cooldown", "at_most", "one at a time"})
"""Guards that clear for good; one that comes and goes brings at most one further trial."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Somebody froze actions: the kill switch. *model* "" is every model; *until* None: until it is thawed."""

    model: str
    by: str
    at: datetime
    origin: str = ""
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Busy:
    """Another plan that is switching the same target."""

    plan: str
    model: str
    step: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the guards look at.

    Attributes:
        settings: the limits of the plan's model.
        now: the clock (in replay: event time), against which the evidence's age is measured.
        evidence_end: end of the last window that the evidence saw; cooldown and at_most count from it, in event time.
        live: the live version as the traffic shows it.
        target_current: what the target names; None where it names nothing or is not asked (replay).
        rollbacks: when rollbacks of this model were decided, in event time.
        freeze: the kill switch, where it is on.
        busy: another plan that is switching the same target now.
        traffic: served rows of the last windows, and how many seconds those cover; None where no least traffic is asked for.
        artefact: what is wrong with the candidate's artefact at this moment, "" where nothing is or none is needed.
    """

    settings: GuardSettings
    now: datetime
    evidence_end: datetime
    live: str | None
    target_current: str | None = None
    rollbacks: Sequence[datetime] = ()
    freeze: Freeze | None = None
    busy: Busy | None = None
    traffic: tuple[int, float] | None = None
    artefact: str = ""


def holding(plan: Plan, seen: Seen) -> list[str]:
    """Every guard that holds *plan*, in a fixed order; an empty list lets it act."""
    return [
        *changing(plan, seen),
        *_cooldown(seen.settings.cooldown, seen.rollbacks, seen.evidence_end),
        *_at_most(seen.settings, seen.rollbacks, seen.evidence_end),
        *_minimum_traffic(seen),
        *_artefact(seen),
    ]


def changing(plan: Plan, seen: Seen) -> list[str]:
    """Those that can have changed since the decision, looked at again right before the target is called."""
    return [
        *_frozen(seen),
        *_freeze_window(seen),
        *_live_unclear(plan, seen),
        *_one_at_a_time(seen),
        *_max_age(seen.settings.max_age, seen.now - seen.evidence_end),
    ]


def is_freeze(sentence: str) -> bool:
    """Whether *sentence* is of the kill switch or a freeze window."""
    return sentence.startswith(("frozen:", "freeze_window:"))


def _frozen(seen: Seen) -> Iterator[str]:
    freeze = seen.freeze
    if freeze is None:
        return
    why = f" ({freeze.reason})" if freeze.reason else ""
    until = "until it is thawed" if freeze.until is None else f"until {wording.moment(freeze.until)}"
    yield f"frozen: {freeze.by} froze {freeze.model or 'every model'} {until}{why}, {wording.span(max(timedelta(0), seen.now - freeze.at))} ago"


def _freeze_window(seen: Seen) -> Iterator[str]:
    said = freezing.within(seen.settings.freeze, seen.now)
    if said:
        yield said


def _live_unclear(plan: Plan, seen: Seen) -> Iterator[str]:
    judged = "asked to leave" if plan.by else "the trial judged"
    if seen.live != plan.stable and not (plan.by and seen.live is None):  # a person who asks may know more than a log that nobody has read yet
        yield f"live version unclear: the traffic shows {seen.live or 'none'}, {judged} {plan.stable}"
    if seen.target_current is not None and seen.target_current != plan.live and not plan.canary:
        yield f"live version unclear: the target names {seen.target_current}, the traffic shows {plan.live}"


def _one_at_a_time(seen: Seen) -> Iterator[str]:
    if seen.busy is not None:
        yield f"one at a time: plan {seen.busy.plan} of {seen.busy.model} acts on the same target, it is {seen.busy.step}"


def _max_age(limit: timedelta, age: timedelta) -> Iterator[str]:
    if age > limit:
        yield f"max_age: the evidence is {wording.span(age)} old > {wording.span(limit)}"


def _cooldown(limit: timedelta, rollbacks: Sequence[datetime], at: datetime) -> Iterator[str]:
    since = [at - each for each in rollbacks if each <= at]
    if since and min(since) < limit:
        yield f"cooldown: {wording.span(min(since))} since the last rollback < {wording.span(limit)}"


def _at_most(settings: GuardSettings, rollbacks: Sequence[datetime], at: datetime) -> Iterator[str]:
    most = settings.at_most
    recent = sum(timedelta(0) <= at - each < most.per for each in rollbacks)
    if recent >= most.times:
        yield f"at_most: {recent} rollbacks in the last {wording.span(most.per)} >= {most.times}"


def _minimum_traffic(seen: Seen) -> Iterator[str]:
    least = seen.settings.minimum_traffic
    if least is None or seen.traffic is None:
        return
    rows, seconds = seen.traffic
    windows = f"the last {least.windows} windows" if least.windows > 1 else "the last window"
    if least.rows is not None and rows < least.rows:
        yield f"minimum_traffic: {rows:,} rows in {windows} < {least.rows:,}"
    rate = rows / seconds if seconds > 0 else 0.0
    if least.per_second is not None and rate < least.per_second:
        yield f"minimum_traffic: {rate:.3g} predictions per second in {windows} < {least.per_second:g}"


def _artefact(seen: Seen) -> Iterator[str]:
    if seen.artefact:
        yield f"artefact: {seen.artefact}"
