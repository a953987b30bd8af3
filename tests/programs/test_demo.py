"""The demo: its models, its service, how it follows the daemon, and the whole story with whichever version is damaged."""

import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from watchtower.edges.clock import Clock
from watchtower.edges.tables import read_table
from watchtower.nouns.batch import FeatureType, NumberColumn, PredictionKind
from watchtower.nouns.errors import ConfigError
from watchtower.programs.demo.applicants import NUMERIC, PURPOSES, draw, pays_late, some_drift
from watchtower.programs.demo.children import QUIET
from watchtower.programs.demo.files import REFERENCE_ROWS, prepare, write_models
from watchtower.programs.demo.follow import NAMES, Follower, News
from watchtower.programs.demo.models import damage, distance, error, train
from watchtower.programs.demo.onnx_file import to_onnx
from watchtower.programs.demo.scene import Scenario, Scene
from watchtower.programs.demo.service import Listening, Service
from watchtower.programs.demo.story import in_words, missing
from watchtower.programs.demo.traffic import rate_at

pytestmark = pytest.mark.skipif(find_spec("onnxruntime") is None or find_spec("onnx") is None, reason="the demo needs onnx and onnxruntime")
ROWS = 20_000
ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damage_makes_a_version_worse_and_moves_its_predictions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = train(rng)
    bad, hurt = damage(rng, net)
    fresh = draw(rng, ROWS)
    labels = pays_late(rng, fresh)
    assert error(bad, fresh, labels) - error(net, fresh, labels) > 0.04
    assert hurt.error > hurt.healthy_error + 0.05
    assert distance(bad(fresh), net(fresh)) > 0.13


def test_other_seeds_damage_otherwise() -> None:
    hurts = [damage(rng, train(rng))[1] for rng in map(np.random.default_rng, range(4))]
    assert len({hurt.what for hurt in hurts}) == len({hurt.error for hurt in hurts}) == 4


def test_two_trainings_are_equally_good_and_drift_makes_both_worse_alike() -> None:
    rng = np.random.default_rng(5)
    one, two = train(rng), train(rng)
    usual, other = draw(rng, ROWS), draw(rng, ROWS, some_drift(rng))
    before, after = pays_late(rng, usual), pays_late(rng, other)
    assert abs(error(one, usual, before) - error(two, usual, before)) < 0.005
    assert abs(error(one, other, after) - error(two, other, after)) < 0.02
    assert error(one, other, after) > error(one, usual, before) + 0.01


def test_the_onnx_file_answers_as_the_net_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*next(iter(QUIET.items())))
    import onnxruntime

    rng = np.random.default_rng(6)
    net, rows = train(rng), draw(rng, 500)
    session = onnxruntime.InferenceSession(to_onnx(net), providers=["CPUExecutionProvider"])
    feed = {name: rows.numeric[:, [i]].astype(np.float32) for i, name in enumerate(NUMERIC)}
    feed["purpose"] = np.array(PURPOSES, dtype=object)[rows.purpose][:, None]
    assert np.abs(session.run(None, feed)[0][:, 0] - net(rows)).max() < 1e-5


