"""What `replay` tells: JSON lines exactly as in the contracts, or sentences."""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.progress import Progress

from watchtower.nouns.alert import AlertChange
from watchtower.nouns.decision import Decision
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.score import Board, Over
from watchtower.nouns.window import Window
from watchtower.programs.replay import Heard, Replay, Summary
from watchtower.store.codec import attribution_json


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with a Z."""
    return moment.isoformat().replace("+00:00", "Z")


def number(value: float | None) -> float | None:
    """*value*, None where it is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def score_lines(board: Board) -> Iterator[dict[str, object]]:
    """A line for each score of the base window, whatever the version and segment."""
    for slot, scores in board.scores.items():
        if slot.need.over != Over() or slot.need.min_rows is not None:
            continue
        head: dict[str, object] = {
            "type": "score",
            "time": stamp(board.window.end),
            "model": board.model,
            "version": slot.version or board.live or "",
            "segment": slot.segment,
        }
        against: dict[str, object] = {"relative_to": slot.need.against} if slot.need.against != "reference" else {}
        for i, subject in enumerate(scores.subjects):
            named = head | {"measure": str(slot.need.measure), "subject": subject, **against}
            reason = scores.reasons[i]
            if reason is not None:
                yield named | {"value": None, "reason": reason, "n": int(scores.n[i])}
                continue
            tested = {} if math.isnan(scores.p_values[i]) else {"p_value": float(scores.p_values[i])}
            yield named | {"value": number(scores.values[i]), **tested, "n": int(scores.n[i]), **scores.more(i)}


def alert_line(change: AlertChange) -> str:
    """A transition."""
    alert = change.alert
    line: dict[str, object] = {
        "type": "alert",
        "time": stamp(change.at),
        "rule": alert.id.rule,
        "model": alert.id.model,
        "version": alert.version,
        "segment": alert.id.segment,
        "subject": alert.id.subject,
        "state": str(alert.state),
        "value": number(alert.value),
        "p_value": number(alert.p_value),
        "p_adjusted": number(alert.p_adjusted),
    }
    reason = change.reason or alert.reason
    moved = {} if alert.attribution is None or alert.attribution.reason else {"attribution": attribution_json(alert.attribution)}
    return json.dumps(line | ({"reason": reason} if reason else {}) | moved)


def decision_line(decision: Decision) -> str:
    """A decision; of a trial, with what it rests on."""
    line: dict[str, object] = {"type": "decision", "time": stamp(decision.at), "decision": str(decision.kind), "model": decision.model}
    more = {"notifier": decision.notifier, "live": decision.live, "candidate": decision.candidate}
    more |= {"verdict": decision.verdict and str(decision.verdict), "diagnosis": decision.diagnosis and str(decision.diagnosis)}
    return json.dumps(line | {key: value for key, value in more.items() if value is not None} | {"reason": decision.reason})


def as_lines(*, scores: bool) -> Heard:
    """Tells everything as JSON lines; scores only where asked for."""

    def tell(_model: str, _window: Window, evaluation: Evaluation, decisions: Sequence[Decision]) -> None:
        lines = [json.dumps(line) for line in score_lines(evaluation.board)] if scores else []
        lines += [alert_line(change) for change in evaluation.changes] + [decision_line(each) for each in decisions]
        if lines:
            print("\n".join(lines))

    return tell


def score_sentence(line: Mapping[str, object]) -> str:
    """A score as an operator reads it: ``drift.psi[amount] 0.312 (p 1e-09, n 300)``, or why there is none."""
    against = f" against {line['relative_to']}" if "relative_to" in line else ""
    named = f"{line['measure']}[{'|'.join(str(line[key]) for key in ('segment', 'subject') if line[key])}]{against}"
    if "reason" in line:
        return f"{named} – {line['reason']}"
    p = f"p {line['p_value']:.1g}, " if "p_value" in line else ""
    return f"{named} {line['value']:.4g} ({p}n {line['n']:,})" if line["value"] is not None else f"{named} not finite (n {line['n']:,})"


def as_sentences(*, scores: bool) -> Heard:
    """Tells what an operator reads, a line each: transitions and decisions; scores only where asked for."""

    def tell(model: str, window: Window, evaluation: Evaluation, decisions: Sequence[Decision]) -> None:
        at = f"{window.end:%Y-%m-%d %H:%M:%S}"
        for line in score_lines(evaluation.board) if scores else ():
            print(f"{at} {model} {line['version']} {score_sentence(line)}")
        _tell_changes(at, model, evaluation, decisions)

    return tell


def _tell_changes(at: str, model: str, evaluation: Evaluation, decisions: Sequence[Decision]) -> None:
    for change in evaluation.changes:
        value = "" if change.alert.value is None else f" ({change.alert.value:.4g})"
        print(f"{at} {model} {change.alert.id} {change.alert.state}{value}{': ' + change.reason if change.reason else ''}")
    for decision in decisions:
        verdict = f" {decision.verdict}, {decision.diagnosis}:" if decision.verdict is not None else ""
        print(f"{at} {model} -> {decision.kind}{verdict} {decision.reason}")


def watched(asked: Replay) -> Summary:
    """Runs with a progress bar on stderr, where somebody looks."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("replay", total=None)
        asked.progress = lambda done, total: bar.update(task, completed=done, total=total)
        return asked.run()
