"""Slow scores over a real log, real models, a real store and real children, as a replay has them."""

import json
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
import yaml

from tests.runners.models import logistic, placed
from watchtower.assembly import replaying
from watchtower.assembly.shared import build_analyst, build_references
from watchtower.config.reader import Loaded, read_settings
from watchtower.edges.clock import ManualClock
from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import Floats
from watchtower.nouns.errors import Fenced, ShadowError
from watchtower.nouns.score import Board, Closed, MeasureName, Need, Scores
from watchtower.nouns.window import Window
from watchtower.programs.replay import Replay
from watchtower.store import Store, StoredReference
from watchtower.store.references import Accepted
from watchtower.workers._allowance import Allowance
from watchtower.workers._analysis_child import Comparison
from watchtower.workers.analysis import Analyst
from watchtower.workers.rerunning import known_weights

pytest.importorskip("onnxruntime")
pytest.importorskip("sklearn")
TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROWS = 260
WEIGHTS = [2.0, -0.5, 0.0]
SLOW = (
    "drift.energy(permutations=99)",
    "drift.mmd(permutations=99)",
    "drift.domain_classifier(trees=10)",
    "drift.weighted",
    "importance.ndcg",
    "estimated.accuracy",
)


def chance(x: Floats) -> Floats:
    """What the model answers."""
    return np.asarray(1 / (1 + np.exp(-(x @ np.array(WEIGHTS)))), dtype=np.float64)


@dataclass
class Scene:
    """A model, its reference file, a log, and settings with a rule for each slow score."""

    folder: Path
    settings: dict[str, object] = field(default_factory=dict)
    labelled: bool = True
    measures: tuple[str, ...] = SLOW

    def __post_init__(self) -> None:
        random = np.random.default_rng(3)
        placed(self.folder / "models", "1", logistic(WEIGHTS))
        x, faces = random.normal(size=(1_000, 3)), random.normal(size=(1_000, 4))
        y = random.random(1_000) < chance(x)
        with (self.folder / "reference.jsonl").open("w") as file:
            for row, face, answer, label in zip(x.tolist(), faces.tolist(), chance(x).tolist(), y.tolist(), strict=True):
                line = {"a": row[0], "b": row[1], "c": row[2], "face": face, "prediction": answer}
                file.write(json.dumps(line | ({"label": int(label)} if self.labelled else {})) + "\n")
        with (self.folder / "log.jsonl").open("w") as file:
            for minute in range(2):
                x, faces = random.normal(size=(ROWS, 3)), random.normal(minute, 1, size=(ROWS, 4))
                x[:, 0] += minute
                for i, (row, face, answer) in enumerate(zip(x.tolist(), faces.tolist(), chance(x).tolist(), strict=True)):
                    when = (TEN + minute * MINUTE + i * MINUTE / ROWS).isoformat()
                    features = {"a": row[0], "b": row[1], "c": row[2], "face": face}
                    file.write(json.dumps({"model": "m", "version": "1", "time": when, "features": features, "prediction": answer}) + "\n")

    def loaded(self) -> Loaded:
        """The settings, written and read."""
        model = {
            "features": {"a": "numeric", "b": "numeric", "c": "numeric", "face": "embedding"},
            "prediction": {"kind": "probability"},
            "reference": {"kind": "file", "path": "reference.jsonl"},
            "artifacts": {"kind": "directory", "path": "models"},
            "inputs": {"X": ["a", "b", "c"]},
            "shadow": {"device": "cpu"},
        }
        settings = {
            "source": {"kind": "file", "path": "log.jsonl", "format": {"kind": "watchtower_json"}},
            "rules": "rules",
            "models": {"m": model | self.settings},
        }
        (self.folder / "watchtower.yaml").write_text(yaml.safe_dump(settings))
        (self.folder / "rules").mkdir(exist_ok=True)
        rules = [{"name": f"Rule{i}", "model": "*", "when": {"kind": "above", "measure": name, "value": 0.5}} for i, name in enumerate(self.measures)]
        (self.folder / "rules" / "r.yaml").write_text(yaml.safe_dump({"rules": rules}))
        return read_settings(self.folder / "watchtower.yaml")

    def boards(self) -> list[Board]:
        """The board of each minute."""
        found: list[Board] = []
        Replay(self.loaded(), [self.folder / "log.jsonl"], lambda _m, _w, it, _d: found.append(it.board)).run()
        return found


def of(board: Board, measure: str) -> Scores:
    """The live version's whole."""
    return next(scores for slot, scores in board.scores.items() if str(slot.need.measure) == measure and slot.segment == "")


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> list[Board]:
    return Scene(tmp_path_factory.mktemp("scene")).boards()


