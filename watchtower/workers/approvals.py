"""A person says yes or no: recorded as a fact of the one plan that asked, under the same guards. The actions worker does what follows."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from watchtower.core import planning, wording
from watchtower.nouns.errors import Fenced
from watchtower.nouns.facts import Approved, Fact, Refused
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.step import Step
from watchtower.store import Store
from watchtower.workers.actions import unheard
from watchtower.workers.guarding import Guarding

log = logging.getLogger(__name__)
MARK = "@"
"""Between a plan's id and its revision, in what a person names."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who says it, from where (`cli HOST`, `api ADDRESS`), and why."""

    by: str
    origin: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it, and a sentence that says so.

    *what*: done; held (a guard holds, the plan still awaits approval); nothing (nothing of that name awaits approval, or not this).
    """

    what: Literal["done", "held", "nothing"]
    text: str
    plan: Plan | None = None


def token(plan: Plan) -> str:
    """What names exactly this asking: the plan at its revision."""
    return f"{plan.id}{MARK}{plan.revision}"


@dataclass(frozen=True, slots=True)
class ApprovalDesk:
    """Takes approvals and refusals; works beside a running daemon, and without one.

    An approval is single-use and scoped to one plan and one candidate at one revision. A bare incident or plan is enough while that is clear: the
    incident's first asking that nobody has answered. After that the plan must be named with its revision (`ID@REVISION`), so that an approval that
    leaked or is sent again switches nothing else.
    """

    store: Store
    guarding: Guarding
    heard: Callable[[Plan, Fact, Move], None] = field(default=unheard)

    def approve(self, name: str, who: Person, now: datetime, *, candidate: str | None = None) -> Said:
        """Approves what *name* (an incident, a plan, or a plan@revision) asks for; *candidate*: only if that is the version that was asked for."""
        plan = self._asking(name, candidate)
        if isinstance(plan, Said):
            return plan
        memory = self.store.evaluations.memory(plan.model)
        through = memory.evaluated_through or now
        guards = self.guarding.holding(plan, memory, through, now)
        fact = Approved(who.by, who.origin, plan.candidate or "", guards, who.reason)
        after = self._recorded(plan, fact, now)
        if isinstance(after, Said):
            return after
        if after.step is Step.AWAITING_APPROVAL:
            return Said("held", f"{'; '.join(guards)}: plan {plan.id} still awaits approval, name it as {token(after)} to approve it again", after)
        if after.step is not Step.SWITCHING:
            return Said("nothing", f"plan {plan.id} is {_step(after)}: {after.reason}", after)
        doing = f"the traffic of canary {plan.live} is taken away" if plan.canary else f"{plan.model} goes back from {plan.live} to {plan.candidate}"
        return Said("done", f"approved: {doing} (plan {plan.id})", after)

    def reject(self, name: str, who: Person, now: datetime, *, candidate: str | None = None) -> Said:
        """Refuses what *name* asks for; nothing is switched."""
        plan = self._asking(name, candidate)
        if isinstance(plan, Said):
            return plan
        after = self._recorded(plan, Refused(who.by, who.origin, who.reason), now)
        return after if isinstance(after, Said) else Said("done", f"refused: {plan.live} stays (plan {plan.id})", after)

    def _asking(self, name: str, candidate: str | None) -> Plan | Said:
        bare, _, revision = name.partition(MARK)
        plans = self.store.plans.of_incident(bare)
        if not plans:
            return Said("nothing", f"there is no incident or plan {bare!r}; `watchtower incidents` lists them")
        plan = next((each for each in plans if each.step is Step.AWAITING_APPROVAL), None)
        if plan is None:
            return Said("nothing", f"nothing awaits approval in {bare}: plan {plans[-1].id} is {_step(plans[-1])}", plans[-1])
        said = _unclear(plan, plans, bare, revision)
        if said:
            return Said("nothing", said, plan)
        if candidate is not None and candidate != plan.candidate:
            return Said("nothing", f"plan {plan.id} asks for version {plan.candidate}, not {candidate}: nothing was switched", plan)
        return plan

    def _recorded(self, plan: Plan, fact: Fact, now: datetime) -> Plan | Said:
        move = planning.advance(plan, fact, now)
        try:
            after = self.store.plans.record(plan, fact, move, now)
        except Fenced:
            moved = self.store.plans.plan(plan.id)
            return Said("nothing", f"plan {plan.id} moved meanwhile: it is {_step(moved)}", moved)
        log.info("plan_moved model=%s plan=%s fact=%s step=%s reason=%s", plan.model, plan.id, fact.kind, after.step, move.note)
        self.heard(plan, fact, move)
        return after


def _unclear(plan: Plan, plans: list[Plan], bare: str, revision: str) -> str:
    """Why *bare* and *revision* do not name this asking of *plan* alone, "" where they do."""
    if revision:
        named = bare == plan.id and revision == str(plan.revision)
        return "" if named else f"{bare}{MARK}{revision} does not ask any more; what does is {token(plan)} ({plan.live} to {plan.candidate})"
    answered = bool(plan.approved_by)
    earlier = bare != plan.id and any(each.id != plan.id and (each.asked_at is not None or each.approved_by) for each in plans)
    if not answered and not earlier:
        return ""
    until = f" until {wording.moment(plan.deadline)}" if plan.deadline is not None else ""
    return f"{bare} has asked more than once: say which asking is meant, {token(plan)} goes from {plan.live} to {plan.candidate}{until}"


def _step(plan: Plan) -> str:
    return str(plan.step).replace("_", " ")
