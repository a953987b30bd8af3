"""Plans move by facts alone: the fact goes into the plan's hash chain and the plan moves where its revision is still the one that was seen."""

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from watchtower.core.opening import others
from watchtower.core.versions import left
from watchtower.edges.points import reached
from watchtower.nouns.decision import DecisionKind
from watchtower.nouns.errors import Fenced
from watchtower.nouns.facts import Asked, Fact
from watchtower.nouns.incident import Incident, IncidentState, Moment
from watchtower.nouns.memory import Memory
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.step import Step
from watchtower.nouns.window import micros
from watchtower.store.audit import AuditRow, AuditRows
from watchtower.store.chains import append_facts
from watchtower.store.codec import Json, decode, encode, incident_json
from watchtower.store.database import Database
from watchtower.store.lease import Lease
from watchtower.store.memories import add_decisions, load_incident, load_memory, put_incident, put_memory
from watchtower.store.tables import incidents, plans

BY_HAND = "-hand-"
"""Stands behind the model in the id of what a person asked for."""
_REMEMBERED = 50
_MOMENTS = {"judged": "verdict", "switched": "switched", "serving": "serving", "faded": "serving", "fired": "trial"}


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident and its newest plan, if it has one."""

    incident: Incident
    plan: Plan | None


def _in_vain(row: sa.ColumnCollection[str, sa.ColumnElement[str]]) -> sa.ColumnElement[bool]:
    """Whether the plan of *row* is one that a person asked for while a guard held."""
    asked = sa.func.substr(row.id, 1, sa.func.length(row.model) + len(BY_HAND)) == row.model + BY_HAND
    return sa.and_(row.step == str(Step.HELD), asked)


class PlanRows:
    """Plans, their facts, and the incidents they belong to."""

    def __init__(self, database: Database, lease: Lease) -> None:
        """Over *database*; *lease* says who may act."""
        self._database = database
        self._lease = lease

    def open_plans(self) -> list[Plan]:
        """The plans that can still move, oldest first; at most one a model."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(plans.c.body).where(plans.c.is_open).order_by(plans.c.opened_at, plans.c.id)).scalars().all()
        return [decode(body, Plan) for body in found]

    def held_plans(self) -> list[Plan]:
        """The newest plan of each model, where guards hold it that have not cleared yet; what a person asked for in vain is none of them."""
        newer = plans.alias()
        last = sa.select(sa.func.max(newer.c.opened_at)).where(newer.c.model == plans.c.model, ~_in_vain(newer.c)).scalar_subquery()
        with self._database.reading() as tx:
            found = tx.execute(sa.select(plans.c.body).where(plans.c.step == str(Step.HELD), plans.c.opened_at == last).order_by(plans.c.model)).scalars().all()
        return [plan for plan in (decode(body, Plan) for body in found) if plan.guards and not plan.cleared and not plan.by]

    def of_incident(self, incident: str) -> list[Plan]:
        """The plans of an incident, oldest first; the one plan of that id where it names a plan; [] where it names neither."""
        wanted = sa.select(plans.c.body).where(sa.or_(plans.c.incident == incident, plans.c.id == incident)).order_by(plans.c.opened_at, plans.c.id)
        with self._database.reading() as tx:
            return [decode(body, Plan) for body in tx.execute(wanted).scalars().all()]

    def plan(self, plan_id: str) -> Plan:
        """The plan of that id; KeyError where there is none."""
        with self._database.reading() as tx:
            found = tx.execute(sa.select(plans.c.body).where(plans.c.id == plan_id)).scalar()
        if found is None:
            raise KeyError(plan_id)
        return decode(found, Plan)

    def incidents(self, state: IncidentState | None = None, limit: int = 1_000) -> list[IncidentRow]:
        """Incidents with their newest plans, newest first; of one *state*, or all. What a person asked for in vain stands behind every other plan."""
        order = (_in_vain(plans.c), plans.c.opened_at.desc(), plans.c.revision.desc())
        newest = sa.select(plans.c.body).where(plans.c.incident == incidents.c.id).order_by(*order).limit(1)
        wanted = sa.select(incidents.c.body, newest.scalar_subquery().label("plan")).order_by(incidents.c.opened_at.desc(), incidents.c.id).limit(limit)
        if state is not None:
            wanted = wanted.where(incidents.c.state == str(state))
        with self._database.reading() as tx:
            found = tx.execute(wanted).all()
        return [IncidentRow(decode(row.body, Incident), None if row.plan is None else decode(row.plan, Plan)) for row in found]

    def incidents_json(self, state: IncidentState | None = None) -> dict[str, list[Json]]:
        """What `incidents --json` prints."""
        return {"incidents": [incident_json(row.incident, row.plan) for row in self.incidents(state)]}

    def tell(self, incident: Incident, now: datetime) -> None:
        """An incident that no rule began, as it is now, to its notifiers."""
        with self._database.writing() as tx:
            put_incident(tx, incident, now)

    def facts(self, plan_id: str) -> list[AuditRow]:
        """The plan's facts in order."""
        return AuditRows(self._database).rows(plan_id)

    def broken_link(self, plan_id: str) -> int | None:
        """See :meth:`AuditRows.broken_link`."""
        return AuditRows(self._database).broken_link(plan_id)

    def begin(self, fact: Asked, move: Move, incident: Incident | None, now: datetime) -> Plan:
        """Stores the plan that a person asked for, and the *incident* that tells of it (None: a guard held it, so nothing happens and nobody is told).

        Fenced where another plan of the model is open, or an evaluation came between.
        """
        with self._database.writing() as tx:
            put_plan(tx, move.plan, 0)
            append_facts(tx, move.plan.id, [fact], now)
            add_decisions(tx, move.decisions)
            if incident is not None:
                memory = load_memory(tx, move.plan.model)
                _still(memory.incident, incident)
                put_incident(tx, incident, now)
                before = others(memory, incident.id)
                put_memory(tx, _remembering(replace(memory, incident=incident, plan=move.plan, others=before), move.plan, move))
            reached(f"plan.before_commit.{fact.kind}")
        reached(f"plan.after_commit.{fact.kind}")
        return move.plan

    def confirm(self, plan: Plan) -> None:
        """Right before the target is called: that we still lead, and that *plan* is still at the revision that decided it. Fenced where either is not so."""
        with self._lease.as_leader() as tx:
            found = tx.execute(sa.select(plans.c.revision).where(plans.c.id == plan.id)).scalar()
        if found != plan.revision:
            msg = f"plan {plan.id} is no longer at revision {plan.revision}: its target was not called"
            raise Fenced(msg)

    def record(self, plan: Plan, fact: Fact, move: Move, now: datetime, *, leading: bool = False) -> Plan:
        """Appends *fact* to the audit and moves *plan* to ``move.plan``, with its decisions, the incident's timeline and the model's memory.

        One transaction. Fenced where the stored revision is no longer ``plan.revision`` (0: it must not be stored yet), and with *leading* where another
        replica leads: what a worker concludes is the leader's to write, what a person said is anybody's. Returns the plan as stored.
        """
        moved = replace(move.plan, revision=plan.revision + 1)
        with self._lease.as_leader() if leading else self._database.writing() as tx:
            put_plan(tx, moved, plan.revision)
            append_facts(tx, moved.id, [fact], now)
            add_decisions(tx, move.decisions)
            memory = _remembering(load_memory(tx, moved.model), moved, move)
            incident = _noted(tx, moved, fact, move.note, now)
            if incident is not None and memory.incident is not None and memory.incident.id == incident.id:
                memory = replace(memory, incident=incident)
            put_memory(tx, memory)
            reached("plan.before_commit")
            reached(f"plan.before_commit.{fact.kind}")
        reached("plan.after_commit")
        reached(f"plan.after_commit.{fact.kind}")
        return moved


