"""Labels from end to end: replayed from a file, posted to a daemon that is killed in the worst moments; each pair counts once, in the window of its label."""

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.servers.kafka import Broker
from watchtower.assembly.labels import build_joiner, expect_labels, label_feeds
from watchtower.config.reader import Loaded, read_settings
from watchtower.core.profiling import Folder
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.line import Response
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.score import MeasureName
from watchtower.nouns.window import Window
from watchtower.programs.replay import Replay
from watchtower.sources.file import ReplaySession
from watchtower.store import Store
from watchtower.workers.evaluator import Evaluator
from watchtower.workers.intake import Feed, Intake
from watchtower.workers.labels import SpoolSession
from watchtower.workers.references import References
from watchtower.workers.rows import RowReader

START = datetime(2026, 5, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SETTINGS = """
source: {kind: file, path: predictions.jsonl, format: {kind: watchtower_json}}
labels: {kind: file, path: labels.jsonl, wait: 5m}
models:
  fraud:
    features: {country: categorical}
    prediction: {kind: probability, positive: fraud}
    reference: {kind: first_windows, count: 1}
    segments: [country]
"""
RULES = """
rules:
  - {name: Wrong, model: fraud, when: {kind: below, measure: performance.accuracy, value: 0.1}}
  - {name: Unlabelled, model: fraud, when: {kind: below, measure: labels.coverage, value: 0.1}}
"""


class Log:
    """Predictions of two versions, one after the other; labels for four in five of them after 30 to 200 s, some twice, some too late, one of nobody."""

    def __init__(self, rows: int = 1200, seconds: float = 1.0) -> None:
        rng = random.Random(11)
        self.predictions: list[dict[str, object]] = []
        self.labels: list[dict[str, object]] = []
        self.truth: dict[datetime, list[tuple[str, str, bool]]] = defaultdict(list)
        for i in range(rows):
            when = START + timedelta(seconds=i * seconds)
            version, country, p = "1" if i < rows / 2 else "2", rng.choice("AB"), rng.random()
            row = {"model": "fraud", "version": version, "id": f"r-{i}", "time": when.isoformat(), "features": {"country": country}, "prediction": p}
            self.predictions.append(row)
            if rng.random() < 0.8:
                self._label(rng, i, when, version, country, p)
        self.labels.append({"model": "fraud", "id": "nobody", "label": "ok", "time": START.isoformat()})
        self.labels.sort(key=lambda each: str(each["time"]))

    def _label(self, rng: random.Random, i: int, when: datetime, version: str, country: str, p: float) -> None:
        came = when + timedelta(seconds=rng.uniform(30, 200) if rng.random() < 0.95 else 301)
        said = "fraud" if rng.random() < p else "ok"
        self.labels.append({"model": "fraud", "id": f"r-{i}", "label": said, "time": came.isoformat()})
        if came - when > timedelta(minutes=5):
            return
        self.truth[window_end(came)].append((version, country, (p >= 0.5) == (said == "fraud")))
        if i % 10 == 0:  # a second label behind the join changes nothing
            self.labels.append({"model": "fraud", "id": f"r-{i}", "label": "ok", "time": (came + 2 * MINUTE).isoformat()})

    def write(self, folder: Path) -> None:
        for name, rows in (("predictions", self.predictions), ("labels", self.labels)):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def window_end(when: datetime) -> datetime:
    return START + ((when - START) // MINUTE + 1) * MINUTE


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def loaded(tmp_path: Path, log: Log) -> Loaded:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "fraud.yaml").write_text(RULES)
    (tmp_path / "watchtower.yaml").write_text(SETTINGS)
    log.write(tmp_path)
    return read_settings(tmp_path / "watchtower.yaml")


def accuracies(evaluation: Evaluation) -> dict[tuple[str, str], tuple[float, int]]:
    """(version, segment) -> value and n of the base window."""
    wanted = MeasureName.parse("performance.accuracy")
    return {
        (slot.version, slot.segment): (float(scores.values[0]), int(scores.n[0]))
        for slot, scores in evaluation.board.scores.items()
        if slot.need.measure == wanted and scores.reasons[0] is None
    }


def expected(log: Log, end: datetime) -> dict[tuple[str, str], tuple[float, int]]:
    found: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for version, country, right in log.truth[end]:
        found[version, ""].append(right)
        if end > START + MINUTE:
            found[version, f"country={country}"].append(right)
    return {key: (sum(each) / len(each), len(each)) for key, each in found.items()}


def test_a_replay_joins_each_label_once_in_the_window_in_which_it_arrives(loaded: Loaded, log: Log) -> None:
    told: dict[datetime, dict[tuple[str, str], tuple[float, int]]] = {}

    def heard(_model: str, window: Window, evaluation: Evaluation, _decisions: object) -> None:
        told[window.end] = accuracies(evaluation)

    Replay(loaded, [loaded.path.parent / "predictions.jsonl"], heard).run()
    assert len(told) == 20
    for end, found in told.items():
        assert found == expected(log, end)


class Line:
    """Intake and evaluator over one store, stepped by hand; a new one over the same file is what comes after a kill."""

    def __init__(self, loaded: Loaded, store: Store) -> None:
        settings = loaded.settings
        self.told: dict[datetime, dict[tuple[str, str], tuple[float, int]]] = {}
        session = ReplaySession([loaded.path.parent / "predictions.jsonl"], WatchtowerJson())
        references = References(store, settings.model, RowReader([session]), MINUTE)
        feeds = [Feed(session, WatchtowerJson()), Feed(SpoolSession(store), WatchtowerJson(), labels=True)]
        self.session = session
        self.intake = Intake(store, feeds, Folder(settings.window), references, settings.model, (), timedelta(0), committed=lambda _: None, now_moves=False)
        expect_labels(settings, self.intake)
        self.evaluator = Evaluator(
            store,
            references,
            references.rows,
            settings.window,
            settings.model,
            lambda: loaded.book,
            lambda _: Response(),
            self._heard,
            joiner=build_joiner(settings, store),
        )

    def _heard(self, _model: str, window: Window, evaluation: Evaluation) -> None:
        self.told[window.end] = accuracies(evaluation)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(f"sqlite:///{tmp_path}/w.db", now=lambda: START)) as opened:
        yield opened


