"""What `watchtower rollback` does: asks, and follows. Where no daemon runs, it is the daemon for as long as that takes."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, sleep

from watchtower import assembly
from watchtower.assembly.desks import build_hand_desk
from watchtower.config.reader import Loaded
from watchtower.edges.clock import Clock
from watchtower.nouns.errors import Fenced, RollbackError, ShadowError, Unavailable
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.programs.people import origin, who
from watchtower.store import Store
from watchtower.workers.approvals import Person
from watchtower.workers.asking import HandDesk, Wish

log = logging.getLogger(__name__)
_LOOK_EVERY = 0.2
_TRIES = 5
_SPARE = timedelta(minutes=1)
Said = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Came:
    """What came of it: the plan as it stands, and whether it is over."""

    plan: Plan

    @property
    def over(self) -> bool:
        """Whether it ended within the time."""
        return not self.plan.step.is_open

    def sentence(self) -> str:
        """For people."""
        plan = self.plan
        if plan.step is Step.ROLLED_BACK:
            return f"rolled back: {plan.model} is at {plan.candidate}, the traffic shows it and nothing fires"
        step = str(plan.step).replace("_", " ")
        return f"{plan.model}: {step}: {plan.reason}" if self.over else f"{plan.model} is still {step}: `watchtower incidents` says how it goes on"


@dataclass(slots=True)
class ByHand:
    """One rollback by hand, in one store."""

    loaded: Loaded
    store: Store
    model: str
    clock: Clock
    step: Callable[[], bool] = field(default=lambda: False)

    def look(self, to: str, reason: str = "") -> Wish:
        """What stands in the way; touches nothing. RollbackError where the version is not known."""
        self._check(to)
        return self._desk().look(self.model, to, Person(who(), origin(), reason), self.clock.now())

    def rehearse(self, wish: Wish) -> dict[str, object]:
        """What the target says to a dry run, as plain values."""
        switch = self._desk().rehearse(wish)
        return {"before": switch.before, "after": switch.after, "would_change": switch.changed, "detail": dict(switch.detail)}

    def ask(self, wish: Wish) -> Plan:
        """Records the wish; again where an evaluation came between."""
        for _ in range(_TRIES):
            try:
                return self._desk().ask(wish, self.clock.now())
            except Fenced as fenced:
                log.info("rollback_asked_again model=%s reason=%s", self.model, fenced)
                wish = self._again(wish)
        msg = f"{self.model} moved {_TRIES} times while it was asked: try again"
        raise RollbackError(msg)

    def _again(self, wish: Wish) -> Wish:
        """The same wish, looked at anew; RollbackError where it has become idle or impossible."""
        fresh = self.look(wish.asked.candidate, wish.asked.reason)
        if fresh.done:
            msg = f"{self.model} is at {wish.asked.candidate} by now: somebody else switched meanwhile, and nothing was done"
            raise RollbackError(msg)
        if fresh.objections:
            raise RollbackError("; ".join(fresh.objections))
        return fresh

    def follow(self, plan: Plan, within: timedelta | None, said: Said, waited: Callable[[float, float, str], None]) -> Came:
        """Follows *plan* to its end, at most *within* (None: as long as its steps may take); *said* hears what is told, *waited* (seconds, of, step)."""
        limit = (within or plan.limits.reach_within + plan.limits.verify_within + plan.limits.resolve_within + _SPARE).total_seconds()
        began, told = monotonic(), 0
        while True:
            plan = self.store.plans.plan(plan.id)
            told = self._tell(plan, told, said)
            waited(min(monotonic() - began, limit), limit, str(plan.step).replace("_", " "))
            if not plan.step.is_open or monotonic() - began >= limit:
                return Came(plan)
            if not self.step():
                sleep(_LOOK_EVERY)

    def _tell(self, plan: Plan, told: int, said: Said) -> int:
        rows = self.store.plans.facts(plan.id)
        for row in rows[told:]:
            said(f"{row.at:%H:%M:%S} {row.fact.kind.replace('_', ' ')}")
        return len(rows)

    def _check(self, to: str) -> None:
        """That the version is one: of the store of models, or one that served or is declared healthy, or that the target has."""
        its = self.loaded.settings.model(self.model)
        if its.artifacts is None:
            return
        try:
            there = its.artifacts.open().versions()
        except ShadowError as away:
            log.warning("versions_unread model=%s reason=%s", self.model, away)
            return
        if to not in there:
            msg = f"{self.model} has no version {to!r}: {'there are ' + ', '.join(there) if there else 'the store of models is empty'}"
            raise RollbackError(msg)

    def _desk(self) -> HandDesk:
        return build_hand_desk(self.loaded.settings, self.store, self.model)


@contextmanager
def by_hand(loaded: Loaded, model: str, *, acting: bool) -> Iterator[ByHand]:
    """Beside the daemon that runs on the store; where none does and *acting*, with the parts of one, which are stepped while the plan is followed."""
    clock = Clock()
    store = Store.open(loaded.settings.store.url, read_only=not acting, now=clock.now)
    try:
        if not acting or store.lease.is_held_somewhere():
            yield ByHand(loaded, store, model, clock)
            return
    finally:
        store.close()
    with _parts(loaded, clock) as parts:
        yield ByHand(loaded, parts.store, model, clock, lambda: _step(parts, clock.now()))


@contextmanager
def _parts(loaded: Loaded, clock: Clock) -> Iterator[assembly.DaemonParts]:
    ears = assembly.Ears(
        committed=lambda _delta: None,
        evaluated=lambda _model, _window, _evaluation: None,
        moved=lambda _plan, _fact, _move: None,
        stopping=lambda: False,
        book=lambda: loaded.book,
        took=lambda _what, _seconds: None,
        seen=lambda _lag, _lost: None,
    )
    parts = assembly.build_daemon(loaded, clock, ears)
    try:
        yield parts
    finally:
        parts.room.end()
        parts.analyst.end()
        parts.calibrator.end()
        try:
            parts.intake.finish(clock.now())
        except (Unavailable, Fenced) as away:
            log.warning("last_checkpoint_missed reason=%s (what was read will be read again)", away)
        for feed in parts.feeds:
            feed.session.close()
        for each in parts.meters:
            each.metering.close()
        parts.store.close()


def _step(parts: assembly.DaemonParts, now: datetime) -> bool:
    """One step of each worker; what is away is tried again at the next."""
    busy = False
    for name, worker in (("actions", parts.actions), ("intake", parts.intake), ("evaluator", parts.evaluator), ("outbox", parts.outbox)):
        try:
            busy |= worker.step(now)
        except (Unavailable, Fenced) as away:
            if isinstance(away, Unavailable) and away.for_good:
                raise
            log.info("worker_waited worker=%s reason=%s", name, away)
    return busy
