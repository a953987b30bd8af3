"""Reasons not to roll back now. Each is a sentence that begins with the guard's name and ends with its arithmetic."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from watchtower.core import wording
from watchtower.nouns.plan import Plan
from watchtower.nouns.settings import GuardSettings


def holding(  # noqa: PLR0913  each guard looks at one fact of its own
    plan: Plan,
    *,
    settings: GuardSettings,
    rollbacks: Sequence[datetime],
    now: datetime,
    evidence_end: datetime,
    live: str | None,
    target_current: str | None,
    frozen: bool,
) -> list[str]:
    """Every guard that holds *plan*, in a fixed order; an empty list lets it act.

    Args:
        plan: the one that would act.
        settings: the limits of its model.
        rollbacks: when rollbacks of this model were decided, in event time.
        now: the clock (in replay: event time), against which the evidence's age is measured.
        evidence_end: end of the last window that the evidence saw; cooldown and at_most count from it, in event time.
        live: the live version as the traffic shows it.
        target_current: what the target names; None where it names nothing or is not asked (replay).
        frozen: whether somebody froze actions.
    """
    return [
        *_frozen(frozen=frozen),
        *_live_unclear(plan, live, target_current),
        *_max_age(settings.max_age, now - evidence_end),
        *_cooldown(settings.cooldown, rollbacks, evidence_end),
        *_at_most(settings, rollbacks, evidence_end),
    ]


def _frozen(*, frozen: bool) -> Iterator[str]:
    if frozen:
        yield "frozen: somebody froze actions; thaw to act again"


def _live_unclear(plan: Plan, live: str | None, target_current: str | None) -> Iterator[str]:
    if live != plan.stable:
        yield f"live version unclear: the traffic shows {live or 'none'}, the trial judged {plan.stable}"
    if target_current is not None and target_current != plan.live and not plan.canary:
        yield f"live version unclear: the target names {target_current}, the traffic shows {plan.live}"


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