class KilledError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("kill_at", [None, "checkpoint.before_commit", "checkpoint.after_commit", "evaluation.before_commit", "evaluation.after_commit"])
def test_a_pair_counts_once_whenever_the_daemon_is_killed(loaded: Loaded, log: Log, store: Store, monkeypatch: pytest.MonkeyPatch, kill_at: str | None) -> None:
    left = {"kills": 2, "passes": 0}

    def reached(point: str) -> None:
        left["passes"] += point == kill_at
        if point == kill_at and left["kills"] and left["passes"] % 2 == 0:
            left["kills"] -= 1
            raise KilledError

    for room in ("intake", "evaluations"):
        monkeypatch.setattr(f"watchtower.store.{room}.reached", reached)
    store.labels.spool([json.dumps(each).encode() for each in log.labels], START + 60 * MINUTE)
    told: dict[datetime, dict[tuple[str, str], tuple[float, int]]] = {}
    while not _ran(Line(loaded, store), told):
        pass
    assert left["kills"] == 2 if kill_at is None else left["kills"] < 2
    history = {row.window.end: row.profiles for row in store.windows.history("fraud", START + 30 * MINUTE, 100)}
    for end, profiles in history.items():
        counted = {version: each.labelled.rows for (version, segment), each in profiles.items() if each.labelled is not None and not segment}
        assert {version: n for version, n in counted.items() if n} == {version: n for (version, segment), (_, n) in expected(log, end).items() if not segment}
    assert store.labels.spooled(0, 10) == []


def _ran(line: Line, told: dict[datetime, dict[tuple[str, str], tuple[float, int]]]) -> bool:
    """Runs to the end; False where the process was killed."""
    try:
        line.intake.begin()
        line.intake.drain(line.intake.feeds[1], START)
        while not line.session.caught_up():
            line.intake.step(START)
            line.evaluator.step(START)
        line.intake.step(START)
        line.intake.folder.close_all()
        line.intake.finish(START)
        while line.evaluator.step(START):
            pass
    except KilledError:
        return False
    finally:
        told |= line.told
        line.session.close()
    return True


def test_a_topic_of_labels_is_read_beside_one_of_predictions(kafka_broker: Broker, tmp_path: Path, store: Store) -> None:
    names = [f"{what}-{uuid.uuid4().hex[:8]}" for what in ("predictions", "labels")]
    kafka = {"brokers": [kafka_broker.address], "format": {"kind": "watchtower_json"}}
    for name in names:
        kafka_broker.create(name)
    (tmp_path / "watchtower.yaml").write_text(
        json.dumps({"source": {"kind": "kafka", "topic": names[0], **kafka}, "labels": {"kind": "kafka", "topic": names[1]}})
    )
    settings = read_settings(tmp_path / "watchtower.yaml").settings
    source = settings.sources[0]
    feeds = [Feed(source.open(), source.format), *label_feeds(settings, store, names[1])]
    references = References(store, settings.model, RowReader([]), MINUTE)
    intake = Intake(store, feeds, Folder(settings.window), references, settings.model, (), timedelta(0), committed=lambda _: None)
    expect_labels(settings, intake)
    now = datetime.now(UTC)
    _send(kafka_broker, names[0], {"model": "fraud", "id": "r-1", "time": now.isoformat(), "prediction": 0.5})
    _send(kafka_broker, names[1], {"model": "fraud", "id": "r-1", "time": now.isoformat(), "label": 1})
    until = monotonic() + 30
    room = None
    while monotonic() < until and (room is None or not (len(room.predictions.times) and len(room.labels.times))):
        intake.step(datetime.now(UTC))
        room = store.labels.room("fraud", None)
    for feed in feeds:
        feed.session.close()
    assert room is not None
    assert (len(room.predictions.times), len(room.labels.times)) == (1, 1)


def _send(broker: Broker, topic: str, row: dict[str, object]) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all")
    producer.send(topic, json.dumps(row).encode()).get(10)
    producer.close()