@pytest.mark.parametrize("kind", ["energy(permutations=99)", "mmd(permutations=99)"])
def test_the_whole_table_and_each_embedding_are_compared(boards: list[Board], kind: str) -> None:
    quiet, moved = (of(board, f"drift.{kind}") for board in boards)
    assert quiet.subjects == moved.subjects == ("", "face")
    assert quiet.reasons == (None, None)
    assert (quiet.p_values > 0.001).all()
    assert (moved.p_values < 0.001).all()
    assert (moved.values > quiet.values).all()
    assert quiet.n.tolist() == [ROWS, ROWS]


def test_a_classifier_tells_moved_rows_from_the_references(boards: list[Board]) -> None:
    quiet, moved = (of(board, "drift.domain_classifier(trees=10)") for board in boards)
    assert quiet.p_values[0] > 0.001 > moved.p_values[0]
    assert moved.values[0] > 0.5 > quiet.values[0]


def test_drift_is_weighted_by_what_matters_to_the_model(boards: list[Board]) -> None:
    quiet, moved = (of(board, "drift.weighted").values[0] for board in boards)
    assert quiet < 0.2
    assert 0.8 < moved < 1.2  # a moved by 1 sd, and the model reads it most, b a little and c not at all


def test_the_ranking_of_features_is_that_of_the_reference(boards: list[Board]) -> None:
    assert [of(board, "importance.ndcg").values[0] for board in boards] == [pytest.approx(1.0), pytest.approx(1.0)]


def test_accuracy_is_estimated_without_labels_and_says_what_its_interval_is(boards: list[Board]) -> None:
    random = np.random.default_rng(9)
    x = random.normal(size=(200_000, 3))
    for shift, board in enumerate(boards):
        p = chance(x + np.array([shift, 0, 0]))
        found = of(board, "estimated.accuracy")
        assert found.values[0] == pytest.approx(np.maximum(p, 1 - p).mean(), abs=0.05)
        assert found.low is not None
        assert found.high is not None
        assert found.low[0] < found.values[0] < found.high[0]
        assert found.notes is not None
        assert "sampling only" in found.notes[0]


def test_configured_importance_comes_before_what_is_found(tmp_path: Path) -> None:
    _, moved = Scene(tmp_path, {"importance": {"c": 1.0}}, measures=("drift.weighted",)).boards()
    assert of(moved, "drift.weighted").values[0] < 0.2


@pytest.mark.parametrize(
    ("changes", "labelled", "measure", "reason"),
    [
        ({}, False, "estimated.f1", "version not calibrated: the reference has no labels"),
        ({"artifacts": None}, True, "estimated.f1", "version not calibrated: no artifacts: are configured"),
        ({"artifacts": None}, True, "drift.weighted", "no importance: no artifacts: are configured"),
        ({"artifacts": None}, True, "importance.ndcg", "no importance: no artifacts: are configured"),
        ({"inputs": {"X": ["a"]}}, True, "estimated.roc_auc", "version not calibrated: input X"),
    ],
)
def test_what_cannot_be_had_says_why(tmp_path: Path, changes: dict[str, object], labelled: bool, measure: str, reason: str) -> None:  # noqa: FBT001  a table's column
    for board in Scene(tmp_path, changes, labelled=labelled, measures=(measure,)).boards():
        assert str(of(board, measure).reasons[0]).startswith(reason)


def test_a_window_waits_no_longer_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "REPLAY_WAITS", timedelta(milliseconds=1))
    measures = ("drift.mmd", "drift.weighted", "importance.ndcg", "estimated.f1")
    for board in Scene(tmp_path, measures=measures).boards():
        reasons = [str(of(board, measure).reasons[0]) for measure in measures]
        assert all("analysis took over 0.001 s" in reason for reason in reasons), reasons


ESTIMATED = frozenset({Need(MeasureName("estimated", "f1"))})


@dataclass
class Desk:
    """An analyst with a store, and an empty closed window of the scene's model."""

    loaded: Loaded
    store: Store = field(default_factory=lambda: Store.open("sqlite://", now=ManualClock(TEN).now))

    def analyst(self) -> Analyst:
        """A fresh one, as after a restart."""
        return build_analyst(self.loaded.settings, self.store, build_references(self.loaded.settings, self.store, []), MINUTE)

    def closed(self) -> tuple[Closed, StoredReference]:
        """The window, and the reference."""
        stored = build_references(self.loaded.settings, self.store, []).first_seen("m", "1")
        assert stored is not None
        return Closed("m", Window(TEN, TEN + MINUTE), "1", {}, {}, {}, {}, stored.binning, "", settings=self.loaded.settings.model("m")), stored


