"""Follows open plans: looks at trials, switches targets, watches deadlines. It acts on what is committed, and records what came of it."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never, cast

from watchtower.core import guards, planning
from watchtower.edges.points import reached
from watchtower.nouns.alert import AlertState
from watchtower.nouns.errors import Fenced, RollbackError, ShadowError, Unavailable
from watchtower.nouns.evidence import Diagnosis, Judgement, Verdict
from watchtower.nouns.facts import DeadlinePassed, Fact, Judged, Prepared, Switched, SwitchFailed
from watchtower.nouns.memory import Memory
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.settings import GuardSettings
from watchtower.nouns.step import Step
from watchtower.rollback_targets import CanarySession, Switch, TargetSession
from watchtower.rollback_targets._errors import Moved
from watchtower.store import Store

log = logging.getLogger(__name__)

Look = Callable[[Plan, datetime, str], Judgement | None]
"""One look at a plan's trial: the plan, the end of the last evaluated window, and why no further row will come ("" if some may)."""
RESOLVED = "the alert resolved"
_REPLAYED = "replay, nothing was called"


@dataclass(frozen=True, slots=True)
class Steering:
    """What one model's settings say about acting; *target* opens a session, None where no target is configured."""

    target: Callable[[], TargetSession] | None = None
    guards: GuardSettings = field(default_factory=GuardSettings)


def never(_: str) -> bool:
    """Nobody froze anything."""
    return False


