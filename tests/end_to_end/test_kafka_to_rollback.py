"""From a real broker to a switched `current`, with a real Prometheus looking on: what is shown is what was sent."""

import itertools
import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from kafka import KafkaProducer
from scipy.stats import chi2_contingency

from tests.end_to_end import oracle
from tests.end_to_end.panels import Curve, Panel, labelled, panels
from tests.end_to_end.running import ROOT, Daemon, Json, counts, environment, free_port, listed, rejected, status, until, write_rules
from tests.end_to_end.sending import MISSING, WRONG, Sent, Service, deploy
from tests.servers.kafka import Broker
from tests.servers.prometheus import Prometheus, Series, prometheus
from tests.servers.slack import TOKEN
from watchtower.edges.clock import Clock
from watchtower.programs.demo.files import Folder, prepare, write_models
from watchtower.programs.demo.scene import MODEL, Scene

pytestmark = pytest.mark.timeout(240)
PARTITIONS, SIZE = 3, 2
SETTINGS = """\
sources:
  - kind: kafka
    brokers: ["{broker}"]
    topic: {topic}
    group: {topic}
    format: {{kind: watchtower_json}}
    dead_letters: {{topic: {topic}.rejected, keep: digest}}
store: {{url: sqlite:///watchtower.db, checkpoint: 500ms}}
window: {{size: 2s, lateness: 1s}}
models:
  {model}:
    features: {{income: numeric, amount: numeric, debt_share: numeric, age: numeric, late_payments: numeric, purpose: categorical}}
    prediction: {{kind: probability, positive: 1}}
    reference: {{kind: file, path: "references/{{version}}.parquet"}}
    healthy: ["1"]
    artifacts: {{kind: directory, path: models/{model}}}
    shadow: {{rows: 4096, device: cpu}}
    rollback: {{target: {{kind: directory, path: models/{model}}}, approval: none}}
notifiers:
  oncall: {{kind: slack, channel: "#ml-oncall", token_file: slack.token, base_url: "{slack}"}}
incidents: {{quiet: 2 windows}}
server: {{listen: "127.0.0.1:{port}"}}
"""
WATCHED = {
    "FeatureDrift": "{kind: above, measure: drift.psi, feature: '*', value: 0.5}",
    "SlowMedian": "{kind: above, measure: latency.p50, value: 5}",
    "SlowMost": "{kind: above, measure: latency.p95, value: 5}",
    "SlowWorst": "{kind: above, measure: latency.p99, value: 5}",
    "Errors": "{kind: above, measure: errors.share, value: 0.5}",
    "Missing": "{kind: above, measure: quality.missing_share, feature: '*', value: 0.5}",
    "BusyDevice": "{kind: above, measure: gpu.utilization, value: 0.99}",
    "FullDevice": "{kind: above, measure: gpu.memory_used, value: 9e12}",
    "Mean": "{kind: above, measure: prediction.mean, value: 0.999}",
    "Traffic": "{kind: above, measure: traffic.rate, value: 1e9}",
}
ACTS = (
    "{name: PredictionDrift, model: credit, when: {kind: above, measure: prediction.kolmogorov_smirnov, value: 0.1}, "
    "over: 2 windows, hold: 2 windows, severity: page, respond: [rollback]}"
)
GARBAGE = (b"no JSON", b'{"model": "credit"', b'{"features": {"age": 1}}')
GARBAGE_REASONS = {"not_json": 2, "missing_field": 1}
LEAST_ROWS = 200
"""Fewer have no score."""
INTERVAL = 8.0
"""Seconds that rates are taken over."""


@dataclass
class Story:
    """What happened, and when; moments are seconds since 1970."""

    folder: Folder
    sent: Sent
    daemon: Daemon
    prometheus: Prometheus
    slack: list[Json]
    status: Json
    incidents: list[Json]
    switches: list[str]
    begun: float
    steady: float
    """Version 1 serves again, everything is quiet, the traffic goes on."""
    ended: float
    ends: Curve = field(default_factory=dict)
    """The newest evaluated window's end, by the moment of looking."""

    def windows(self, curve: Curve) -> Iterator[tuple[Sent, float]]:
        """The rows of each window that a gauge was seen for, with the value; windows that the traffic filled to their end."""
        last = float(self.sent.time.max()) / 1e6
        seen: dict[float, float] = {}
        for at, value in curve.items():
            if at in self.ends:
                seen.setdefault(self.ends[at], value)
                assert seen[self.ends[at]] == value, f"a gauge changed within the window that ends at {self.ends[at]}"
        for end, value in seen.items():
            if end <= last:
                yield self.sent.within(end - SIZE, end), value


