"""A real store in which version 7 of a model went wrong and version 6 came back, and another model that nothing ever happened to."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from watchtower.core.changes import Known, changed
from watchtower.edges.clock import ManualClock
from watchtower.edges.metrics import Metrics
from watchtower.nouns.alert import Alert, AlertChange, AlertId, AlertState
from watchtower.nouns.batch import Reason, Rejection
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.facts import Fact, Fired, Judged, Serving, Switched
from watchtower.nouns.incident import Incident, Moment
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.profile import Delta, Profile, Totals
from watchtower.nouns.score import Board, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.step import Step
from watchtower.nouns.window import Key, Partition, Progress, Span, Window, micros
from watchtower.store import Store
from watchtower.web.view import StoreView

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FEATURES = ("amount", "age", "country", "merchant_category", "hour")
REASON = "candidate error 0.031 < live error 0.094 (n=2,048, p=3e-09)"
INCIDENT = "20261120-1036-fraud"


def window(number: int) -> Window:
    return Window(TEN + number * MINUTE, TEN + (number + 1) * MINUTE)


def board(model: str, number: int, live: str) -> Board:
    """Scores that wave, and drift from window 34 to 44 in one model."""
    bad = model == "fraud" and 34 <= number < 44

    def wave(base: float, size: float, phase: float) -> float:
        return base + size * abs(math.sin(number / 4 + phase))

    def at(text: str, scores: Scores, version: str = live) -> tuple[Slot, Scores]:
        return Slot(version, "", Need(MeasureName.parse(text), Over())), scores

    psi = np.array([0.34 if bad and name == "amount" else wave(0.01, 0.03, i) for i, name in enumerate(FEATURES)])
    p_values = np.where(psi > 0.2, 1e-12, 0.4)
    rows = np.full(len(FEATURES), 1510 + number)
    drift = Scores(FEATURES, psi, p_values, rows, (None,) * len(FEATURES))
    prediction = Scores(("",), np.array([0.41 if bad else wave(0.01, 0.02, 0)]), np.array([1e-15 if bad else 0.5]), rows[:1], (None,))
    missing = Scores(
        FEATURES[:3], np.array([wave(0.001, 0.002, 0), 0.0, np.nan]), np.full(3, np.nan), np.array([1500, 1500, 112]), (None, None, "112 of 200 rows")
    )
    scores = [
        at("drift.psi", drift),
        at("prediction.psi", prediction),
        at("quality.missing_share", missing),
        at("errors.share", Scores.one(wave(0.001, 0.004, 1), 1510)),
        at("latency.p50", Scores.one(wave(0.011, 0.002, 0), 1510)),
        at("latency.p99", Scores.one(wave(0.045, 0.02, 2), 1510)),
        at("traffic.rate", Scores.one(wave(24, 6, 0), 1510), ""),
        at("gpu.utilization", Scores.one(wave(0.4, 0.2, 0), 1510, "0")),
    ]
    return Board(model, window(number), live, dict(scores), {live: 0.97, "5": 0.03} if model == "fraud" else {live: 1.0})


def read(store: Store, number: int) -> Delta:
    """The checkpoint of one window of both models."""
    nothing = np.zeros((0, 5))
    live = "6" if number >= 44 or number < 30 else "7"

    def profile(rows: int) -> Profile:
        spans = (Span(Partition("predictions"), number * 2000, number * 2000 + rows - 1),)
        return Profile("", rows, float(rows), np.zeros(0, dtype=np.int64), nothing, np.zeros((0, 2), dtype=np.int64), statuses={"ok": float(rows)}, spans=spans)

    old = None if number == 0 else Progress(number * 2000, end=number * 2000)
    delta = Delta(
        profiles={Key("fraud", live, "", window(number)): profile(1510), Key("Größe / 模型", "1", "", window(number)): profile(200)},
        late={},
        totals={("fraud", live): Totals(1510, late=2, errors={"timeout": 3}), ("fraud", "5"): Totals(45), ("Größe / 模型", "1"): Totals(200)},
        rejected=(Rejection(Partition("predictions"), number * 2000 + 5, Reason.NOT_JSON, 0, b"?"),),
        progress={Partition("predictions"): (old, Progress((number + 1) * 2000, end=(number + 1) * 2000 + 12))},
        closed_through=micros(window(number).end),
        messages=1756,
    )
    store.intake.checkpoint(delta, keep_original=False)
    return delta


def plan(step: Step) -> Plan:
    return Plan("p1", "fraud", INCIDENT, step, "7", ("6",), window(36).end, target="directory", fired=(("PredictionDrift", "prediction.psi"),))


CHANGED = changed(
    Known("7", "b" * 64, 900, {"": 17}, {"author": "ben", "parameters": {"depth": 8}, "metrics": {"auc": 0.91}, "training_data": ["november.parquet"]}),
    Known("6", "a" * 64, 800, {"": 17}, {"author": "ann", "parameters": {"depth": 6}, "metrics": {"auc": 0.94}, "training_data": ["october.parquet"]}),
)


def judged() -> Judged:
    errors = {"n": 2048, "live_error": 0.094, "candidate_error": 0.031, "effect": 0.063, "minimum_effect": 0.01, "p": "3e-09"}
    evidence = {
        "rows": 2048,
        "agreement": 0.9995,
        "providers": {"7": "CPUExecutionProvider", "6": "CPUExecutionProvider"},
        "drifted": {},
        "candidates": {"6": {"verdict": "accept", "reason": REASON, "reference errors": errors}},
        "changed": CHANGED,
    }
    return Judged(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, REASON, "6", window(38).end, evidence=evidence)


def evaluation(model: str, number: int) -> Evaluation:
    """What was found in one window; the alert fires in the 36th and resolves in the 46th."""
    live = "1" if model != "fraud" else "6" if number >= 44 or number < 30 else "7"
    shown = board(model, number, live)
    if model != "fraud" or number < 36:
        return Evaluation(shown, (), Memory(model, served=Served(live=live)), ())
    alerts = tuple(
        Alert(
            AlertId(rule, model, "", subject),
            "7",
            AlertState.FIRING,
            window(36).end,
            hits=3,
            value=value,
            p_value=1e-12,
            severity=severity,
            fired_at=window(36).end,
        )
        for rule, subject, value, severity in (("PredictionDrift", "", 0.41, "page"), ("FeatureDrift", "amount", 0.34, "warn"))
    )
    moments = (
        Moment(window(36).end, "alert", "PredictionDrift[] fires on version 7: 0.41 (p 1e-15)"),
        Moment(window(36).end, "alert", "FeatureDrift[amount] fires on version 7: 0.34 (p 1e-12)"),
        Moment(window(36).end, "trial", "trial: would version 6 do better than live 7?"),
        Moment(window(38).end, "verdict", f"verdict accept, model regression: {REASON}. Going back from 7 to 6"),
        Moment(window(38).end, "switched", "directory names version 6 now (was 7)"),
        Moment(window(44).end, "serving", "the traffic shows version 6 serving"),
    )
    incident = Incident(INCIDENT, model, window(36).end, severity="page", alerts=tuple(alert.id for alert in alerts), timeline=moments[:3])
    if number > 36:
        return Evaluation(shown, (), Memory(model, alerts, replace(incident, revision=number, timeline=moments), served=Served(live=live)), ())
    fired = Fired(model, "7", incident.alerts, window(36).end, ("6",), rollback=True, dry_run=False, target="directory")
    decisions = (
        Decision(DecisionKind.NOTIFY, model, window(36).end, "PredictionDrift[] fires", notifier="ml_oncall"),
        Decision(DecisionKind.BEGIN_TRIAL, model, window(36).end, "would version 6 do better than live 7?", live="7", candidate="6", plan="p1"),
    )
    changes = tuple(AlertChange(alert, window(36).end) for alert in alerts)
    return Evaluation(shown, changes, Memory(model, alerts, incident, plan(Step.ON_TRIAL), served=Served(live=live)), decisions, (fired,))


def go_back(store: Store) -> None:
    """The trial's verdict, the switch and the traffic's answer."""
    now = window(38).end
    rolled = Decision(
        DecisionKind.ROLL_BACK, "fraud", now, REASON, live="7", candidate="6", verdict=Verdict.ACCEPT, diagnosis=Diagnosis.MODEL_REGRESSION, plan="p1"
    )
    facts: tuple[tuple[Fact, Step, tuple[Decision, ...]], ...] = (
        (judged(), Step.SWITCHING, (rolled,)),
        (Switched("directory", "7", "6"), Step.VERIFYING, ()),
        (Serving("6"), Step.ROLLED_BACK, ()),
    )
    for fact, step, decided in facts:
        old = store.plans.plan("p1")
        new = replace(old, step=step, candidate="6", verdict=Verdict.ACCEPT, diagnosis=Diagnosis.MODEL_REGRESSION, reason=REASON, judged_at=now)
        store.plans.record(old, fact, Move(new, decided), now)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreView]:
    """The view over it; nobody changes it."""
    yield from told(f"sqlite:///{tmp_path_factory.mktemp('story')}/watchtower.db")


def told(url: str) -> Iterator[StoreView]:
    """Fifty windows of both models."""
    clock = ManualClock(TEN + 60 * MINUTE)
    store = Store.open(url, now=clock.now)
    store.hold_file_lock()
    metrics = Metrics(CollectorRegistry())
    for number in range(50):
        metrics.committed(read(store, number))
        for model in ("fraud", "Größe / 模型"):
            found = evaluation(model, number)
            if model == "fraud" and number > 36:
                kept = store.evaluations.memory("fraud")
                found = replace(found, memory=replace(found.memory, plan=kept.plan))
            store.evaluations.commit(model, window(number), {}, found, now=clock.now())
            metrics.evaluated(found.board, found.memory)
        if number == 38:
            go_back(store)
    store.heartbeat(clock.now())
    yield StoreView(store, metrics, dict)
    store.close()
