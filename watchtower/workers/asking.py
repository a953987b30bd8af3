"""A person asks to go back by hand: without a trial, under the guards that need no evidence. The actions worker does what follows."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

from watchtower.core import incidents, planning
from watchtower.nouns.errors import RollbackError
from watchtower.nouns.facts import Asked
from watchtower.nouns.incident import Incident, IncidentState
from watchtower.nouns.limits import Limits
from watchtower.nouns.memory import Memory
from watchtower.nouns.plan import Plan
from watchtower.rollback_targets import Switch
from watchtower.store import Store
from watchtower.store.plans import BY_HAND
from watchtower.workers.approvals import Person
from watchtower.workers.guarding import Guarding


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for, and what stands in its way.

    *asked* is the fact as it would be recorded, its guards included. *objections* say why the target cannot do it, *cautions* what to think of first.
    """

    asked: Asked
    objections: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the target names that version already."""
        return self.asked.live == self.asked.candidate


@dataclass(frozen=True, slots=True)
class HandDesk:
    """Opens plans by hand, of one model.

    Attributes:
        store: where they go.
        guarding: what looks at guards.
        target: the kind of the model's target, "" where none is configured.
        limits: how long its steps may take.
        hearers: who is told.
        unhealthy: versions that are declared so.
    """

    store: Store
    guarding: Guarding
    target: str
    limits: Limits
    hearers: tuple[str, ...] = ()
    unhealthy: tuple[str, ...] = ()

    def look(self, model: str, to: str, who: Person, now: datetime) -> Wish:
        """What stands in the way of going back to *to*; touches nothing. RollbackError where there is no target, or it cannot be read."""
        memory = self.store.evaluations.memory(model)
        current, objections = self._asked(model, to)
        live = current or memory.served.live or ""
        asked = Asked(model, live, to, who.by, who.origin, now, self.target, who.reason, limits=self.limits)
        if asked.live == to:
            return Wish(asked)
        plan = planning.ask(asked, "", "", now).plan
        guards = (*self._open(model), *self.guarding.holding(plan, memory, now, now))
        return Wish(replace(asked, guards=guards), tuple(objections), tuple(self._cautions(memory, to)))

    def rehearse(self, wish: Wish) -> Switch:
        """What the target says to a dry run of the switch."""
        steering = self.guarding.steering(wish.asked.model)
        if steering.target is None:
            raise RollbackError(_without(wish.asked.model))
        with closing(steering.target()) as session:
            return session.switch_to(wish.asked.candidate, expected=wish.asked.live, dry_run=True)

    def ask(self, wish: Wish, now: datetime) -> Plan:
        """Records it: a plan that is switching, or, where guards hold, one that ended held. Fenced where an evaluation or another plan came between."""
        asked = wish.asked
        memory = self.store.evaluations.memory(asked.model)
        stamp = f"{now:%Y%m%dT%H%M%S}"
        if asked.guards:
            incident_id = memory.incident.id if memory.incident is not None else ""
            move = planning.ask(replace(asked, incident=incident_id), f"{asked.model}{BY_HAND}{stamp}-{now.microsecond:06d}", incident_id, now)
            return self.store.plans.begin(replace(asked, incident=incident_id), move, None, now)
        incident = _incident(memory, f"{asked.model}{BY_HAND}{stamp}", now, self.hearers)
        fact = replace(asked, incident=incident.id)
        move = planning.ask(fact, f"{incident.id}{BY_HAND}{stamp}", incident.id, now)
        return self.store.plans.begin(fact, move, incidents.noted(incident, now, "note", move.note), now)

    def _asked(self, model: str, to: str) -> tuple[str | None, Sequence[str]]:
        target = self.guarding.steering(model).target
        if target is None:
            raise RollbackError(_without(model))
        with closing(target()) as session:
            current = session.current()
            return current, () if current == to else session.ready(to)

    def _open(self, model: str) -> list[str]:
        mine = [plan for plan in self.store.plans.open_plans() if plan.model == model]
        return [f"one at a time: plan {plan.id} of {plan.model} is {str(plan.step).replace('_', ' ')}, 1 open plan >= 1" for plan in mine]

    def _cautions(self, memory: Memory, to: str) -> list[str]:
        said = [f"version {to} is declared unhealthy"] if to in self.unhealthy else []
        return [*said, *([f"version {to} was rolled back from"] if to in memory.served.rolled_back_from else [])]


def _without(model: str) -> str:
    return f"{model} has no rollback target: set models.{model}.rollback.target"


def _incident(memory: Memory, new_id: str, now: datetime, hearers: tuple[str, ...]) -> Incident:
    """The model's open incident, else a new one that everybody hears of."""
    if memory.incident is not None and memory.incident.state is IncidentState.OPEN:
        return memory.incident
    return Incident(new_id, memory.model, now, revision=0, severity="info", notify=hearers)
