"""A store with an incident and a plan on trial, for the workers that follow them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from watchtower.core import incidents, planning
from watchtower.core.observing import observed
from watchtower.nouns.alert import Alert, AlertChange, AlertId, AlertState
from watchtower.nouns.evidence import Diagnosis, Judgement, Verdict
from watchtower.nouns.facts import Fact, Fired
from watchtower.nouns.incident import Incident
from watchtower.nouns.limits import AS_USUAL, Limits
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.score import Board
from watchtower.nouns.window import Window
from watchtower.store import Store

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ARITHMETIC = "candidate error 0.031 < live error 0.094 (n=2,048, p=3e-09)"
ACCEPTED = Judgement(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, ARITHMETIC, "1", final=True)


def at(minute: float) -> datetime:
    """So many minutes after ten."""
    return TEN + minute * MINUTE


def alert(model: str = "fraud", state: AlertState = AlertState.FIRING) -> Alert:
    """An alert on the prediction."""
    return Alert(AlertId("PredictionDrift", model, "", ""), "2", state, at(0), value=0.31, p_value=1e-9, severity="page", fired_at=at(0))


def begin(
    store: Store, model: str = "fraud", *, rollback: bool = True, dry_run: bool = False, approval_required: bool = False, limits: Limits = AS_USUAL
) -> Plan:
    """The evaluation of the window to ten o'clock: an alert fires, an incident opens, a trial begins."""
    fact = Fired(
        model,
        "2",
        (alert(model).id,),
        at(0),
        ("1", "0"),
        rollback=rollback,
        dry_run=dry_run,
        respond_measures=(("PredictionDrift", "prediction.psi"),),
        target="directory",
        approval_required=approval_required,
        limits=limits,
    )
    incident = incidents.follow(
        None, [AlertChange(alert(model), at(0))], [alert(model)], at(0), quiet=5, notify={"PredictionDrift": ("ml_oncall",)}, new_id=f"{model}-i1"
    )
    assert incident is not None
    move = planning.open_plan(fact, f"{model}-p1", incident.id, at(0))
    memory = Memory(model, (alert(model),), incident, move.plan, Served(live="2"))
    commit(store, memory, 0, move.decisions, (fact,))
    return move.plan


def commit(store: Store, memory: Memory, minute: int, decisions: tuple[object, ...] = (), facts: tuple[Fact, ...] = ()) -> None:
    """One evaluation, as the evaluator commits it."""
    window = Window(at(minute - 1), at(minute))
    board = Board(memory.model, window, memory.served.live, {})
    store.evaluations.commit(memory.model, window, {}, Evaluation(board, (), replace(memory, evaluated_through=window.end), decisions, facts), now=at(minute))  # type: ignore[arg-type]


def evaluate(store: Store, minute: int, *, model: str = "fraud", live: str = "2", firing: bool = True) -> Memory:
    """The window to *minute* is evaluated: who is live in it, and whether the alert still fires; the plan hears of it."""
    memory = store.evaluations.memory(model)
    plan, incident = memory.plan, memory.incident
    facts = observed(plan, live, firing=firing)
    for fact in facts:
        assert plan is not None
        assert incident is not None
        move = planning.advance(plan, fact, at(minute))
        plan, incident = move.plan, _noted(incident, move.note, at(minute))
    alerts = (alert(model),) if firing else (alert(model, AlertState.RESOLVED),)
    commit(store, replace(memory, alerts=alerts, plan=plan, incident=incident, served=replace(memory.served, live=live)), minute, (), facts)
    return store.evaluations.memory(model)


def _noted(incident: Incident, note: str, when: datetime) -> Incident:
    return incidents.noted(incident, when, "note", note) if note else incident