def test_a_calibration_outlives_the_daemon(tmp_path: Path) -> None:
    desk = Desk(Scene(tmp_path, measures=()).loaded())
    closed, stored = desk.closed()
    first = desk.analyst()
    made = first.analysed(closed, ESTIMATED, stored).analysed.calibrations["1"]
    first.rest()
    shutil.rmtree(tmp_path / "models")
    again = desk.analyst()
    kept = again.analysed(closed, ESTIMATED, stored).analysed.calibrations["1"]
    again.rest()
    desk.store.close()
    assert isinstance(made, Calibration)
    assert isinstance(kept, Calibration)
    assert kept.labelled == made.labelled == 1_000
    assert np.array_equal(kept.high, made.high)


def test_a_daemon_that_stops_leaves_the_window_to_the_next_one(tmp_path: Path) -> None:
    desk = Desk(Scene(tmp_path, measures=()).loaded())
    closed, stored = desk.closed()
    analyst = desk.analyst()
    analyst.end()
    with pytest.raises(Fenced):
        analyst.analysed(closed, ESTIMATED, stored)
    assert analyst.analysed(closed, frozenset({Need(MeasureName("drift", "psi"))}), stored) is closed
    analyst.rest()
    desk.store.close()


def test_rows_are_compared_with_those_of_the_reference_that_was_accepted(tmp_path: Path) -> None:
    desk = Desk(Scene(tmp_path, measures=()).loaded())
    _, stored = desk.closed()
    lines = (tmp_path / "reference.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "new.jsonl").write_text("".join(lines[:230]))
    new = replace(stored, valid_from=TEN, accepted=True)
    desk.store.references.accept("m", new, Accepted("me", TEN, str(tmp_path / "new.jsonl"), 230))
    analyst = desk.analyst()
    assert analyst.reruns.sample("m", "1", new, 2_000).count == 230
    assert analyst.reruns.sample("m", "1", stored, 2_000).count == 1_000
    (tmp_path / "new.jsonl").unlink()
    with pytest.raises(ShadowError, match="not there any more"):
        analyst.reruns.sample("m", "1", new, 2_000)
    analyst.rest()
    desk.store.close()


def test_importances_that_were_found_are_known_afterwards(tmp_path: Path) -> None:
    scene = Scene(tmp_path, measures=())
    desk = Desk(scene.loaded())
    closed, stored = desk.closed()
    weights = known_weights(desk.store, desk.loaded.settings.model)
    assert weights("m", "1") == {}
    analyst = desk.analyst()
    found = analyst.analysed(closed, frozenset({Need(MeasureName("drift", "weighted"))}), stored).analysed.importance["1"]
    analyst.rest()
    assert weights("m", "1") == found
    assert weights("m", "2") == {}
    desk.store.close()


def test_a_child_that_fails_costs_its_own_score_alone(tmp_path: Path) -> None:
    desk = Desk(Scene(tmp_path, measures=()).loaded())
    _, stored = desk.closed()
    analyst = desk.analyst()
    rows = analyst.reruns.sample("m", "1", stored, 300)
    right = Comparison(MeasureName("drift", "mmd"), stored.binning, rows, rows, 200, 1)
    assert analyst.compared(replace(right, min_rows=301), monotonic() + 60).reasons == ("300 of 301 rows",) * 2
    failed = analyst.compared(replace(right, measure=MeasureName("drift", "nothing")), monotonic() + 60)
    assert str(failed.reasons[0]).startswith("analysis failed: KeyError")
    assert analyst.compared(right, monotonic() + 60).reasons == (None, None)
    assert analyst.compared(right, monotonic() + 0.001).reasons == ("analysis took over 60 s",)
    analyst.rest()
    desk.store.close()


def test_slow_scores_of_many_models_leave_half_of_the_time_to_all_others(tmp_path: Path) -> None:
    desk = Desk(Scene(tmp_path, measures=()).loaded())
    closed, stored = desk.closed()
    analyst = desk.analyst()
    analyst.allowance.together = timedelta(milliseconds=1)
    reason = "version not calibrated: analysis of all models took over 0.001 s"
    assert analyst.analysed(closed, ESTIMATED, stored).analysed.calibrations["1"] == reason
    analyst.rest()
    desk.store.close()


def test_windows_to_one_end_share_their_time_and_those_to_the_next_have_their_own() -> None:
    allowance = Allowance(timedelta(seconds=10), together=timedelta(seconds=15))
    assert allowance.begin(TEN) - monotonic() == pytest.approx(10, abs=0.5)
    assert allowance.late == "analysis took over 10 s"
    allowance._began -= 9  # nine seconds ago
    allowance.finish()
    assert allowance.begin(TEN) - monotonic() == pytest.approx(6, abs=0.5)
    assert allowance.late == "analysis of all models took over 15 s"
    allowance._began -= 9
    allowance.finish()
    assert allowance.begin(TEN) <= monotonic()
    assert allowance.begin(TEN + MINUTE) - monotonic() == pytest.approx(10, abs=0.5)
    assert allowance.late == "analysis took over 10 s"
