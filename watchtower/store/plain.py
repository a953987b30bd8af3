"""History as plain mappings, one a row: what listings print, notebooks frame and reports draw."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from watchtower.measures._quantiles import quantile
from watchtower.nouns.alert import AlertChange
from watchtower.nouns.profile import Durations
from watchtower.nouns.score import Board, MeasureName, matches
from watchtower.nouns.written import duration
from watchtower.store.codec import attribution_json, number
from watchtower.store.history import HistoryRows, Stretch, Verdicts, WindowRow

Row = Mapping[str, object]
Moment = datetime | str
"""An aware datetime, an ISO 8601 text (UTC where it names no zone), or a duration back from now: ``7d``."""
_OK = "ok"
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


def score_rows(history: HistoryRows, stretch: Stretch, measure: str = "*") -> Iterator[Row]:
    """A row a score, those that could not be had too: *value* is None and *reason* says why. *measure* is a glob over names of measures."""
    for board in history.boards(stretch):
        yield from _scores(board, measure)


def window_rows(history: HistoryRows, stretch: Stretch) -> Iterator[Row]:
    """A row for each (version, segment) of each window in which something came: rows, weight, shares of errors, latency in seconds."""
    return map(_window, history.windows(stretch))


def alert_rows(history: HistoryRows, stretch: Stretch) -> Iterator[Row]:
    """A row a transition, with what moved where it began to fire."""
    return map(_change, history.changes(stretch))


def evidence_rows(history: HistoryRows, stretch: Stretch) -> Iterator[Row]:
    """A row a verdict, its evidence as one mapping."""
    return map(_verdict, history.verdicts(stretch))


def _scores(board: Board, measure: str) -> Iterator[Row]:
    for slot, scores in board.scores.items():
        if not _wanted(slot.need.measure, measure):
            continue
        place = {"time": board.window.end, "model": board.model, "version": slot.version or board.live or "", "segment": slot.segment}
        over = f"at least {slot.need.over.rows} rows" if slot.need.over.rows else f"{slot.need.over.windows} window{'s' * (slot.need.over.windows != 1)}"
        named = place | {"measure": str(slot.need.measure), "over": over, "relative_to": slot.need.against}
        for i, subject in enumerate(scores.subjects):
            more = {"low": None, "high": None, "excess": None, "note": None} | scores.more(i)
            counted = {"value": number(scores.values[i]), "p_value": number(scores.p_values[i]), "n": int(scores.n[i])}
            yield {**named, "subject": subject, **counted, **more, "reason": scores.reasons[i]}


def _wanted(measure: MeasureName, glob: str) -> bool:
    return matches(glob, str(measure)) or matches(glob, f"{measure.family}.{measure.name}")


def _window(row: WindowRow) -> Row:
    profile = row.profile
    errors = 1 - profile.statuses.get(_OK, 0.0) / profile.weight if profile.weight else None
    return {
        "start": row.window.start,
        "end": row.window.end,
        "model": row.model,
        "version": row.version,
        "segment": row.segment,
        "live": row.version == row.live,
        "rows": profile.rows,
        "weight": profile.weight,
        "errors": errors,
        "latency_mean": None if profile.latency is None else profile.latency.total / profile.latency.weight,
        **{f"latency_{name}": _quantile(profile.latency, share) for name, share in (("p50", 0.5), ("p99", 0.99))},
        "binning": profile.binning or None,
    }


def _quantile(durations: Durations | None, share: float) -> float | None:
    return None if durations is None else quantile(durations, share)


def _change(change: AlertChange) -> Row:
    alert = change.alert
    return {
        "time": change.at,
        "rule": alert.id.rule,
        "model": alert.id.model,
        "version": alert.version,
        "segment": alert.id.segment,
        "subject": alert.id.subject,
        "state": str(alert.state),
        "severity": alert.severity,
        "value": number(alert.value),
        "p_value": number(alert.p_value),
        "p_adjusted": number(alert.p_adjusted),
        "reason": change.reason or alert.reason or None,
        "attribution": None if alert.attribution is None else attribution_json(alert.attribution),
    }


def _verdict(row: Verdicts) -> Row:
    judged = row.judged
    return {
        "time": row.at,
        "model": row.model,
        "incident": row.incident,
        "plan": row.plan,
        "verdict": str(judged.verdict),
        "diagnosis": str(judged.diagnosis),
        "candidate": judged.candidate,
        "reason": judged.reason,
        "evidence": dict(judged.evidence),
    }


def moment_of(when: Moment | None, now: datetime) -> datetime | None:
    """*when* as an aware datetime; a duration counts back from *now*, to the beginning of time at most; ValueError where it is neither."""
    if when is None or isinstance(when, datetime):
        return when
    try:
        length = duration(when)
    except ValueError:
        at = datetime.fromisoformat(when)
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    assert isinstance(length, timedelta)
    return now - min(length, now - _BEGINNING)
