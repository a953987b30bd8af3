"""The committed dashboards are what the builder writes, and every panel has an answer from a real Prometheus."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry

from tests.servers.prometheus import Prometheus, Series, prometheus, promtool
from tests.web.far_end import Empty
from watchtower.conditions.above import Above
from watchtower.core.rules import Rule
from watchtower.dashboards import write
from watchtower.dashboards.panels import Shown
from watchtower.dashboards.rows import ROWS
from watchtower.edges.metrics import Metrics
from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.batch import Reason, Rejection
from watchtower.nouns.memory import Memory, Served
from watchtower.nouns.profile import LATENCY_BUCKETS, Delta, Totals
from watchtower.nouns.score import Board, MeasureName, Need, Scores, Slot
from watchtower.nouns.window import Partition, Window
from watchtower.web.app import create_app
from watchtower.web.server import Server

COMMITTED = Path(__file__).parents[2] / "dashboards"
PANELS = [panel for row in ROWS for panel in row.panels]
SCRAPES = 5


class Counted(Empty):
    """A view that shows metrics."""

    def __init__(self, counted: Metrics) -> None:
        super().__init__()
        self.counted = counted

    def metrics_text(self, *, openmetrics: bool) -> bytes:
        return self.counted.text(openmetrics=openmetrics)


def test_the_committed_files_are_what_the_command_writes(tmp_path: Path) -> None:
    written = write(tmp_path)
    assert {file.name for file in written} == {file.name for file in COMMITTED.iterdir()}
    for file in written:
        assert file.read_text(encoding="utf-8") == (COMMITTED / file.name).read_text(encoding="utf-8"), "run: watchtower dashboards dashboards"


def test_the_dashboard_is_one_that_grafana_can_place() -> None:
    made = json.loads((COMMITTED / "watchtower-model.json").read_text(encoding="utf-8"))
    assert [each["title"] for each in made["panels"] if each["type"] != "row"] == [panel.title for panel in PANELS]
    ids = [each["id"] for each in made["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(each["gridPos"]["x"] + each["gridPos"]["w"] <= 24 for each in made["panels"])
    assert [each["name"] for each in made["templating"]["list"]] == ["datasource", "model", "statistic"]


def test_no_metric_is_asked_for_that_watchtower_does_not_export() -> None:
    counted = metrics()
    known = set(re.findall(r"^# TYPE (\w+) ", counted.text().decode(), re.MULTILINE))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")}
    asked = {name for panel in PANELS for query in panel.queries for name in re.findall(r"\bwatchtower_\w+", query.expr)}
    rules = (COMMITTED / "watchtower-rules.yml").read_text(encoding="utf-8")
    asked |= {name for rule in yaml.safe_load(rules)["groups"][0]["rules"] for name in re.findall(r"\bwatchtower_\w+", rule["expr"])}
    assert asked - known == set()


def test_prometheus_takes_the_rules() -> None:
    subprocess.run([promtool(), "check", "rules", str(COMMITTED / "watchtower-rules.yml")], check=True, capture_output=True)


def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    series = {
        'up{job="watchtower"}': "1x5 0x30",
        "watchtower_rules_last_reload_success": "1x5 0x30",
        'watchtower_rollbacks_total{model="fraud",target="directory",outcome="failed"}': "0x5 1x30",
        'watchtower_messages_total{outcome="rejected"}': "0+1x40",
        'watchtower_messages_total{outcome="accepted"}': "0+9x40",
    }
    rollback = {"model": "fraud", "target": "directory", "outcome": "failed"}
    expected: dict[str, dict[str, str] | None] = {
        "WatchtowerDown": {"job": "watchtower"},
        "WatchtowerRulesRejected": {},
        "WatchtowerRollbackFailed": rollback,
        "WatchtowerRejectsMessages": {},
        "WatchtowerCannotTell": None,
    }
    rules = {rule["alert"]: rule for rule in yaml.safe_load((COMMITTED / "watchtower-rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]}
    alerts = [
        {"eval_time": "15m", "alertname": name, "exp_alerts": [] if labels is None else [_fired(rules[name], labels)]} for name, labels in expected.items()
    ]
    tests = [{"interval": "1m", "input_series": [{"series": name, "values": values} for name, values in series.items()], "alert_rule_test": alerts}]
    test = {"rule_files": [str(COMMITTED / "watchtower-rules.yml")], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test), encoding="utf-8")
    done = subprocess.run([promtool(), "test", "rules", str(tmp_path / "test.yml")], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _fired(rule: dict[str, dict[str, str]], labels: dict[str, str]) -> dict[str, dict[str, str]]:
    """What promtool expects of an alert with *labels*."""
    said = {key: text.replace("{{ $labels.model }}", "fraud").replace("{{ $value | humanizePercentage }}", "10%") for key, text in rule["annotations"].items()}
    return {"exp_labels": labels | rule["labels"], "exp_annotations": said}


def metrics() -> Metrics:
    counted = Metrics(CollectorRegistry())
    counted.expect("fraud", target="directory")
    counted.expect_notifiers(["ml_oncall"])
    counted.leads(leading=True)
    counted.lagging({Partition("predictions"): 17})
    return counted


def evaluate(counted: Metrics, end: datetime) -> None:
    def one(text: str, values: dict[str, float], p_value: float = np.nan) -> tuple[Slot, Scores]:
        size = len(values)
        scores = Scores(tuple(values), np.array(list(values.values())), np.full(size, p_value), np.full(size, 500), (None,) * size)
        return Slot("7", "", Need(MeasureName.parse(text))), scores

    scores = dict(
        [
            one("drift.psi", {"amount": 0.31, "country": 0.02}, 1e-9),
            one("prediction.psi", {"": 0.25}, 1e-7),
            one("quality.missing_share", {"amount": 0.125}),
            *(one(f"latency.{name}", {"": seconds}) for name, seconds in (("p50", 0.01), ("p95", 0.04), ("p99", 0.09))),
            one("gpu.utilization", {"0": 0.52}),
            one("gpu.memory_used", {"0": 1.2e9}),
        ]
    )
    rule = Rule(name="FeatureDrift", model="*", when=Above(measure=MeasureName.parse("drift.psi"), value=0.2))
    alert = Alert(AlertId("FeatureDrift", "fraud", "", "amount"), "7", AlertState.FIRING, end)
    board = Board("fraud", Window(end - timedelta(minutes=1), end), "7", scores, {"7": 0.9, "6": 0.1})
    counted.evaluated(board, Memory("fraud", (alert,), served=Served(live="7")), [rule])


@pytest.fixture(scope="module")
def scraped() -> Iterator[Prometheus]:
    """A Prometheus that has seen five scrapes in which every counter grew."""
    counted = metrics()
    server = Server(create_app(Counted(counted)), "127.0.0.1:0")
    latency = np.zeros(len(LATENCY_BUCKETS) + 1, dtype=np.int64)
    latency[4] = 100
    with prometheus({"watchtower": server.start().removeprefix("http://")}) as running:
        evaluate(counted, datetime.now(UTC))
        for number in range(1, SCRAPES + 1):
            rejected = (Rejection(Partition("predictions"), number, Reason.NOT_JSON, 0, b"?"),)
            totals = {("fraud", "7"): Totals(90, 3, {}, {"timeout": 9}, latency, 1.8), ("fraud", "6"): Totals(10)}
            counted.committed(Delta({}, {}, totals, rejected, {}, None, messages=101))
            counted.checkpoint_took(0.02)
            counted.scoring_took(0.01)
            counted.told("ml_oncall", "delivered")
            running.wait_for("sum(watchtower_predictions_total)", partial(_is, 100.0 * number))
        yield running
    server.stop()


def _is(wanted: float, found: Mapping[Series, float]) -> bool:
    return list(found.values()) == [wanted]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_has_data(scraped: Prometheus, panel: Shown) -> None:
    for query in panel.queries:
        found = scraped.query_range(query.filled("fraud", interval="10s"), start=time.time() - 3, end=time.time())
        assert found, query.expr
        assert any(value == value for points in found.values() for _, value in points), query.expr  # noqa: PLR0124  not NaN


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Live version", {"7": 1}),
        ("Alerts firing", {"": 1}),
        ("Error share", {"": 0.09}),
        ("Lag", {"": 17}),
        ("Traffic share, by version", {"7": 0.9, "6": 0.1}),
        ("Error share, by version", {"7": 0.1, "6": 0.0}),
        ("Drift by feature", {"amount": 0.31, "country": 0.02}),
        ("p-value by feature", {"amount": 1e-9, "country": 1e-9}),
        ("Prediction drift", {"psi": 0.25}),
        ("Missing share, by feature", {"amount": 0.125}),
        ("GPU utilisation", {"0": 0.52}),
        ("GPU memory", {"0": 1.2e9}),
        ("Alerts", {"FeatureDrift": 2}),
        ("Alerts by state", {"firing": 1, "pending": 0}),
        ("Checkpoint and scoring, mean seconds", {"": 0.02}),
    ],
)
def test_panels_say_what_was_counted(scraped: Prometheus, title: str, said: dict[str, float]) -> None:
    query = next(panel for panel in PANELS if panel.title == title).queries[0]
    found = scraped.query(query.filled("fraud", interval="10s"))
    label = next((name for name in ("feature", "subject", "device", "rule", "state", "statistic", "version") if f"{{{{{name}}}}}" in query.legend), "")
    assert {dict(labels).get(label, ""): pytest.approx(value) for labels, value in found.items() if value == value} == said  # noqa: PLR0124  not NaN