@pytest.fixture(scope="module")
def story(kafka_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Plays it once; the tests look at what came of it. Prometheus and the daemon still answer."""
    root, begun = tmp_path_factory.mktemp("story") / "run", time.time()
    folder, port, topic = prepare(root), free_port(), f"credit-{uuid.uuid4().hex[:8]}"
    write_models(folder, Scene(seed=3), Clock().now())
    kafka_broker.create(topic, PARTITIONS)
    kafka_broker.create(f"{topic}.rejected", 1)
    (root / "slack.token").write_text(TOKEN)
    write_rules(root, [ACTS, *(f"{{name: {name}, model: {MODEL}, when: {when}}}" for name, when in WATCHED.items())])
    with ExitStack() as stack:
        slack = stack.enter_context(_slack())
        folder.settings.write_text(SETTINGS.format(broker=kafka_broker.address, topic=topic, model=MODEL, port=port, slack=slack[0]["listening"]))
        daemon = stack.enter_context(Daemon(root, port)).start()
        scraping = stack.enter_context(prometheus({"watchtower": f"127.0.0.1:{port}"}))
        daemon.wait_ready()
        service = Service(kafka_broker.address, topic, folder, PARTITIONS, np.random.default_rng(11))
        service.start()
        try:
            switches, steady = _played(folder, daemon, kafka_broker, topic)
        finally:
            service.stop()
        sent = service.sent()
        daemon.wait_until(lambda: sum(each for each, _ in counts(daemon.json("/api/v1/status")).values()) == len(sent), 20, "every row was counted")
        daemon.wait_until(lambda: all(each["lag"] == 0 for each in listed(daemon.json("/api/v1/status"), "lag")), 10, "nothing lags")
        until(lambda: scraping.value(f'sum(watchtower_predictions_total{{model="{MODEL}"}})') == len(sent), 20, "Prometheus has the last count")
        ended = time.time()
        ends = labelled(scraping.query_range(f'watchtower_window_end_timestamp_seconds{{model="{MODEL}"}}', start=begun, end=ended))
        incidents = listed(daemon.json("/api/v1/incidents"), "incidents")
        yield Story(folder, sent, daemon, scraping, slack[1:], status(root), incidents, switches, begun, steady, ended, ends)
        assert daemon.stop()[0] == 0


def _played(folder: Folder, daemon: Daemon, broker: Broker, topic: str) -> tuple[list[str], float]:
    """Version 1 serves, version 2 is deployed, is found and taken back; the values of `current`, and a quiet moment at the end."""
    current = folder.models / "current"
    daemon.wait_until(lambda: _live(daemon) == "1", 30, "version 1 is seen to serve")
    threading.Event().wait(3 * SIZE)
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for garbage in GARBAGE:
        producer.send(topic, garbage)
    producer.close()
    deploy(folder.models, "2")
    daemon.wait_until(lambda: _state(daemon, "PredictionDrift") == "firing", 40, "the alert fires")
    daemon.wait_until(lambda: current.readlink().name == "1", 40, "it went back to version 1")
    daemon.wait_until(lambda: _live(daemon) == "1", 20, "version 1 is seen to serve again")
    daemon.wait_until(lambda: _incident(daemon).get("state") == "closed", 40, "the incident is closed")
    threading.Event().wait(INTERVAL)
    return ["1", "2", current.readlink().name], time.time()


def _live(daemon: Daemon) -> object:
    return next((each["live"] for each in listed(daemon.json("/api/v1/status"), "models")), None)


def _state(daemon: Daemon, rule: str) -> object:
    return next((each["state"] for each in listed(daemon.json("/api/v1/status"), "alerts") if each["rule"] == rule), "inactive")


def _incident(daemon: Daemon) -> Json:
    return next(iter(listed(daemon.json("/api/v1/incidents"), "incidents")), {})


@contextmanager
def _slack() -> Iterator[list[Json]]:
    """Slack in a process of its own: the first entry says where it listens, then every call that came."""
    process = subprocess.Popen([sys.executable, "-m", "tests.servers.slack"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = process.stdout
    came: list[Json] = [json.loads(lines.readline())]
    listener = threading.Thread(target=lambda: came.extend(map(json.loads, lines)), daemon=True)
    listener.start()
    try:
        yield came
    finally:
        process.terminate()
        process.wait(10)
        listener.join(10)
        lines.close()


# ------------------------------------------------------------------------------------------------- what happened


def test_every_row_was_counted_once_and_every_bad_message_by_its_reason(story: Story) -> None:
    wanted = {(MODEL, version): (int((story.sent.version == version).sum()), 0) for version in ("1", "2")}
    assert counts(story.status) == wanted
    assert rejected(story.status) == GARBAGE_REASONS


def test_the_damaged_version_was_found_and_version_1_serves_again(story: Story) -> None:
    plan = story.incidents[0]["plan"]
    assert isinstance(plan, dict)
    assert [each["model"] for each in story.incidents].count(MODEL) == 1
    assert story.incidents[0]["state"] == "closed"
    assert (plan["step"], plan["live"], plan["candidate"]) == ("rolled_back", "2", "1")
    assert (plan["verdict"], plan["diagnosis"]) == ("accept", "model_regression")
    assert "<" in str(plan["reason"])
    assert (story.folder.models / "current").readlink() == Path("1")
    versions = [version for version, _ in itertools.groupby(story.sent.version.tolist())]
    assert versions == ["1", "2", "1"]


def test_slack_was_told_in_one_thread_by_the_right_token(story: Story) -> None:
    posts = [call for call in story.slack if call["method"] == "chat.postMessage"]
    assert {(call["status"], call["error"]) for call in story.slack} == {(200, "")}
    deployed = [call for call in posts if "version 2 was deployed" in json.dumps(call["message"])]
    assert len(deployed) == 1, "nobody announced it"
    first, *later = [call for call in posts if call not in deployed]
    assert isinstance(first["message"], dict)
    assert first["message"]["channel"] == "#ml-oncall"
    assert "thread_ts" not in first["message"]
    assert later
    assert {call["message"]["thread_ts"] for call in later} == {first["ts"]}  # type: ignore[index]
    told = json.dumps([call["message"] for call in story.slack])
    assert all(word in told for word in ("PredictionDrift", "rolled back", "closed")), told


# ------------------------------------------------------------------------------------------------- what Prometheus saw


def test_the_totals_are_what_was_sent(story: Story) -> None:
    sent, now = story.sent, story.prometheus.query
    for version in ("1", "2"):
        rows, labels = sent.of(version), f'{{model="{MODEL}",version="{version}"}}'
        assert list(now(f"watchtower_predictions_total{labels}").values()) == [len(rows)]
        assert list(now(f"sum(watchtower_prediction_errors_total{labels})").values()) == [int((rows.status != "ok").sum())]
        buckets = now(f"watchtower_prediction_latency_seconds_bucket{labels}")
        assert len(buckets) == 13
        for series, value in buckets.items():
            assert value == int((rows.latency <= float(dict(series)["le"].replace("+Inf", "inf"))).sum())
    assert list(now(f'watchtower_rollbacks_total{{model="{MODEL}",outcome="rolled_back"}}').values()) == [1]
    assert list(now(f'watchtower_shadow_runs_total{{model="{MODEL}",verdict="accept"}}').values()) == [1]


@pytest.mark.parametrize(
    ("measure", "truth"),
    [
        ("prediction.mean", lambda rows: float(rows.prediction.mean())),
        ("errors.share", lambda rows: float((rows.status != "ok").mean())),
        ("latency.p95", lambda rows: oracle.quantile(rows.latency, 0.95)),
    ],
)
def test_other_measures_are_those_of_the_rows(story: Story, measure: str, truth: Callable[[Sent], float]) -> None:
    curves = story.prometheus.query_range(
        f'watchtower_measure{{model="{MODEL}",segment="",measure="{measure}",subject=""}}', start=story.begun, end=story.ended
    )
    _of_rows(story, curves, truth, within=0.02 if measure.startswith("latency") else 1e-9)


def test_the_rate_of_a_window_is_its_rows_by_its_seconds(story: Story) -> None:
    curve = labelled(story.prometheus.query_range(f'watchtower_measure{{model="{MODEL}",measure="traffic.rate"}}', start=story.begun, end=story.ended))
    held = [value == pytest.approx(len(rows) / SIZE) for rows, value in story.windows(curve)]
    assert all(held)
    assert len(held) >= 8


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.title)
def test_every_panel_has_data_and_shows_what_was_sent(story: Story, panel: Panel) -> None:
    curves = [
        story.prometheus.query_range(query, start=story.begun, end=story.ended)
        for query in panel.filled(MODEL, interval=f"{INTERVAL:g}s", whole=f"{story.ended - story.begun:.0f}s")
    ]
    values = [value for found in curves for curve in found.values() for _, value in curve]
    assert all(curves), f"{panel.title}: a query without data"
    assert np.isfinite(values).any(), f"{panel.title}: no number"
    assert panel.title in TRUTHS, f"{panel.title}: say in this test what it must show"
    TRUTHS[panel.title](story, [{series: dict(curve) for series, curve in found.items()} for found in curves])


Curves = list[dict[tuple[tuple[str, str], ...], Curve]]


def _at(curve: Curve, moment: float) -> float:
    """The value at the last look before *moment*."""
    return curve[max(at for at in curve if at <= moment)]


def _only(curves: Curves, number: int = 0) -> Curve:
    assert len(curves[number]) == 1, list(curves[number])
    return next(iter(curves[number].values()))


def _of_rows(story: Story, curves: Mapping[Series, Sequence[tuple[float, float]]], truth: Callable[[Sent], float], *, within: float, **labels: str) -> int:
    """Holds every window of every version against *truth* of its rows (relative error *within*); how many were held."""
    held = 0
    for version in ("1", "2"):
        for rows, value in story.windows(labelled(curves, version=version, **labels)):
            if len(rows.of(version)) >= LEAST_ROWS:
                assert value == pytest.approx(truth(rows.of(version)), rel=within, abs=1e-12), f"version {version}, {labels}"
                held += 1
    assert held >= 8, f"only {held} windows were compared"
    return held


def _rate(story: Story, chosen: np.ndarray) -> float:
    """Rows a second in the last INTERVAL seconds before the steady moment."""
    rows = story.sent.where(chosen).within(story.steady - INTERVAL, story.steady)
    return len(rows) / INTERVAL


def _everything(story: Story) -> np.ndarray:
    return np.ones(len(story.sent), dtype=bool)


def _predictions(story: Story, curves: Curves) -> None:
    assert _at(_only(curves), story.steady) == pytest.approx(_rate(story, _everything(story)), rel=0.15)


def _by_version(story: Story, curves: Curves) -> None:
    assert _at(labelled_curve(curves[0], version="1"), story.steady) == pytest.approx(_rate(story, story.sent.version == "1"), rel=0.15)


def labelled_curve(found: dict[tuple[tuple[str, str], ...], Curve], **labels: str) -> Curve:
    """The one curve with *labels*."""
    return labelled({series: list(curve.items()) for series, curve in found.items()}, **labels)


def _live_version(_: Story, curves: Curves) -> None:
    shown = {version: labelled_curve(curves[0], version=version) for version in ("1", "2")}
    assert all(set(curve.values()) == {1.0} for curve in shown.values())
    order = [version for _, version in sorted((at, version) for version, curve in shown.items() for at in curve)]
    assert [version for version, _ in itertools.groupby(order)] == ["1", "2", "1"]


def _firing(story: Story, curves: Curves) -> None:
    assert max(_only(curves).values()) >= 1
    assert _at(_only(curves), story.steady) == 0


def _error_share(story: Story, curves: Curves) -> None:
    wrong, every = _rate(story, story.sent.status != "ok"), _rate(story, _everything(story))
    assert _at(_only(curves), story.steady) == pytest.approx(wrong / every, abs=0.3 * WRONG)


def _error_share_by_version(story: Story, curves: Curves) -> None:
    wrong, every = _rate(story, story.sent.status != "ok"), _rate(story, _everything(story))
    assert _at(labelled_curve(curves[0], version="1"), story.steady) == pytest.approx(wrong / every, abs=0.3 * WRONG)


def _errors_by_status(story: Story, curves: Curves) -> None:
    assert {dict(series)["status"] for series, curve in curves[0].items() if max(curve.values()) > 0} == {"timeout"}
    assert _at(labelled_curve(curves[0], status="timeout"), story.steady) == pytest.approx(_rate(story, story.sent.status != "ok"), rel=0.3)


def _age(story: Story, curves: Curves) -> None:
    for at, value in _only(curves).items():
        if at in story.ends:
            assert value == pytest.approx(at - story.ends[at], abs=1e-3)
    assert 1.0 <= _at(_only(curves), story.steady) < 3 * SIZE + 2


def _no_lag(story: Story, curves: Curves) -> None:
    assert _at(_only(curves), story.ended) == 0


def _no_lag_by_partition(story: Story, curves: Curves) -> None:
    assert sorted(dict(series)["partition"] for series in curves[0]) == [str(number) for number in range(PARTITIONS)]
    assert {_at(curve, story.ended) for curve in curves[0].values()} == {0}


def _share(story: Story, curves: Curves) -> None:
    shown = labelled_curve(curves[0], version="1")
    held = [value == pytest.approx(len(rows.of("1")) / len(rows)) for rows, value in story.windows(shown)]
    assert all(held)
    assert len(held) >= 8


def _latency(story: Story, curves: Curves) -> None:
    """A quantile from buckets lies in the bucket that holds the rows' own."""
    edges = [
        0.0,
        *sorted(
            float(dict(series)["le"].replace("+Inf", "inf")) for series in story.prometheus.query('watchtower_prediction_latency_seconds_bucket{version="1"}')
        ),
    ]
    rows = story.sent.within(story.steady - INTERVAL, story.steady)
    for number, share in enumerate((0.5, 0.9, 0.99)):
        shown = _at(_only(curves, number), story.steady)
        place = np.searchsorted(edges, oracle.quantile(rows.latency, share))
        assert 0.95 * edges[place - 1] <= shown <= 1.05 * edges[place]


def _latency_of_windows(story: Story, curves: Curves) -> None:
    for number, share in enumerate((0.5, 0.95, 0.99)):
        _of_rows(story, _sequences(curves[number]), partial(_latency_quantile, share), within=0.02)


def _latency_quantile(share: float, rows: Sent) -> float:
    return oracle.quantile(rows.latency, share)


def _sequences(found: dict[tuple[tuple[str, str], ...], Curve]) -> dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]:
    return {series: list(curve.items()) for series, curve in found.items()}


