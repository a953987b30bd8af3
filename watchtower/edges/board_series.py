"""The gauges that one evaluation says: pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from watchtower.core.rules import Rule
from watchtower.edges.exposition import Family
from watchtower.edges.slots import Series
from watchtower.nouns.alert import AlertState
from watchtower.nouns.memory import Memory
from watchtower.nouns.score import Board, MeasureName, Over, Scores

DRIFT = Family(
    "watchtower_drift_score", "gauge", "How far a feature is from its reference; 0 is identical.", ("model", "version", "segment", "feature", "statistic")
)
P_VALUE = Family(
    "watchtower_drift_p_value",
    "gauge",
    "Raw p-value of the same; feature is empty for the prediction.",
    ("model", "version", "segment", "feature", "statistic"),
)
PREDICTION = Family(
    "watchtower_prediction_drift_score", "gauge", "How far the predictions are from their reference.", ("model", "version", "segment", "statistic")
)
MEASURE = Family(
    "watchtower_measure", "gauge", "Any other number that rules can use, of the last window.", ("model", "version", "segment", "measure", "subject")
)
UTILIZATION = Family("watchtower_gpu_utilization_ratio", "gauge", "Utilisation of a device, metered, else as logged, 0 to 1.", ("device", "model"))
GPU_MEMORY = Family("watchtower_gpu_memory_used_bytes", "gauge", "Memory used of a device, metered, else as logged.", ("device", "model"))
SCORE_FAMILIES = (DRIFT, P_VALUE, PREDICTION, MEASURE, UTILIZATION, GPU_MEMORY)

ALERTS = Family("watchtower_alerts", "gauge", "Alerts by state: pending or firing.", ("model", "rule", "severity", "state"))
LIVE = Family("watchtower_live_version_info", "gauge", "1 for the version that serves now.", ("model", "version"))
WINDOW_END = Family("watchtower_window_end_timestamp_seconds", "gauge", "End of the newest evaluated window.", ("model",))
STATE_FAMILIES = (ALERTS, LIVE, WINDOW_END)
_SHOWN = (AlertState.PENDING, AlertState.FIRING)


def scored(board: Board) -> dict[Series, float]:
    """Every number of *board*, in its order.

    A measure is told as the base window has it; a subject that has no score there is told from the smallest `over` that has one.
    Scores relative to something other than the reference have no label to say so, and are not told.
    """
    found: dict[Series, float] = {}
    for version, share in board.versions.items():
        found[MEASURE, (board.model, version, "", "traffic.share", "")] = share
    for (measure, version, segment), stack in _stacks(board).items():
        for subject, value, p_value in _told(stack):
            for family, labels, number in _series(board, measure, (version, segment, subject), (value, p_value)):
                found[family, labels] = number
    return found


def standing(board: Board, memory: Memory, rules: Sequence[Rule]) -> dict[Series, float]:
    """Alerts by state (0 for rules without), the live version, the window's end."""
    known = [(rule.name, rule.severity) for rule in rules] + [(alert.id.rule, alert.severity) for alert in memory.alerts if alert.state in _SHOWN]
    counts: dict[Series, float] = {(ALERTS, (board.model, *rule, state.value)): 0.0 for rule in known for state in _SHOWN}
    for alert in memory.alerts:
        if alert.state in _SHOWN:
            counts[ALERTS, (board.model, alert.id.rule, alert.severity, alert.state.value)] += 1.0
    live = memory.served.live or board.live
    if live is not None:
        counts[LIVE, (board.model, live)] = 1.0
    counts[WINDOW_END, (board.model,)] = board.window.end.timestamp()
    return counts


def _stacks(board: Board) -> Mapping[tuple[MeasureName, str, str], list[Scores]]:
    """The scores of one measure, version and segment, from the shortest `over` to the longest."""
    found: defaultdict[tuple[MeasureName, str, str], list[tuple[Over, int, Scores]]] = defaultdict(list)
    for slot, scores in board.scores.items():
        if slot.need.against == "reference":
            found[slot.need.measure, slot.version, slot.segment].append((slot.need.over, slot.need.min_rows or 0, scores))
    return {key: [scores for _, _, scores in sorted(each, key=lambda one: (one[0].rows > 0, one[0], one[1]))] for key, each in found.items()}


def _told(stack: Sequence[Scores]) -> Iterator[tuple[str, float, float]]:
    """(subject, value, p-value) of each subject, from the first of *stack* that has it."""
    seen: set[str] = set()
    for scores in stack:
        for subject, value, p_value, reason in zip(scores.subjects, scores.values.tolist(), scores.p_values.tolist(), scores.reasons, strict=True):
            if reason is None and np.isfinite(value) and subject not in seen:
                seen.add(subject)
                yield subject, value, p_value


def _series(board: Board, measure: MeasureName, where: tuple[str, str, str], numbers: tuple[float, float]) -> Iterator[tuple[Family, tuple[str, ...], float]]:
    """The series of one score."""
    version, segment, subject = where
    value, p_value = numbers
    model, statistic = board.model, str(measure).partition(".")[2]
    if measure.family == "drift":
        yield DRIFT, (model, version, segment, subject, statistic), value
    elif measure.family == "prediction" and measure.is_tested and not subject:
        yield PREDICTION, (model, version, segment, statistic), value
    else:
        yield MEASURE, (model, version, segment, str(measure), subject), value
    if measure.is_tested and np.isfinite(p_value):
        yield P_VALUE, (model, version, segment, subject, str(measure) if measure.family == "labels" else statistic), p_value
    if measure.family == "gpu" and not segment and version in {"", board.live}:
        if measure.name == "utilization":
            yield UTILIZATION, (subject, model), value
        elif measure.name == "memory_used":
            yield GPU_MEMORY, (subject, model), value
