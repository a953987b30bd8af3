"""What Prometheus reads is what was committed and evaluated."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from watchtower.conditions.above import Above
from watchtower.core.rules import Rule
from watchtower.edges.metrics import Metrics
from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.batch import Reason, Rejection
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.memory import Memory, Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.profile import LATENCY_BUCKETS, Delta, Totals
from watchtower.nouns.score import Board, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.step import Step
from watchtower.nouns.window import Partition, Window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(minutes=1), NOON)
AWKWARD = 'Größe "A\\B"\n模型'
Found = dict[tuple[str, frozenset[tuple[str, str]]], float]


def metrics(max_series: int = 50_000, clock: list[float] | None = None) -> Metrics:
    return Metrics(CollectorRegistry(), max_series=max_series, clock=(lambda: clock[0]) if clock else time.monotonic)


def samples(families: Iterable[Metric]) -> Found:
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def read(counted: Metrics) -> Found:
    return samples(text_families(counted.text().decode()))


def value(found: Found, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def delta(totals: dict[tuple[str, str], Totals], rejected: int = 0) -> Delta:
    gone = tuple(Rejection(Partition("t"), n, Reason.NOT_JSON, 0, b"?") for n in range(rejected))
    return Delta({}, {}, totals, gone, {}, None, messages=sum(each.predictions for each in totals.values()) + rejected)


def drift(subjects: dict[str, float], p_value: float = 0.5) -> Scores:
    size = len(subjects)
    return Scores(tuple(subjects), np.array(list(subjects.values())), np.full(size, p_value), np.full(size, 500), (None,) * size)


def board(scores: dict[Slot, Scores], model: str = "fraud") -> Board:
    return Board(model, WINDOW, "7", scores, {"7": 1.0})


def slot(measure: str, over: Over = Over(), against: str = "reference", version: str = "7") -> Slot:  # noqa: B008  frozen
    return Slot(version, "", Need(MeasureName.parse(measure), over, against))


def busy() -> Metrics:
    """Something of everything, under an awkward name."""
    counted = metrics()
    latency = np.array([1, 0, 0, 4, *[0] * (len(LATENCY_BUCKETS) - 4), 2], dtype=np.int64)
    counted.expect(AWKWARD, target="directory")
    counted.expect_notifiers(["ml_oncall"])
    counted.committed(delta({(AWKWARD, "7"): Totals(7, 2, {}, {"timeout": 3}, latency, 61.5), ("fraud", "8"): Totals(5)}, rejected=2))
    counted.lagging({Partition("p", 3): 12})
    counted.rules("0123456789abcdef", success=True)
    counted.leads(leading=True)
    counted.heartbeat(1.8e9)
    counted.rollback_ready("fraud", ready=True)
    counted.checkpoint_took(0.02)
    scores = {slot("drift.psi"): drift({"amount": 1e-9, AWKWARD: 12345678.9}, 1e-300), slot("latency.p99"): Scores.one(0.25, 7)}
    counted.evaluated(board(scores, AWKWARD), Memory(AWKWARD))
    return counted


def test_the_text_says_what_prometheus_client_says() -> None:
    counted = busy()
    ours = {key: number for key, number in read(counted).items() if key[0].startswith("watchtower_")}
    registry = CollectorRegistry()
    registry.register(counted)
    theirs = samples(registry.collect())
    own = {key for key in ours if key not in theirs}
    assert {key: ours[key] for key in theirs} == theirs
    assert {name for name, _ in own} == {
        f"watchtower_{name}" for name in ("outbox_depth", "rules_last_reload_success", "rules_hash", "leader", "heartbeat_timestamp_seconds", "rollback_ready")
    }


def test_openmetrics_says_the_same_as_the_text() -> None:
    counted = busy()
    text = counted.text(openmetrics=True).decode()
    strict = samples(openmetrics_families(text))  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    assert text.endswith("# EOF\n")
    assert {key: number for key, number in strict.items() if key[0].startswith("watchtower_")} == {
        key: number for key, number in read(counted).items() if key[0].startswith("watchtower_")
    }


def test_counts_are_those_of_the_committed_deltas() -> None:
    counted = metrics()
    latency = np.array([1, 2, *[0] * (len(LATENCY_BUCKETS) - 2), 3], dtype=np.int64)
    for _ in range(2):
        counted.committed(delta({("fraud", "7"): Totals(6, 1, {}, {"timeout": 2}, latency, 31.0)}, rejected=4))
    found = read(counted)
    assert value(found, "watchtower_predictions_total", model="fraud", version="7") == 12
    assert value(found, "watchtower_late_predictions_total", model="fraud", version="7") == 2
    assert value(found, "watchtower_prediction_errors_total", model="fraud", version="7", status="timeout") == 4
    assert value(found, "watchtower_messages_total", outcome="accepted") == 12
    assert value(found, "watchtower_messages_total", outcome="rejected") == 8
    assert value(found, "watchtower_messages_rejected_total", reason="not_json") == 8
    buckets = [value(found, "watchtower_prediction_latency_seconds_bucket", model="fraud", version="7", le=le) for le in ("0.001", "0.0025", "10.0", "+Inf")]
    assert buckets == [2, 6, 6, 12]
    assert value(found, "watchtower_prediction_latency_seconds_count", model="fraud", version="7") == 12
    assert value(found, "watchtower_prediction_latency_seconds_sum", model="fraud", version="7") == 62.0


def test_a_model_that_was_told_of_has_zeros_from_the_start() -> None:
    counted = metrics()
    counted.expect("fraud", target="directory")
    found = read(counted)
    assert value(found, "watchtower_rollbacks_total", model="fraud", target="directory", outcome="rolled_back") == 0
    assert value(found, "watchtower_shadow_runs_total", model="fraud", verdict="accept") == 0
    assert value(found, "watchtower_decisions_total", model="fraud", decision="roll_back") == 0


def test_decisions_verdicts_and_rollbacks_are_counted_and_dry_runs_are_not() -> None:
    counted = metrics()
    plan = Plan("p", "fraud", "i", Step.ROLLED_BACK, "7", ("6",), NOON, target="directory")
    counted.decided(Decision(DecisionKind.ROLL_BACK, "fraud", NOON))
    counted.judged("fraud", Verdict.ACCEPT)
    counted.rolled_back(plan)
    counted.rolled_back(Plan("q", "fraud", "i", Step.ROLLED_BACK, "7", ("6",), NOON, target="directory", dry_run=True))
    counted.rolled_back(Plan("r", "fraud", "i", Step.HELD, "7", ("6",), NOON, target="directory"))
    found = read(counted)
    assert value(found, "watchtower_decisions_total", model="fraud", decision="roll_back") == 1
    assert value(found, "watchtower_shadow_runs_total", model="fraud", verdict="accept") == 1
    assert value(found, "watchtower_rollbacks_total", model="fraud", target="directory", outcome="rolled_back") == 1


def test_scores_are_told_under_their_contract_names() -> None:
    counted = metrics()
    scores = {
        slot("drift.psi"): drift({"amount": 0.31}, 1e-9),
        slot("prediction.jensen_shannon"): drift({"": 0.2}, 0.01),
        slot("prediction.mean"): Scores.one(0.4, 500),
        slot("quality.missing_share"): Scores(("amount",), np.array([0.1]), np.array([np.nan]), np.array([500]), (None,)),
        slot("gpu.utilization"): Scores.one(0.5, 500, "0"),
        slot("gpu.memory_used"): Scores.one(1.2e9, 500, "0"),
        slot("traffic.rate", version=""): Scores.one(25.0, 500),
        slot("drift.wasserstein"): Scores.none(["amount"], "112 of 200 rows"),
    }
    counted.evaluated(board(scores), Memory("fraud", served=Served(live="7")))
    found = read(counted)
    where = {"model": "fraud", "version": "7", "segment": ""}
    assert value(found, "watchtower_drift_score", **where, feature="amount", statistic="psi") == 0.31
    assert value(found, "watchtower_drift_p_value", **where, feature="amount", statistic="psi") == 1e-9
    assert value(found, "watchtower_prediction_drift_score", **where, statistic="jensen_shannon") == 0.2
    assert value(found, "watchtower_measure", **where, measure="prediction.mean", subject="") == 0.4
    assert value(found, "watchtower_measure", **where, measure="quality.missing_share", subject="amount") == 0.1
    assert value(found, "watchtower_measure", **where, measure="traffic.share", subject="") == 1.0
    assert value(found, "watchtower_measure", **(where | {"version": ""}), measure="traffic.rate", subject="") == 25.0
    assert value(found, "watchtower_gpu_utilization_ratio", device="0", model="fraud") == 0.5
    assert value(found, "watchtower_gpu_memory_used_bytes", device="0", model="fraud") == 1.2e9
    assert value(found, "watchtower_live_version_info", model="fraud", version="7") == 1
    assert value(found, "watchtower_window_end_timestamp_seconds", model="fraud") == NOON.timestamp()
    assert not [labels for name, labels in found if name == "watchtower_drift_score" and ("statistic", "wasserstein") in labels]


def test_the_base_window_is_told_and_else_the_smallest_over() -> None:
    counted = metrics()
    scores = {
        slot("drift.psi", Over(5)): drift({"amount": 0.5, "country": 0.05}),
        slot("drift.psi", Over(3)): drift({"amount": 0.3, "country": 0.03}),
        slot("drift.psi"): Scores(("amount", "country"), np.array([0.1, np.nan]), np.array([0.5, np.nan]), np.array([500, 9]), (None, "9 of 200 rows")),
        slot("latency.p99", Over(5)): Scores.one(0.9, 500),
        slot("drift.psi", against="previous_version"): drift({"note": 0.7}),
    }
    counted.evaluated(board(scores), Memory("fraud"))
    told = {dict(labels)["feature"]: number for (name, labels), number in read(counted).items() if name == "watchtower_drift_score"}
    assert told == {"amount": 0.1, "country": 0.03}
    assert value(read(counted), "watchtower_measure", model="fraud", version="7", segment="", measure="latency.p99", subject="") == 0.9


def test_alerts_are_counted_by_state_and_rules_without_one_say_zero() -> None:
    counted = metrics()
    rule = Rule(name="Drift", model="*", when=Above(measure=MeasureName.parse("drift.psi"), value=0.2), severity="page")
    alerts = tuple(Alert(AlertId("Drift", "fraud", "", subject), "7", AlertState.FIRING, NOON, severity="page") for subject in ("a", "b"))
    counted.evaluated(board({}), Memory("fraud", alerts=alerts), [rule])
    found = read(counted)
    assert value(found, "watchtower_alerts", model="fraud", rule="Drift", severity="page", state="firing") == 2
    assert value(found, "watchtower_alerts", model="fraud", rule="Drift", severity="page", state="pending") == 0


def test_what_a_model_no_longer_has_disappears_and_a_lost_lease_takes_all() -> None:
    counted = metrics()
    counted.evaluated(board({slot("drift.psi"): drift({"amount": 0.3})}), Memory("fraud"))
    counted.evaluated(board({slot("drift.psi"): drift({"country": 0.3})}), Memory("fraud"))
    assert [dict(labels)["feature"] for name, labels in read(counted) if name == "watchtower_drift_score"] == ["country"]
    counted.leads(leading=False)
    assert not [name for name, _ in read(counted) if name in {"watchtower_drift_score", "watchtower_alerts", "watchtower_live_version_info"}]


def test_counters_beyond_the_bound_become_other_and_lose_nothing() -> None:
    counted = metrics(max_series=240)  # 240 / 80: three versions with names of their own
    for number in range(10):
        counted.committed(delta({("fraud", str(number)): Totals(3, errors={f"s{number}": 1})}))
    told = {dict(labels)["version"]: number for (name, labels), number in read(counted).items() if name == "watchtower_predictions_total"}
    assert told == {"0": 3, "1": 3, "2": 3, "other": 21}
    assert sum(number for (name, _), number in read(counted).items() if name == "watchtower_prediction_errors_total") == 10
    assert value(read(counted), "watchtower_series_overflow_total", kind="counter") == 7


@pytest.mark.parametrize(("seconds", "newcomer", "kept"), [(60.0, 9.0, ["a", "b"]), (3601.0, 9.0, ["b", "c"]), (3601.0, 0.11, ["a", "b"])])
def test_a_slot_is_kept_for_an_hour_and_then_goes_to_a_clearly_larger_score(seconds: float, newcomer: float, kept: list[str]) -> None:
    clock = [0.0]
    probe = metrics(clock=clock)
    probe.evaluated(board({}), Memory("fraud"))
    room = probe._counter_series() + 5  # share, and score and p-value of two features
    counted = metrics(max_series=room, clock=clock)
    counted.evaluated(board({slot("drift.psi"): drift({"a": 0.1, "b": 0.2})}), Memory("fraud"))
    clock[0] = seconds
    counted.evaluated(board({slot("drift.psi"): drift({"a": 0.1, "b": 0.2, "c": newcomer})}), Memory("fraud"))
    assert sorted(dict(labels)["feature"] for name, labels in read(counted) if name == "watchtower_drift_score") == kept
    assert (value(read(counted), "watchtower_series_overflow_total", kind="gauge") or 0) >= 1


def test_fifty_thousand_series_are_scraped_within_fifty_milliseconds_of_work() -> None:
    counted = metrics()
    for number in range(600):
        counted.committed(delta({(f"m{number % 40}", str(number)): Totals(3, errors={"error": 1}, latency=np.ones(13, dtype=np.int64), latency_sum=1.0)}))
    features = {f"feature_{number}": 0.1 for number in range(450)}
    for model in range(40):
        counted.evaluated(board({slot("drift.psi"): drift(features)}, f"m{model}"), Memory(f"m{model}"))
    counted.text()
    took = min(_timed(counted) for _ in range(5))
    lines = counted.text().count(b"\n")
    assert lines > 45_000
    assert took < 0.05


def _timed(counted: Metrics) -> float:
    begun = time.process_time()
    counted.text()
    return time.process_time() - begun
