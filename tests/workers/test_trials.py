"""Looks at trials over a real store, a real log file, real models and a real child process."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.runners.models import logistic, noisy, placed
from tests.workers._crowded import REASON, Crowded
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.keeping import unpacked
from watchtower.edges.clock import ManualClock
from watchtower.edges.tables import read_table
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.model_stores.directory import Directory
from watchtower.nouns.batch import Floats, NumberColumn
from watchtower.nouns.binning import PREDICTION
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.evidence import Diagnosis, Judgement, Verdict
from watchtower.nouns.memory import Evaluation, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.score import Board
from watchtower.nouns.settings import EvidenceSettings, FirstWindows, Watched
from watchtower.nouns.step import Step
from watchtower.nouns.window import EPOCH, Span, Window
from watchtower.sources.file import File
from watchtower.store import Store, StoredReference
from watchtower.store.references import Accepted
from watchtower.workers.gathering import key_of
from watchtower.workers.rows import RowReader
from watchtower.workers.trials import Terms, TrialRoom

pytest.importorskip("onnxruntime")
TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROWS = 300
GOOD, EQUAL, BAD = [2.0, -1.0], [2.05, -1.02], [-1.0, 2.0]


def probability(weights: list[float], x: Floats) -> Floats:
    """What the service answers."""
    logit = x.astype(np.float32) @ np.array(weights, dtype=np.float32)
    return np.asarray(1 / (1 + np.exp(-logit.astype(np.float64))), dtype=np.float64)


@dataclass
class Stage:
    """A model with two versions on disk, a reference file, and a log that grows window by window."""

    folder: Path
    store: Store
    live: list[float]
    labelled: bool = True
    minutes: int = 0
    shift: float = 0.0
    spoilt: Callable[[Floats], Floats] = field(default=lambda p: p)
    mirrored: str = ""
    """A version that answers as GOOD does to every request, without serving."""
    canary: bool = False
    """Version 1 serves as much beside it and is live; *live* is the canary's answers."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(4))

    def __post_init__(self) -> None:
        placed(self.folder / "models", "1", logistic(GOOD))
        placed(self.folder / "models", "2", logistic(self.live))
        x = self.rng.normal(0, 1, (3_000, 2))
        y = self.rng.random(3_000) < probability(GOOD, x)
        rows = [
            {"amount": a, "age": b, "prediction": p} | ({"label": int(label)} if self.labelled else {})
            for (a, b), p, label in zip(x.tolist(), probability(GOOD, x).tolist(), y.tolist(), strict=True)
        ]
        (self.folder / "2.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (self.folder / "log.jsonl").touch()
        self.watched = Watched.model_validate(
            {
                "features": {"amount": "numeric", "age": "numeric"},
                "prediction": {"kind": "probability"},
                "reference": {"kind": "file", "path": str(self.folder / "{version}.jsonl")},
            }
        )
        table = read_table(str(self.folder / "2.jsonl"), {name: each.type for name, each in self.watched.features.items()}, self.watched.prediction.kind)
        assert table.prediction is not None
        columns = {**table.features, PREDICTION: table.prediction}
        self.binning = make_binning(columns, self.watched.features, self.watched.prediction.kind, ())
        self.store.references.begin("fraud", StoredReference(self.binning, EPOCH, {("", ""): make_reference_profile(self.binning, columns, table.rows)}))

    @property
    def source(self) -> File:
        """The log."""
        return File(path=str(self.folder / "log.jsonl"), format=WatchtowerJson())

    def serve(self) -> datetime:
        """One more minute of traffic, evaluated; its end."""
        start = TEN + self.minutes * MINUTE
        self.minutes += 1
        x = self.rng.normal(self.shift, 1, (ROWS, 2))
        p = self.spoilt(probability(self.live, x))
        at = (self.folder / "log.jsonl").stat().st_size
        with (self.folder / "log.jsonl").open("a") as log:
            for i, ((a, b), answer) in enumerate(zip(x.tolist(), p.tolist(), strict=True)):
                message = self._message(start + i * MINUTE / ROWS, f"{self.minutes}-{i}", {"amount": a, "age": b}, answer)
                log.write(json.dumps(message) + "\n")
                if self.mirrored:
                    mirror = {"version": self.mirrored, "role": "mirror", "prediction": probability(GOOD, np.array([[a, b]])).item()}
                    log.write(json.dumps(message | mirror) + "\n")
        last = (self.folder / "log.jsonl").stat().st_size - 1
        columns = {"amount": NumberColumn(x[:, 0]), "age": NumberColumn(x[:, 1]), PREDICTION: NumberColumn(p)}
        profile = replace(make_reference_profile(self.binning, columns, ROWS), spans=(Span(self.source.partition, at, last),))
        window = Window(start, start + MINUTE)
        live = "1" if self.canary else "2"
        memory = replace(self.store.evaluations.memory("fraud"), served=Served(live=live), evaluated_through=window.end)
        profiles = {("2", ""): profile} | ({("1", ""): profile} if self.canary else {})
        self.store.evaluations.commit("fraud", window, profiles, Evaluation(Board("fraud", window, live, {}), (), memory, ()), now=window.end)
        return window.end

    @staticmethod
    def _message(when: datetime, name: str, features: Mapping[str, float], answer: float) -> dict[str, object]:
        prediction = answer if np.isfinite(answer) else None
        return {"model": "fraud", "version": "2", "id": name, "time": when.isoformat(), "features": features, "prediction": prediction}

    def plan(self, *candidates: str, plan_id: str = "p1", fired: str = "prediction.psi") -> Plan:
        """A plan that opens at the end of the last minute served."""
        return Plan(plan_id, "fraud", "i1", Step.ON_TRIAL, "2", candidates, TEN + self.minutes * MINUTE, fired=(("Drift", fired),))

    def served(self, *candidates: str, fired: str = "prediction.psi") -> Plan:
        """One more minute, and a plan that opens at its end."""
        self.serve()
        return self.plan(*candidates, fired=fired)

    def room(self, **terms: object) -> TrialRoom:
        """A fresh room, as after a restart."""
        found = Terms(self.watched, Directory(path=str(self.folder / "models")), device="cpu", **terms)  # type: ignore[arg-type]
        return TrialRoom(self.store, RowReader([self.source]), lambda _: found, MINUTE)


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(TEN).now)
    yield opened
    opened.close()