def _reference(story: Story, version: str) -> dict[str, list[object]]:
    table: dict[str, list[object]] = pq.read_table(story.folder.root / "references" / f"{version}.parquet").to_pydict()
    return table


def _drift(story: Story, curves: Curves) -> None:
    assert {dict(series)["feature"] for series in curves[0]} == {"income", "amount", "debt_share", "age", "late_payments", "purpose"}
    _held_to_references(
        story, curves[0], lambda reference, rows: oracle.psi_of_categories(reference["purpose"], rows.purpose.tolist()), statistic="psi", feature="purpose"
    )


def _held_to_references(
    story: Story, found: dict[tuple[tuple[str, str], ...], Curve], truth: Callable[[dict[str, list[object]], Sent], float], **labels: str
) -> None:
    """Each version against its own reference, where it served alone and so was live."""
    held = 0
    for version in ("1", "2"):
        reference = _reference(story, version)
        for rows, value in story.windows(labelled_curve(found, version=version, **labels)):
            if len(rows.of(version)) == len(rows) >= LEAST_ROWS:
                assert value == pytest.approx(truth(reference, rows), rel=1e-6)
                held += 1
    assert held >= 8, f"only {held} windows were compared"


def _p_values(story: Story, curves: Curves) -> None:
    def truth(reference: dict[str, list[object]], rows: Sent) -> float:
        """Pearson's test of homogeneity: categories and missing ones, none of them rare here."""
        left, right = Counter(reference["purpose"]), Counter(rows.purpose.tolist())
        names = sorted(left.keys() | right.keys(), key=str)
        return float(chi2_contingency([[left[name] for name in names], [right[name] for name in names]], correction=False).pvalue)

    _held_to_references(story, curves[0], truth, statistic="psi", feature="purpose")


