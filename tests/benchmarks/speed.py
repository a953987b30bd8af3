"""The whole line beside a bare drain of the same topic, decode alone and fold alone, in turns."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.figures import CannotMeasureError, Figure, median, note, say, spread, table
from tests.benchmarks.production import Speed, between, run_line, write_reference
from tests.benchmarks.topics import KINDS, Topic, fill
from tests.end_to_end.running import ROOT, environment
from tests.servers.kafka import Broker

SPAN = 6 * 60.0
"""Seconds of event time in a topic: six windows."""
LEAST_RATIO, LEAST_RATE, LEAST_WINDOWS = 0.6, 400_000, 3
PART_ROWS = {"singles": 200_000, "batches of 64": 640_000}


@dataclass
class Runs:
    """What was measured of one kind of message."""

    bare: list[Speed] = field(default_factory=list)
    line: list[Speed] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    fold: list[float] = field(default_factory=list)
    cells: int = 0


def measure(folder: Path, broker: Broker, kind: str, messages: int, turns: int) -> list[Figure]:
    """ABABA over a new topic, printed as a table; the figures that the issue asks for."""
    note(f"{kind}: filling a topic with {messages:,} messages")
    topic = fill(broker, kind, messages, SPAN)
    runs = Runs()
    try:
        for turn in range(turns):
            if turn % 2 == 0:
                runs.bare.append(_drain(broker, topic))
                note(f"{kind}: bare drain {runs.bare[-1].rows_per_second:,.0f} rows/s")
                _parts(folder, kind, runs, min(topic.rows, PART_ROWS[kind]))
            else:
                runs.line.append(run_line(folder / f"{topic.name}-{turn}", broker, topic))
                note(f"{kind}: whole line {runs.line[-1].rows_per_second:,.0f} rows/s ± {runs.line[-1].error:.0%}")
    finally:
        broker.delete(topic.name)
    _show(kind, topic, runs)
    return _figures(kind, runs)


def _drain(broker: Broker, topic: Topic) -> Speed:
    command = [sys.executable, "-m", "tests.benchmarks.drain", broker.address, topic.name, str(topic.messages)]
    points = _json(command)
    if not points or points[-1][1] < topic.messages:
        msg = f"the bare drain read {points[-1][1] if points else 0:,.0f} of {topic.messages:,} messages"
        raise CannotMeasureError(msg)
    speed, cpu, _ = between([(at, int(count) * topic.rows_each, used) for at, count, used in points], topic.rows)
    return Speed(speed, cpu)


def _parts(folder: Path, kind: str, runs: Runs, rows: int) -> None:
    reference = write_reference(folder / "reference.csv")
    found = _json([sys.executable, "-m", "tests.benchmarks.parts", kind, str(rows), str(reference)])
    assert isinstance(found, dict)
    expected = max(1, rows // KINDS[kind][1]) * KINDS[kind][1]
    if found["rows"] != expected:
        msg = f"decode and fold counted {found['rows']:,} of {expected:,} rows"
        raise CannotMeasureError(msg)
    runs.decode.append(found["rows"] / found["decode"])
    runs.fold.append(found["rows"] / found["fold"])
    runs.cells = int(found["cells"])


def _json(command: list[str]):  # type: ignore[no-untyped-def]  # noqa: ANN202  plain JSON
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=400, check=False)
    if done.returncode:
        msg = f"{' '.join(command[1:4])} ended with {done.returncode}: {done.stderr[-800:]}"
        raise CannotMeasureError(msg)
    return json.loads(done.stdout)


def _show(kind: str, topic: Topic, runs: Runs) -> None:
    columns = {
        "bare drain": [each.rows_per_second for each in runs.bare],
        "whole line": [each.rows_per_second for each in runs.line],
        "decode alone": runs.decode,
        "fold alone": runs.fold,
    }
    bare = median(columns["bare drain"])
    rows: list[list[object]] = [
        [name, spread(rates, ",.0f"), f"{1e6 / median(rates):.2f}", f"{median(rates) / bare:.2f}", ""] for name, rates in columns.items()
    ]
    rows[0][4] = f"{1e6 * median([each.cpu_per_row for each in runs.bare]):.2f}"
    rows[1][4] = f"{1e6 * median([each.cpu_per_row for each in runs.line]):.2f}"
    say(f"\n### {topic.messages:,} {kind}: {topic.rows:,} predictions, {topic.size:,} bytes a message\n")
    say(table([kind, "predictions a second: median (each)", "µs each", "to the drain", "CPU µs each"], rows))
    say(
        f"\nThe line closed {min(each.windows for each in runs.line)} windows, error of its timing ± {max(each.error for each in runs.line):.0%}, "
        f"largest resident memory {max(each.resident for each in runs.line) / 1e6:.0f} MB; at least {runs.cells} cells a feature."
    )


def _figures(kind: str, runs: Runs) -> list[Figure]:
    rate = median([each.rows_per_second for each in runs.line])
    ratio = rate / median([each.rows_per_second for each in runs.bare])
    windows = min(each.windows for each in runs.line)
    closed = Figure(f"{kind}: windows closed during a run", f"at least {LEAST_WINDOWS}", str(windows), windows >= LEAST_WINDOWS)
    if KINDS[kind][1] == 1:
        return [Figure(f"{kind}: whole line to bare drain", f"at least {LEAST_RATIO}", f"{ratio:.2f}", ratio >= LEAST_RATIO), closed]
    return [Figure(f"{kind}: predictions a second", f"at least {LEAST_RATE:,}", f"{rate:,.0f}", rate >= LEAST_RATE), closed]
