"""Follows open plans: looks at trials, switches targets, watches deadlines. It acts on what is committed, and records what came of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from watchtower.core import planning
from watchtower.core.guards import LASTING
from watchtower.core.observing import fires
from watchtower.core.opening import names
from watchtower.nouns.errors import Fenced, ShadowError, Unavailable
from watchtower.nouns.evidence import Diagnosis, Judgement, Verdict
from watchtower.nouns.facts import Cleared, DeadlinePassed, Fact, Judged, Unreached
from watchtower.nouns.incident import IncidentState
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.step import Step
from watchtower.store import Store
from watchtower.workers.base import Aside
from watchtower.workers.guarding import Guarding, Steering
from watchtower.workers.switching import Switching

__all__ = ["RESOLVED", "Actions", "Look", "Steering"]
log = logging.getLogger(__name__)

Look = Callable[[Plan, datetime, str], Judgement | None]
"""One look at a plan's trial: the plan, the end of the last evaluated window, and why no further row will come ("" if some may); None: ask again."""
RESOLVED = "the alert resolved"
CLEARED_EVERY = timedelta(seconds=1)
"""How often the guards that hold an ended plan are looked at again."""
CALLED_EVERY = timedelta(seconds=5)
"""How long a target that could not be reached is left alone."""


def unheard(_plan: Plan, _fact: Fact, _move: Move) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Actions:
    """Steps every open plan, as the leader.

    Attributes:
        steering: a model's target and guards.
        look: looks at a trial; slow (it may run children).
        act: False in replay: a decided rollback is followed as if the target had done it, and the target is never called.
        input_ended: whether no row will ever come again (replay's end).
        heard: told of every recorded fact and its move (metrics, replay's printing, waking other workers).
        clock: the time right before a target is called, and when it has answered: long after the step began, maybe; None: that of the step.
        size: of a window.
        aside: where targets are waited for, so that one that takes minutes holds up no other plan; None: here.

    """

    store: Store
    steering: Callable[[str], Steering]
    look: Look
    act: bool = True
    input_ended: Callable[[], bool] = field(default=lambda: False)
    heard: Callable[[Plan, Fact, Move], None] = unheard
    clock: Callable[[], datetime] | None = None
    size: timedelta = timedelta(minutes=1)
    aside: Aside | None = None
    _looked: dict[str, tuple[datetime, str, int]] = field(default_factory=dict)
    _rechecked: datetime | None = None
    _asked: dict[str, datetime] = field(default_factory=dict)
    _called: dict[str, datetime] = field(default_factory=dict)

    @property
    def guarding(self) -> Guarding:
        """The guards of its plans."""
        return Guarding(self.store, self.steering, self.size, self.act)

    def step(self, now: datetime) -> bool:
        """One move of every open plan, trials last since they are slow; True where anything was done.

        Unavailable only after all had their turn. Fenced, and nothing is done, where another replica leads.
        """
        open_plans = self.store.plans.open_plans()
        self._looked = {plan.id: self._looked[plan.id] for plan in open_plans if plan.id in self._looked}
        self._called = {plan.id: self._called[plan.id] for plan in open_plans if plan.id in self._called}
        held = self._held_to_look_at(now)
        if open_plans or held:
            self.store.lease.lead()
        away: Unavailable | None = None
        busy = False
        for plan in [*held, *sorted(open_plans, key=lambda each: each.step is Step.ON_TRIAL)]:
            try:
                busy |= self._follow(plan, now)
            except Fenced as fenced:
                log.info("plan_reloaded model=%s plan=%s reason=%s", plan.model, plan.id, fenced)
                busy = True
            except Unavailable as error:
                away = error
        if away is not None:
            raise away
        return busy

    def _follow(self, plan: Plan, now: datetime) -> bool:
        match plan.step:
            case Step.ON_TRIAL:
                return self._try(plan, now)
            case Step.SWITCHING | Step.RETURNING:
                return self._switch(plan, now) if self.aside is None else self.aside.begin(plan.id, lambda: self._switch(plan, now))
            case Step.AWAITING_APPROVAL | Step.VERIFYING:
                late = self._late(plan, now)
                return late is not None and self._record(plan, late, now)
            case Step.HELD:
                return self._clear(plan, now)
            case Step.ROLLED_BACK | Step.FAILED | Step.CANCELLED:
                return False
            case _:
                assert_never(plan.step)

    # ------------------------------------------------------------------------------------------------- trial

    def _try(self, plan: Plan, now: datetime) -> bool:
        """Looks at the trial once per evaluated window; a final judgement is recorded with the guards that hold at that moment."""
        memory = self.store.evaluations.memory(plan.model)
        through = memory.evaluated_through
        if through is None:
            return False
        ended = "the input ended" if self.input_ended() else "" if fires(plan, memory.alerts) else RESOLVED
        if self._looked.get(plan.id) == (through, ended, plan.revision):
            return False
        judgement = self._judgement(plan, through, ended)
        if judgement is None:
            return False
        self._looked[plan.id] = (through, ended, plan.revision)
        if not judgement.final:
            return False
        now = now if self.clock is None else self.clock()  # a look may take minutes
        return self._record(plan, self._judged(plan, judgement, through, now), now)

    def _judgement(self, plan: Plan, through: datetime, ended: str) -> Judgement | None:
        try:
            return self.look(plan, through, ended)
        except ShadowError as broken:
            return Judgement(Verdict.BROKEN, Diagnosis.UNKNOWN, str(broken), None, final=True)

    def _judged(self, plan: Plan, judgement: Judgement, through: datetime, now: datetime) -> Judged:
        at, memory = judgement.judged_at or through, self.store.evaluations.memory(plan.model)
        acts = judgement.verdict is Verdict.ACCEPT and plan.rollback
        named = replace(plan, candidate=judgement.candidate)
        return Judged(
            verdict=judgement.verdict,
            diagnosis=judgement.diagnosis,
            reason=judgement.reason,
            candidate=judgement.candidate,
            judged_at=at,
            guards=self.guarding.holding(named, memory, at, now) if acts else (),
            approval_asked=judgement.approval_asked,
            evidence=judgement.evidence,
        )

    # ------------------------------------------------------------------------------------------------- what guards held

    def _held_to_look_at(self, now: datetime) -> list[Plan]:
        """The plans that guards hold, once a second at most."""
        if self._rechecked is not None and timedelta(0) <= now - self._rechecked < CLEARED_EVERY:
            return []
        self._rechecked = now
        held = self.store.plans.held_plans()
        self._asked = {plan.id: self._asked[plan.id] for plan in held if plan.id in self._asked}
        return held

    def _clear(self, plan: Plan, now: datetime) -> bool:
        """Records that the guards hold no longer, while the plan's alerts still fire: the next evaluation begins a fresh trial.

        One that comes and goes (the age of the evidence, the traffic, the target's version) brings at most one further trial an incident.
        """
        memory = self.store.evaluations.memory(plan.model)
        through, incident = memory.evaluated_through, memory.incident
        if through is None or incident is None or incident.id != plan.incident or incident.state is IncidentState.CLOSED or not fires(plan, memory.alerts):
            return False
        held_by = names(plan.guards)
        if set(held_by) & set(plan.again) - LASTING or memory.served.live != plan.stable:
            return False
        if self._asked.get(plan.id) == through or self.guarding.still_holding(plan, memory, through, now):
            return False
        self._asked[plan.id] = through
        return not self.guarding.holding(plan, memory, through, now) and self._record(plan, Cleared(held_by), now)

    # ------------------------------------------------------------------------------------------------- switch

    def _switch(self, plan: Plan, now: datetime) -> bool:
        """Reads and records the target's state, then calls it; each is a fact of its own, so a kill between them repeats nothing."""
        if timedelta(0) <= now - self._called.get(plan.id, now - CALLED_EVERY) < CALLED_EVERY:
            return False
        switching, clock, step = Switching(self.store, self.guarding), self.clock or (lambda: now), plan.step
        if self.act and plan.prepared is None:
            read = switching.prepared(plan, clock)
            if not self._answered(plan, read, clock()):
                return False
            plan = self.store.plans.plan(plan.id)
        return plan.step is not step or self._answered(plan, switching.switched(plan, clock), clock())

    def _answered(self, plan: Plan, fact: Fact, now: datetime) -> bool:
        """Records what the target said, by the time at which it did; False where it is to be called again."""
        if not isinstance(fact, Unreached):
            try:
                return self._record(plan, fact, now)
            except Fenced:  # the traffic may have shown it while the target was waited for; what the target said is as true as it was
                moved = self.store.plans.plan(plan.id)
                if (moved.step, moved.prepared) != (plan.step, plan.prepared):
                    raise
                return self._record(moved, fact, now)
        self._called[plan.id] = now
        if plan.deadline is None:
            self._record(plan, fact, now)
        else:
            log.info("target_unreached model=%s plan=%s until=%s reason=%s", plan.model, plan.id, fact.until, fact.reason)
        return False

    def _late(self, plan: Plan, now: datetime) -> DeadlinePassed | None:
        """That the step's deadline has passed: by the clock and, while windows are still behind it, not before they had as long again."""
        if plan.deadline is None or now < plan.deadline:
            return None
        if plan.step is Step.AWAITING_APPROVAL:
            return DeadlinePassed(plan.step)
        through = self.store.evaluations.memory(plan.model).evaluated_through
        evaluated = through is not None and through >= plan.deadline
        return DeadlinePassed(plan.step, evaluated) if evaluated or now >= plan.deadline + plan.limits.verify_within else None

    def _record(self, plan: Plan, fact: Fact, now: datetime) -> bool:
        move = planning.advance(plan, fact, now)
        self.store.plans.record(plan, fact, move, now, leading=True)
        log.info("plan_moved model=%s plan=%s fact=%s step=%s reason=%s", plan.model, plan.id, fact.kind, move.plan.step, move.note)
        self.heard(plan, fact, move)
        return True