def _prediction_drift(story: Story, curves: Curves) -> None:
    held = 0
    for version in ("1", "2"):
        reference = np.array(_reference(story, version)["prediction"], dtype=np.float64)
        for rows, value in story.windows(labelled_curve(curves[0], version=version, statistic="kolmogorov_smirnov")):
            window = rows.prediction
            if len(rows.of(version)) == len(rows) >= LEAST_ROWS:
                exact = oracle.distance(reference, window)
                assert exact - oracle.hidden(reference, window) <= value <= exact + 1e-9
                held += 1
    assert held >= 8


def _missing(story: Story, curves: Curves) -> None:
    _of_rows(story, _sequences(curves[0]), lambda rows: float((rows.purpose == "").mean()), within=1e-9, subject="purpose")
    _of_rows(story, _sequences(curves[0]), lambda _: 0.0, within=1e-9, subject="age")
    assert (story.sent.purpose == "").mean() == pytest.approx(MISSING, abs=0.02)


def _utilization(story: Story, curves: Curves) -> None:
    """Of the live version's rows, since the label says no version."""
    held = 0
    for rows, value in story.windows(labelled_curve(curves[0], device="0")):
        if len(set(rows.version.tolist())) == 1:
            assert value == pytest.approx(float(rows.utilization.mean()), rel=1e-9)
            held += 1
    assert held >= 8