def _still(stored: Incident | None, grown: Incident) -> None:
    """Fenced where *grown* did not grow from the incident that is open now: an evaluation came between, and what it noted must not be lost."""
    if stored is not None and stored.state is IncidentState.OPEN and (stored.id != grown.id or stored.revision >= grown.revision):
        msg = f"incident {stored.id} was moved by an evaluation meanwhile"
        raise Fenced(msg)


def put_plan(tx: sa.Connection, plan: Plan, seen: int) -> None:
    """Moves the plan from revision *seen* (0: a new one) to what it is now. Fenced where it is not there, or another one of the model is open."""
    row = {"step": str(plan.step), "is_open": plan.step.is_open, "revision": plan.revision, "body": encode(plan)}
    try:
        if seen == 0:
            fixed = {"id": plan.id, "model": plan.model, "incident": plan.incident, "opened_at": micros(plan.opened_at)}
            moved = tx.execute(sa.insert(plans).values(fixed | row)).rowcount
        else:
            moved = tx.execute(sa.update(plans).where(plans.c.id == plan.id, plans.c.revision == seen).values(row)).rowcount
    except IntegrityError as error:
        msg = f"plan {plan.id} cannot begin: another one of {plan.model} is open"
        raise Fenced(msg) from error
    if moved != 1:
        msg = f"plan {plan.id} is no longer at revision {seen}"
        raise Fenced(msg)


def leaving(memory: Memory, plan: Plan, before: Plan | None = None) -> Memory:
    """The memory with what *plan* switched away from since it was *before*, if it has."""
    return replace(memory, served=left(memory.served, plan, before))


def _remembering(memory: Memory, plan: Plan, move: Move) -> Memory:
    """The memory with the plan as it is now, decided rollbacks, and the version that was rolled back from."""
    before = memory.plan
    if before is None or before.id == plan.id:
        memory = replace(memory, plan=plan)
    decided = tuple(decision.at for decision in move.decisions if decision.kind is DecisionKind.ROLL_BACK)
    if decided:
        memory = replace(memory, rollbacks=(*memory.rollbacks, *decided)[-_REMEMBERED:])
    return leaving(memory, plan, before if before is not None and before.id == plan.id else None)


def _noted(tx: sa.Connection, plan: Plan, fact: Fact, note: str, now: datetime) -> Incident | None:
    """The incident with *note* on its timeline and one revision more, told to its notifiers; None where there is nothing to say."""
    incident = load_incident(tx, plan.incident) if note else None
    if incident is None:
        return None
    said = Moment(now, _MOMENTS.get(fact.kind, "note"), note)
    grown = replace(incident, revision=incident.revision + 1, timeline=(*incident.timeline, said))
    put_incident(tx, grown, now)
    return grown