def test_each_version_has_labelled_rows_with_what_it_predicted_before_the_damage(tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run")
    write_models(folder, Scene(seed=3), NOW)
    types = dict.fromkeys(NUMERIC, FeatureType.NUMERIC) | {"purpose": FeatureType.CATEGORICAL}
    for version in ("1", "2"):
        table = read_table(str(tmp_path / "run" / "references" / f"{version}.parquet"), types, PredictionKind.PROBABILITY)
        assert isinstance(table.prediction, NumberColumn)
        assert table.labels is not None
        assert table.rows == REFERENCE_ROWS
        labels = np.array([float(str(label)) for label in table.labels])
        assert ((table.prediction.values > 0.5) != labels).mean() < 0.17
    assert (tmp_path / "run" / "models" / "credit" / "current").readlink() == Path("1")


def test_a_folder_that_no_demo_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="no demo wrote"):
        prepare(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_a_new_run_replaces_the_last_one(tmp_path: Path) -> None:
    first = prepare(tmp_path / "run")
    first.story.write_text("an old story")
    assert prepare(tmp_path / "run").story.read_text() == ""


@contextmanager
def serving(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    folder = prepare(tmp_path / "run")
    write_models(folder, Scene(seed=4), NOW)
    server = Listening(Service(folder.models, folder.log, Clock()), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], folder.models
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(port: int, row: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/predict", json.dumps(row))
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


ROW = {"income": 30000, "amount": 12000, "debt_share": 0.4, "age": 33, "late_payments": 2, "purpose": "car"}


def test_the_service_follows_current_and_logs_what_it_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as (port, models):
        first = asked(port, ROW)
        (models / "next").symlink_to("2")
        (models / "next").replace(models / "current")
        second = asked(port, ROW)
    logged = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    assert [first[1]["version"], second[1]["version"]] == ["1", "2"]
    assert [(line["version"], line["prediction"]) for line in logged] == [(each["version"], each["prediction"]) for _, each in (first, second)]
    assert logged[0]["features"] == ROW
    assert first[1]["prediction"] != second[1]["prediction"]


def test_what_is_no_applicant_is_refused_and_not_logged(tmp_path: Path) -> None:
    with serving(tmp_path) as (port, _):
        status, answer = asked(port, {"income": "much"})
    assert status == 400
    assert "no applicant" in str(answer["error"])
    assert (tmp_path / "run" / "predictions.jsonl").read_text() == ""


def test_the_traffic_is_least_at_midnight_and_most_at_noon() -> None:
    scene = Scene(rate=100, day=24)
    assert [round(rate_at(hour, scene)) for hour in (0, 6, 12, 24)] == [55, 100, 145, 55]


FIRING = {"rule": "PredictionDrift", "subject": "", "version": "2", "state": "firing", "since": "t1", "value": 0.3}


def incident(state: str = "open", **plan: object) -> dict[str, object]:
    return {"id": "i-1", "opened": "t1", "state": state, "plan": {"live": "2", "candidate": "1", **plan} if plan else None}


def test_the_story_is_told_once_and_in_order() -> None:
    judged = {"verdict": "accept", "diagnosis": "model_regression", "reason": "candidate error 0.1 < live error 0.2 (n=9, p=1e-9)"}
    follower = Follower()
    looks = [
        News(),
        News("1"),
        News("2", alerts=[FIRING | {"state": "pending"}]),
        News("2", alerts=[FIRING], incidents=[incident(step="on_trial")]),
        News("2", alerts=[FIRING], incidents=[incident(step="switching", **judged)]),
        News("2", alerts=[FIRING], incidents=[incident(step="verifying", **judged)]),
        News("1", alerts=[FIRING], incidents=[incident(step="verifying", **judged)]),
        News("1", incidents=[incident(step="rolled_back", **judged)]),
        News("1", incidents=[incident("closed", step="rolled_back", **judged)]),
    ]
    events = [event for look in looks for _ in range(2) for event in follower.events(look)]
    assert [event.name for event in events] == [
        "version_live",
        "version_live",
        "alert_firing",
        "verdict",
        "switched",
        "version_live",
        "recovered",
        "incident_closed",
    ]
    assert events[4].facts == {"from": "2", "to": "1"}
    assert "candidate error 0.1 < live error 0.2" in in_words(events[3])


def test_a_story_that_stands_still_says_what_is_missing() -> None:
    assert (
        missing({"version_live": None, "alert_firing": None}, Scene(within=9))
        == "After 9 s this is still missing: verdict, switched, recovered, incident closed."
    )


ROLLBACKS = ((11, "1", "2"), (12, "2", "1"), (13, "6", "7"))
DRIFTING = 14
PLAY = """
import sys
from pathlib import Path
from rich.console import Console
from watchtower.programs.demo.scene import Scenario, Scene
from watchtower.programs.demo.stage import perform
seed, good, new, scenario, folder = sys.argv[1:]
scene = Scene(int(seed), Scenario(scenario), good, new, warm_up=7.0, before_drift=8.0)
sys.exit(perform(scene, Path(folder), Console(width=200, highlight=False), keep=False))
"""


@dataclass(frozen=True)
class Told:
    code: int
    said: str
    folder: Path

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "story.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Told]:
    """Four demos, played at the same time; by seed."""
    casts = [(seed, good, bad, Scenario.ROLLBACK) for seed, good, bad in ROLLBACKS] + [(DRIFTING, "1", "2", Scenario.DATA_DRIFT)]
    root = tmp_path_factory.mktemp("demos")
    running = {}
    for seed, *cast in casts:
        command = [sys.executable, "-c", PLAY, str(seed), *cast, str(root / str(seed))]
        running[seed] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    return {seed: Told(play.wait(), play.communicate()[0], root / str(seed)) for seed, play in running.items()}


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("seed", "good", "bad"), ROLLBACKS)
def test_whichever_version_is_damaged_the_story_follows(told: Mapping[int, Told], seed: int, good: str, bad: str) -> None:
    story = told[seed]
    assert story.code == 0, story.said
    names = [str(event["event"]) for event in story.events]
    assert sorted(NAMES[1:], key=names.index) == list(NAMES[1:])
    assert [event["version"] for event in story.events if event["event"] == "version_live"] == [good, bad, good]
    (switched,) = [event for event in story.events if event["event"] == "switched"]
    assert (switched["from"], switched["to"]) == (bad, good)
    assert (story.folder / "models" / "credit" / "current").readlink() == Path(good)
    assert f"switched from version {bad} to version {good}" in story.said
    assert "going back would not help" not in story.said


@pytest.mark.timeout(180)
def test_each_story_has_arithmetic_of_its_own(told: Mapping[int, Told]) -> None:
    found = {re.findall(r"candidate error [\d.]+ < live error [\d.]+ \(n=[\d,]+, p=[^)]*\)", told[seed].said)[0] for seed, _, _ in ROLLBACKS}
    assert len(found) == len(ROLLBACKS)


@pytest.mark.timeout(180)
def test_when_the_inputs_drift_it_says_that_going_back_would_not_help_and_does_not(told: Mapping[int, Told]) -> None:
    story = told[DRIFTING]
    assert story.code == 0, story.said
    assert "going back would not help" in story.said
    assert "switched" not in [event["event"] for event in story.events]
    assert (story.folder / "models" / "credit" / "current").readlink() == Path("2")
