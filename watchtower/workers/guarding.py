"""Gathers what the guards look at: the store, the target, the artefact, the kill switch."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath

from watchtower.core import guards
from watchtower.core.guards import Busy, Freeze, Seen
from watchtower.core.keeping import unpacked
from watchtower.model_stores import Artefact
from watchtower.nouns.errors import RollbackError, ShadowError, Unavailable
from watchtower.nouns.memory import Memory
from watchtower.nouns.plan import Plan
from watchtower.nouns.settings import GuardSettings
from watchtower.nouns.step import Step
from watchtower.rollback_targets import TargetSession
from watchtower.store import Store
from watchtower.workers.artefacts import unchanged
from watchtower.workers.gathering import key_of

_ACTING = frozenset({Step.SWITCHING, Step.VERIFYING, Step.RETURNING})
Fetch = Callable[[str], Artefact]
"""A version's artefact, verified now. ShadowError where it is missing, or its digest is another than its metadata record."""


@dataclass(frozen=True, slots=True)
class Steering:
    """What one model's settings say about acting.

    Attributes:
        target: opens a session; None where no target is configured.
        guards: the limits.
        place: what the target switches, so that models that share it take turns; "" shares with none.
        fetch: verifies a version's artefact; None where no store of models is configured.
        reruns: whether trials run that artefact; False where they ask an endpoint that has its own.
    """

    target: Callable[[], TargetSession] | None = None
    guards: GuardSettings = field(default_factory=GuardSettings)
    place: str = ""
    fetch: Fetch | None = None
    reruns: bool = True


@dataclass(frozen=True, slots=True)
class Guarding:
    """Looks at the guards of a plan.

    Attributes:
        store: memories, windows, freezes, other plans, and which artefact a trial ran.
        steering: a model's target and limits.
        size: of a window.
        act: False in replay: the target is never asked, and the kill switch is not there.
    """

    store: Store
    steering: Callable[[str], Steering]
    size: timedelta = timedelta(minutes=1)
    act: bool = True

    def holding(self, plan: Plan, memory: Memory, evidence_end: datetime, now: datetime) -> tuple[str, ...]:
        """Every guard that holds *plan* now; asks the target."""
        steering = self.steering(plan.model)
        if steering.target is None and not plan.target and not plan.canary:
            return ("target: none is configured for this model",)
        seen = self._seen(plan, memory, steering, evidence_end, now)
        if isinstance(seen, str):
            return (seen,)
        return tuple(guards.holding(plan, seen))

    def still_holding(self, plan: Plan, memory: Memory, evidence_end: datetime, now: datetime) -> bool:
        """Whether a guard that needs neither target nor artefact holds an ended plan: what is cheap to ask often."""
        steering = self.steering(plan.model)
        return bool(guards.holding(plan, self._stored(plan, memory, steering, evidence_end, now)))

    def changed(self, plan: Plan, memory: Memory, now: datetime) -> tuple[str, ...]:
        """What can have changed since the decision, right before the target is called: the kill switch, freeze windows, the live version, time."""
        steering = self.steering(plan.model)
        seen = self._stored(plan, memory, steering, plan.decided_at or plan.judged_at or now, now)
        if plan.step is Step.RETURNING:
            return tuple(each for each in guards.changing(plan, seen) if guards.is_freeze(each))
        arrived = memory.served.live == plan.candidate and not plan.canary
        return tuple(each for each in guards.changing(plan, seen) if not (arrived and each.startswith("live version unclear")))

    def _seen(self, plan: Plan, memory: Memory, steering: Steering, evidence_end: datetime, now: datetime) -> Seen | str:
        stored = self._stored(plan, memory, steering, evidence_end, now)
        if not self.act:
            return stored
        try:
            current = _current(steering.target) if steering.target is not None and not plan.canary else None
        except RollbackError as unread:
            return f"live version unclear: the target cannot be read ({unread})"
        return Seen(
            settings=stored.settings,
            now=now,
            evidence_end=evidence_end,
            live=stored.live,
            target_current=current,
            rollbacks=stored.rollbacks,
            freeze=stored.freeze,
            busy=stored.busy,
            traffic=stored.traffic,
            artefact=self._artefact(plan, steering),
        )

    def _stored(self, plan: Plan, memory: Memory, steering: Steering, evidence_end: datetime, now: datetime) -> Seen:
        return Seen(
            settings=steering.guards,
            now=now,
            evidence_end=evidence_end,
            live=memory.served.live,
            rollbacks=memory.rollbacks,
            freeze=self._freeze(plan.model, now),
            busy=self._busy(plan, steering),
            traffic=self._traffic(plan, steering, memory),
        )

    def _freeze(self, model: str, now: datetime) -> Freeze | None:
        return self.store.freezes.frozen(model, now) if self.act else None

    def _busy(self, plan: Plan, steering: Steering) -> Busy | None:
        if not steering.place:
            return None
        for each in self.store.plans.open_plans():
            if each.id != plan.id and each.step in _ACTING and self.steering(each.model).place == steering.place:
                return Busy(each.id, each.model, str(each.step).replace("_", " "))
        return None

    def _traffic(self, plan: Plan, steering: Steering, memory: Memory) -> tuple[int, float] | None:
        least, through = steering.guards.minimum_traffic, memory.evaluated_through
        if least is None or through is None:
            return None
        past = self.store.windows.history(plan.model, through, least.windows)
        rows = sum(profile.rows for each in past for (_, segment), profile in each.profiles.items() if segment == "")
        return rows, len(past) * self.size.total_seconds()

    def _artefact(self, plan: Plan, steering: Steering) -> str:
        """What is wrong with the candidate's artefact: it must verify now, be the one that was first seen, and the one that the trial ran."""
        if steering.fetch is None or plan.candidate is None or plan.canary:
            return ""
        try:
            artefact = steering.fetch(plan.candidate)
            unchanged(self.store.artefacts, plan.model, artefact)
        except ShadowError as broken:
            return str(broken)
        if not steering.reruns:
            return ""
        blob = self.store.trials.load(key_of(plan))
        kept = unpacked(blob) if blob is not None else None
        known = next((run.sha256 for run in kept.runs if run.version == plan.candidate), "") if kept is not None else ""
        if known and known != artefact.sha256:
            return f"version {plan.candidate} is no longer what the trial ran: sha256 {artefact.sha256[:12]} != {known[:12]}"
        return ""


def _current(target: Callable[[], TargetSession]) -> str | None:
    with as_promised(), closing(target()) as session:
        return session.current()


@contextmanager
def as_promised() -> Iterator[None]:
    """Whatever a target raises is a RollbackError: kinds of others are called here, and a daemon that ends over one watches nothing any more."""
    try:
        yield
    except RollbackError:
        raise
    except Unavailable as away:
        raise RollbackError(str(away), retryable=True) from away
    except Exception as broken:  # noqa: BLE001  see above: what is not foreseen is told like what is
        where = traceback.extract_tb(broken.__traceback__)[-1]
        msg = f"the target is broken: {type(broken).__name__} in {where.name}, {PurePath(where.filename).name} line {where.lineno}"
        raise RollbackError(msg) from None  # its text may hold what nobody should read