def unheard(_plan: Plan, _fact: Fact, _move: Move) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Actions:
    """Steps every open plan.

    Attributes:
        steering: a model's target, guards and deadlines.
        look: looks at a trial; slow (it may run children).
        act: False in replay: a decided rollback is followed as if the target had done it, and the target is never called.
        input_ended: whether no row will ever come again (replay's end).
        frozen: whether somebody froze a model's actions.
        heard: told of every recorded fact and its move (metrics, replay's printing, waking other workers).

    """

    store: Store
    steering: Callable[[str], Steering]
    look: Look
    act: bool = True
    input_ended: Callable[[], bool] = field(default=lambda: False)
    frozen: Callable[[str], bool] = never
    heard: Callable[[Plan, Fact, Move], None] = unheard
    _looked: dict[str, tuple[datetime, str, int]] = field(default_factory=dict)

    def step(self, now: datetime) -> bool:
        """One move of every open plan, trials last since they are slow; True where anything was done. Unavailable only after all had their turn."""
        open_plans = self.store.plans.open_plans()
        self._looked = {plan.id: self._looked[plan.id] for plan in open_plans if plan.id in self._looked}
        away: Unavailable | None = None
        busy = False
        for plan in sorted(open_plans, key=lambda each: each.step is Step.ON_TRIAL):
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
                return self._switch(plan, now)
            case Step.AWAITING_APPROVAL | Step.VERIFYING:
                return self._late(plan, now) and self._record(plan, DeadlinePassed(plan.step), now)
            case Step.ROLLED_BACK | Step.HELD | Step.FAILED | Step.CANCELLED:
                return False
            case _:
                assert_never(plan.step)

    def _try(self, plan: Plan, now: datetime) -> bool:
        """Looks at the trial once per evaluated window; a final judgement is recorded with the guards that hold at that moment."""
        memory = self.store.evaluations.memory(plan.model)
        through = memory.evaluated_through
        if through is None:
            return False
        ended = "the input ended" if self.input_ended() else "" if _fires(plan, memory) else RESOLVED
        if self._looked.get(plan.id) == (through, ended, plan.revision):
            return False
        judgement = self._judgement(plan, through, ended)
        self._looked[plan.id] = (through, ended, plan.revision)
        return judgement is not None and judgement.final and self._record(plan, self._judged(plan, judgement, memory, now), now)

    def _judgement(self, plan: Plan, through: datetime, ended: str) -> Judgement | None:
        try:
            return self.look(plan, through, ended)
        except ShadowError as broken:
            return Judgement(Verdict.BROKEN, Diagnosis.UNKNOWN, str(broken), None, final=True)

    def _judged(self, plan: Plan, judgement: Judgement, memory: Memory, now: datetime) -> Judged:
        at = judgement.judged_at or memory.evaluated_through or now
        acts = judgement.verdict is Verdict.ACCEPT and plan.rollback
        return Judged(
            verdict=judgement.verdict,
            diagnosis=judgement.diagnosis,
            reason=judgement.reason,
            candidate=judgement.candidate,
            judged_at=at,
            guards=self._guards(plan, memory, at, now) if acts else (),
            approval_asked=judgement.approval_asked,
            evidence=judgement.evidence,
        )

    def _guards(self, plan: Plan, memory: Memory, evidence_end: datetime, now: datetime) -> tuple[str, ...]:
        steering = self.steering(plan.model)
        if steering.target is None and not plan.target and not plan.canary:
            return ("target: none is configured for this model",)
        try:
            current = self._current(steering.target) if self.act and steering.target is not None else plan.live
        except RollbackError as unread:
            return (f"live version unclear: the target cannot be read ({unread})",)
        held = guards.holding(
            plan,
            settings=steering.guards,
            rollbacks=memory.rollbacks,
            now=now,
            evidence_end=evidence_end,
            live=memory.served.live,
            target_current=current,
            frozen=self.frozen(plan.model),
        )
        return tuple(held)

    def _current(self, target: Callable[[], TargetSession]) -> str | None:
        with closing(target()) as session:
            return session.current()

    def _switch(self, plan: Plan, now: datetime) -> bool:
        """Reads and records the target's state, then calls it; each is a fact of its own, so a kill between them repeats nothing."""
        if self.act and plan.prepared is None:
            self._record(plan, self._prepared(plan), now)
            plan = self.store.plans.plan(plan.id)
        return plan.step is not Step.SWITCHING or self._record(plan, self._switched(plan), now)

    def _prepared(self, plan: Plan) -> Fact:
        """Reads the target's state, which is kept before anything is written."""
        target = self.steering(plan.model).target
        if target is None:
            return SwitchFailed("no target is configured for this model", void=False)
        try:
            with closing(target()) as session:
                state = session.state()
        except RollbackError as unread:
            return SwitchFailed(f"the target cannot be read: {unread}", void=False)
        return Prepared(plan.target, state.version, state.token, state.detail)

    def _switched(self, plan: Plan) -> Fact:
        """Switches, and says what came of it.

        The step is committed, so that after a kill this is called again; the compare-and-set makes a second call harmless: the candidate is
        there already (nothing changes), live still is (it is switched now), or somebody else switched (the plan is void).
        """
        candidate = plan.candidate or ""
        if not self.act:
            return Switched(_REPLAYED, plan.live, candidate)
        target = self.steering(plan.model).target
        if target is None:
            return SwitchFailed("no target is configured for this model", void=False)
        reached("switch.before_call")
        try:
            with closing(target()) as session:
                switch = _called(session, plan, candidate)
        except Moved as moved:
            return SwitchFailed(str(moved), void=True)
        except RollbackError as failed:
            return SwitchFailed(str(failed), void=False)
        reached("switch.after_call")
        return Switched(plan.target, plan.live, switch.after, switch.dry_run, switch.changed, switch.detail)

    def _late(self, plan: Plan, now: datetime) -> bool:
        """Whether the step's deadline has passed: by the clock and, while windows are still behind it, not before they had as long again."""
        if plan.deadline is None or now < plan.deadline:
            return False
        if plan.step is Step.AWAITING_APPROVAL:
            return True
        through = self.store.evaluations.memory(plan.model).evaluated_through
        return (through is not None and through >= plan.deadline) or now >= plan.deadline + plan.limits.verify_within

    def _record(self, plan: Plan, fact: Fact, now: datetime) -> bool:
        move = planning.advance(plan, fact, now)
        self.store.plans.record(plan, fact, move, now)
        log.info("plan_moved model=%s plan=%s fact=%s step=%s reason=%s", plan.model, plan.id, fact.kind, move.plan.step, move.note)
        self.heard(plan, fact, move)
        return True


def _called(session: TargetSession, plan: Plan, candidate: str) -> Switch:
    """Calls the target: a canary's traffic is taken away, or the version is switched, on exactly the state that was read."""
    if plan.canary:
        return cast("CanarySession", session).abort(plan.live, stable=plan.stable, key=plan.id, dry_run=plan.dry_run)
    return session.switch_to(candidate, expected=plan.live, token=plan.prepared or "", key=plan.id, dry_run=plan.dry_run)


def _fires(plan: Plan, memory: Memory) -> bool:
    """Whether an alert of the plan's rules still fires."""
    rules = {rule for rule, _ in plan.fired}
    return any(alert.state is AlertState.FIRING and (not rules or alert.id.rule in rules) and (not plan.canary or alert.id.version == plan.live) for alert in memory.alerts)