def _memory(_: Story, curves: Curves) -> None:
    assert set(_only(curves).values()) == {1.5e9}


def _alert_states(_: Story, curves: Curves) -> None:
    shown = labelled_curve(curves[0], rule="PredictionDrift")
    pending = 1.0
    steps = [value for value, _ in itertools.groupby(min(value, 2.0) for _, value in sorted(shown.items()) if value != pending)]
    assert steps == [0.0, 2.0, 0.0]
    assert {dict(series)["rule"] for series in curves[0]} == {"PredictionDrift", *WATCHED}
    assert all(set(curve.values()) == {0.0} for series, curve in curves[0].items() if dict(series)["rule"] != "PredictionDrift")


def _alerts_by_state(story: Story, curves: Curves) -> None:
    assert max(labelled_curve(curves[0], state="firing").values()) == 1
    assert _at(labelled_curve(curves[0], state="firing"), story.ended) == 0


def _verdicts(story: Story, curves: Curves) -> None:
    shown = {dict(series)["verdict"]: _at(curve, story.ended) for series, curve in curves[0].items()}
    assert shown.pop("accept") == pytest.approx(1, abs=0.2)
    assert set(shown.values()) == {0.0}


def _rollbacks(story: Story, curves: Curves) -> None:
    shown = {dict(series)["outcome"]: _at(curve, story.ended) for series, curve in curves[0].items()}
    assert shown.pop("rolled_back") == pytest.approx(1, abs=0.2)
    assert set(shown.values()) == {0.0}