def look(room: TrialRoom, plan: Plan, through: datetime | None = None, ended: str = "") -> Judgement:
    try:
        return room.look(plan, through or plan.opened_at, ended)
    finally:
        room.rest()


def test_damaged_weights_are_found_at_the_first_look(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    end = stage.serve()
    judgement = look(stage.room(), stage.plan("1"), end)
    assert (judgement.verdict, judgement.diagnosis, judgement.candidate) == (Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "1")
    assert judgement.judged_at == end
    assert judgement.evidence["providers"] == {"2": "CPUExecutionProvider", "1": "CPUExecutionProvider"}
    assert (judgement.evidence["rows"], judgement.evidence["agreement"]) == (ROWS, 1.0)


def test_each_look_runs_new_rows_only_and_goes_on_after_a_restart(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD, labelled=False)
    plan = stage.served("1")
    assert look(stage.room(rows=8 * ROWS), plan).evidence["rows"] == ROWS
    stage.serve()
    judgement = look(stage.room(rows=8 * ROWS), plan, stage.serve())
    assert (judgement.evidence["rows"], judgement.final) == (3 * ROWS, False)
    for _ in range(5):
        stage.serve()
    last = look(stage.room(rows=8 * ROWS), plan, stage.serve())
    assert (last.evidence["rows"], last.final, last.verdict, last.approval_asked) == (8 * ROWS, True, Verdict.INCONCLUSIVE, True)
    assert "all 2,400 rows are used" in last.reason


def test_one_look_over_all_windows_sees_what_many_looks_see(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, EQUAL, labelled=False)
    first = stage.serve()
    plan = stage.plan("1")
    look(stage.room(), plan, first)
    stage.serve()
    end = stage.serve()
    many, once = look(stage.room(), plan, end), look(stage.room(), replace(plan, incident="i2"), end)
    same = ("rows", "agreement", "drifted", "found", "asked", "windows")
    assert [many.evidence[name] for name in same] == [once.evidence[name] for name in same]
    assert many.reason == once.reason


def test_a_later_trial_of_the_incident_goes_on_with_rows_of_its_own(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD, labelled=False)
    plan = stage.served("1")
    assert look(stage.room(), plan, ended="the alert resolved").final
    for _ in range(2):
        stage.serve()
    later = replace(stage.served("1"), id="p2")
    assert look(stage.room(), later).evidence["rows"] == 3 * ROWS


def test_much_traffic_is_sampled_by_position_alike_every_time(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, EQUAL, labelled=False)
    plan = stage.served("1")
    first, again = look(stage.room(rows=4 * ROWS), plan), look(stage.room(rows=4 * ROWS), replace(plan, incident="i2"))
    assert first.evidence["rows"] == again.evidence["rows"] == pytest.approx(ROWS / 2, rel=0.2)


def test_drifted_inputs_are_told_apart(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, EQUAL, shift=1.5)
    judgement = look(stage.room(), stage.served("1", fired="drift.psi"))
    assert (judgement.verdict, judgement.diagnosis) == (Verdict.REJECT, Diagnosis.DATA_DRIFT)
    assert "2 of 2 features drifted" in judgement.reason


def test_what_was_served_otherwise_is_skew(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD, spoilt=lambda p: p / 2)
    assert look(stage.room(), stage.served("1")).diagnosis is Diagnosis.SERVING_SKEW


def test_a_model_of_nan_is_accepted_though_every_logged_prediction_is_null(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, [float("nan"), 1.0], labelled=False)
    stage.serve()
    judgement = look(stage.room(), stage.served("1"))
    assert (judgement.verdict, judgement.evidence["agreement"]) == (Verdict.ACCEPT, 1.0)


def test_without_candidates_nothing_is_run(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    judgement = look(stage.room(), stage.served())
    assert (judgement.verdict, judgement.reason) == (Verdict.BROKEN, "no earlier healthy version")


def test_an_artefact_that_is_gone_is_broken_and_names_the_file(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    judgement = look(stage.room(), stage.served("0"))
    assert judgement.verdict is Verdict.BROKEN
    assert "0/model.onnx is missing" in judgement.reason


def test_a_log_that_was_cut_leaves_the_trial_undecided(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    end = stage.serve()
    (tmp_path / "log.jsonl").write_text("")
    judgement = look(stage.room(), stage.plan("1"), end, "the alert resolved")
    assert (judgement.verdict, judgement.final) == (Verdict.INCONCLUSIVE, True)
    assert judgement.reason.startswith("inputs expired")


def test_a_child_past_its_limit_is_broken_evidence(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    judgement = look(stage.room(time_limit=timedelta(milliseconds=1)), stage.served("1"))
    assert judgement.verdict is Verdict.BROKEN
    assert "took over 0.001 s" in judgement.reason


def test_a_look_under_which_the_daemon_stops_is_no_verdict_and_leaves_nothing(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    plan, room, came = stage.served("1"), stage.room(), list[Exception]()

    def looks() -> None:
        try:
            room.look(plan, plan.opened_at)
        except Unavailable as away:
            came.append(away)

    thread = threading.Thread(target=looks)
    thread.start()
    until = time.monotonic() + 10
    while room._running._child._process is None and time.monotonic() < until:
        thread.join(0.001)
    room.end()
    thread.join(10)
    assert [str(each) for each in came] == ["the daemon stops: the trial goes on with the next one"]
    assert store.trials.load(key_of(plan)) is None


def test_an_accepted_reference_is_the_windows_that_were_accepted(tmp_path: Path, store: Store) -> None:
    """Of six minutes the second and third were accepted; the first two windows had been the reference, and the last two are none."""
    stage = Stage(tmp_path, store, BAD)
    stage.watched = stage.watched.model_copy(update={"reference": FirstWindows(kind="first_windows", count=2)})
    for minute in range(6):
        stage.shift = float(100 * minute)
        stage.serve()
    before = store.references.load("fraud")
    assert before is not None
    named = f"windows {(TEN + MINUTE).isoformat()} to {(TEN + 3 * MINUTE).isoformat()}"
    store.references.accept("fraud", replace(before, valid_from=TEN + 6 * MINUTE), Accepted("ann", TEN, named, 2 * ROWS))
    memory = replace(store.evaluations.memory("fraud"), reference_windows=2, evaluated_through=TEN + 7 * MINUTE)
    window = Window(TEN + 6 * MINUTE, TEN + 7 * MINUTE)
    store.evaluations.commit("fraud", window, {}, Evaluation(Board("fraud", window, "2", {}), (), memory, ()), now=window.end)
    found = stage.room()._reference(stage.plan("1"), store.references.load("fraud"), Terms(stage.watched, None))
    assert found is not None
    amount = found.columns["amount"]
    assert isinstance(amount, NumberColumn)
    assert (found.count, round(float(amount.values.mean()) / 10)) == (2 * ROWS, 15)


def test_a_mirrored_version_without_an_artefact_is_judged_by_what_it_logged(tmp_path: Path, store: Store) -> None:
    """Version 0 mirrors and has no artefact; labels arrive for what was served."""
    stage = Stage(tmp_path, store, BAD, labelled=False, mirrored="0")
    plan = stage.served("0")
    stage.serve()
    end = stage.serve()
    room = stage.room()
    room.labels_of = lambda _model, ids, _until: ["1"] * len(ids)
    judgement = look(room, plan, end, "the alert resolved")
    found = judgement.evidence["candidates"]
    assert isinstance(found, dict)
    assert found["0"]["mirror"] == {"pairs": 3 * ROWS, "agreement": None, "instead_of_a_run": True}
    assert (judgement.evidence["rows"], found["0"]["labels"]["n"]) == (3 * ROWS, 2 * ROWS)
    assert "0/model.onnx is missing" in str(judgement.evidence["failures"])
    assert judgement.reason.endswith(("version 0 mirrored, not run again)", "version 0 mirrored, not run again) (the alert resolved)"))


def test_mirrored_rows_are_kept_over_a_restart_and_may_come_a_window_late(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD, labelled=False, mirrored="0")
    plan = stage.served("0")
    look(stage.room(), plan)
    blob = store.trials.load(key_of(plan))
    assert blob is not None
    kept = unpacked(blob)
    assert kept is not None
    assert (kept.mirrors, len(kept.mirror_keys)) == (("0",), ROWS)
    assert np.array_equal(np.sort(kept.mirror_keys), np.sort(kept.keys))
    assert look(stage.room(), plan, stage.serve()).evidence["rows"] == 2 * ROWS


def test_a_canary_is_judged_by_its_own_rows_beside_the_stable_version(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD, canary=True)
    stage.serve()
    plan = replace(stage.served("1"), canary=True)
    judgement = look(stage.room(), plan)
    assert (judgement.verdict, judgement.diagnosis, judgement.candidate) == (Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "1")
    assert (judgement.evidence["live"], judgement.evidence["rows"], judgement.evidence["windows"]) == ("2", 2 * ROWS, 2)


def test_a_trial_after_one_that_only_broke_begins_anew(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    stage.serve()
    assert look(stage.room(), stage.served("0")).verdict is Verdict.BROKEN
    placed(tmp_path / "models", "0", logistic(GOOD))
    assert look(stage.room(), replace(stage.served("0"), id="p2")).verdict is Verdict.ACCEPT


def test_a_final_judgement_says_what_differs_between_the_two(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    for version, author in (("1", "ann"), ("2", "ben")):
        (tmp_path / "models" / version / "metadata.json").write_text(json.dumps({"author": author}))
    found = look(stage.room(), stage.served("1")).evidence["changed"]
    assert isinstance(found, dict)
    assert found["author"] == {"live": "ben", "candidate": "ann"}
    assert found["line"] == "2 beside 1: author ben (was ann)"


def test_an_artefact_that_is_not_the_one_first_seen_is_broken_evidence(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    store.artefacts.first_seen("fraud", "1", "0" * 64)
    judgement = look(stage.room(), stage.served("1"))
    assert judgement.verdict is Verdict.BROKEN
    assert "candidate 1: the artefact of version 1 changed: sha256 000000000000… when it was first seen" in judgement.reason


def test_a_device_without_room_keeps_a_trial_waiting_and_its_rows_for_the_next_look(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    plan = stage.served("1")
    full = look(stage.room(runner=Crowded()), plan)
    assert (full.verdict, full.final, full.reason) == (Verdict.INCONCLUSIVE, False, REASON)
    over = look(stage.room(runner=Crowded()), plan, ended="the alert resolved")
    assert (over.final, over.reason) == (True, f"{REASON} (the alert resolved)")
    late = look(stage.room(runner=Crowded()), plan, plan.opened_at + timedelta(minutes=59))
    assert (late.final, late.reason) == (False, REASON)
    told = look(stage.room(runner=Crowded()), plan, plan.opened_at + timedelta(hours=1))
    assert (told.verdict, told.final, told.reason) == (Verdict.INCONCLUSIVE, True, f"{REASON} (there was no room for an hour)"), "nobody would hear of it"
    assert look(stage.room(), plan).verdict is Verdict.ACCEPT, "the same rows, once there is room"


def test_a_candidate_that_does_not_repeat_itself_is_broken_unless_a_tolerance_is_declared(tmp_path: Path, store: Store) -> None:
    stage = Stage(tmp_path, store, BAD)
    placed(tmp_path / "models", "0", noisy(1e-3))
    stage.serve()
    plan = stage.served("0")
    strict = look(stage.room(), plan)
    assert strict.verdict is Verdict.BROKEN
    assert "it is not deterministic or keeps state: the same inputs twice differ by up to 0.00" in strict.reason
    stage.watched = stage.watched.model_copy(update={"evidence": EvidenceSettings(tolerance=0.1)})
    tolerated = look(stage.room(), replace(plan, incident="i2"))
    assert tolerated.verdict is not Verdict.BROKEN
    assert tolerated.evidence["deterministic"] == {"2": True, "0": False}