def _decisions(_: Story, curves: Curves) -> None:
    assert {"notify", "begin_trial", "roll_back"} <= {dict(series)["decision"] for series, curve in curves[0].items() if max(curve.values()) > 0}


def _notifications(_: Story, curves: Curves) -> None:
    assert max(labelled_curve(curves[0], notifier="oncall", outcome="delivered").values()) > 0
    assert max(labelled_curve(curves[0], notifier="oncall", outcome="dead").values()) == 0


def _none(_: Story, curves: Curves) -> None:
    assert {value for curve in curves[0].values() for value in curve.values()} == {0.0}


def _messages(story: Story, curves: Curves) -> None:
    messages = story.sent.within(story.steady - INTERVAL, story.steady)
    assert _at(labelled_curve(curves[0], outcome="accepted"), story.steady) == pytest.approx(len(messages) * 21 / 50 / INTERVAL, rel=0.15)
    assert {dict(series)["reason"] for series in curves[1]} == set(GARBAGE_REASONS)


def _took(_: Story, curves: Curves) -> None:
    assert all(0 < max(value for value in _only(curves, number).values() if np.isfinite(value)) < 5 for number in (0, 1))


def _outbox(story: Story, curves: Curves) -> None:
    assert _at(_only(curves), story.ended) == 0


def _resident(_: Story, curves: Curves) -> None:
    assert 50e6 < max(_only(curves).values()) < 400e6


TRUTHS: dict[str, Callable[[Story, Curves], None]] = {
    "Predictions per second": _predictions,
    "Live version": _live_version,
    "Alerts firing": _firing,
    "Error share": _error_share,
    "Window end age": _age,
    "Lag": _no_lag,
    "Predictions per second, by version": _by_version,
    "Traffic share, by version": _share,
    "Latency": _latency,
    "Latency of the last window, by version": _latency_of_windows,
    "Error share, by version": _error_share_by_version,
    "Errors per second, by status": _errors_by_status,
    "Drift by feature": _drift,
    "p-value by feature": _p_values,
    "Prediction drift": _prediction_drift,
    "Missing share, by feature": _missing,
    "GPU utilisation": _utilization,
    "GPU memory": _memory,
    "Alerts": _alert_states,
    "Alerts by state": _alerts_by_state,
    "Verdicts": _verdicts,
    "Rollbacks": _rollbacks,
    "Decisions": _decisions,
    "Notifications": _notifications,
    "Lag by partition": _no_lag_by_partition,
    "Late predictions per second": _none,
    "Messages per second, by outcome": _messages,
    "Checkpoint and scoring, mean seconds": _took,
    "Outbox": _outbox,
    "Resident memory": _resident,
}
"""What each panel must show, computed from the rows that were sent."""
