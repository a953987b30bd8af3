"""The daemon with production settings, and what can be seen of it from outside."""

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.figures import CannotMeasureError
from tests.benchmarks.topics import FEATURES, Topic
from tests.end_to_end.running import Daemon, counts, free_port, write_rules
from tests.servers.kafka import Broker

TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
WINDOW = "1m"
REFERENCE_ROWS = 20_000
LOW, HIGH = 0.1, 0.9
"""Speed is taken between these shares of all rows, so that start and end do not count."""
LIMIT = 300.0
HERTZ = 10.0
SETTINGS = """\
source: {{kind: kafka, brokers: ["{broker}"], topic: {topic}, group: {group}, format: {{kind: watchtower_json}}}}
store: {{url: sqlite:///watchtower.db, checkpoint: 1s}}
window: {{size: {window}, lateness: 30s}}
models:
  fraud:
    features: {{{features}}}
    prediction: {{kind: probability}}
    reference: {{kind: file, path: reference.csv}}
server: {{listen: "127.0.0.1:{port}"}}
"""
CONDITIONS = {
    "FeatureDrift": 'measure: drift.psi, feature: "*", value: 0.2, significance: 0.001',
    "FeatureDistance": 'measure: drift.jensen_shannon, feature: "*", value: 0.2, significance: 0.001',
    "FeatureShift": 'measure: drift.wasserstein, feature: "*", value: 0.2, significance: 0.001',
    "FeatureGap": 'measure: drift.kolmogorov_smirnov, feature: "*", value: 0.2, significance: 0.001',
    "FeatureCells": 'measure: drift.chi_square, feature: "*", value: 0.2, significance: 0.001',
    "PredictionDrift": "measure: prediction.psi, value: 0.2, significance: 0.001",
    "SlowAnswers": "measure: latency.p99, value: 2.0",
    "Errors": "measure: errors.share, value: 0.05",
    "Missing": 'measure: quality.missing_share, feature: "*", value: 0.1',
    "HighTraffic": "measure: traffic.rate, value: 1000000000",
}


@dataclass(frozen=True, slots=True)
class Speed:
    """Between a tenth and nine tenths of all rows."""

    rows_per_second: float
    cpu_per_row: float
    error: float = 0.0
    resident: int = 0
    windows: int = 0

    @property
    def microseconds(self) -> float:
        """Wall time a row."""
        return 1e6 / self.rows_per_second


def write_reference(at: Path) -> Path:
    """20,000 rows like those that are sent."""
    draw = np.random.default_rng(1)
    columns = np.column_stack([draw.lognormal(2, 1, (REFERENCE_ROWS, len(FEATURES))), draw.random(REFERENCE_ROWS)])
    np.savetxt(at, columns, fmt="%.6f", delimiter=",", header=",".join([*FEATURES, "prediction"]), comments="")
    return at


def prepared(folder: Path, broker: Broker, topic: str, *, window: str = WINDOW) -> Daemon:
    """A folder with settings, ten rules, a reference and no store, and its daemon, not yet started."""
    folder.mkdir(parents=True)
    port = free_port()
    features, group = ", ".join(f"{name}: numeric" for name in FEATURES), f"{topic}-{uuid.uuid4().hex[:6]}"
    (folder / "watchtower.yaml").write_text(SETTINGS.format(broker=broker.address, topic=topic, group=group, window=window, features=features, port=port))
    write_rules(
        folder,
        [
            f"{{name: {name}, model: fraud, when: {{kind: above, {when}}}, over: 2 windows, severity: warn, notify: [], respond: []}}"
            for name, when in CONDITIONS.items()
        ],
    )
    write_reference(folder / "reference.csv")
    return Daemon(folder, port)


def counted(daemon: Daemon) -> int | None:
    """Predictions that the store holds; None where nobody answers."""
    found = daemon.json("/api/v1/status")
    return None if found is None else sum(each for each, _ in counts(found).values())


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the daemon: seconds, rows, CPU seconds and resident bytes of it and its children."""

    at: float
    rows: int
    cpu: float
    resident: int


def looks(daemon: Daemon, rows: int) -> Iterator[Look]:
    """Asks about ten times a second until all *rows* were counted; CannotMeasureError where that takes too long."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        tick = time.monotonic()
        count = counted(daemon)
        family = family_of(daemon.running().pid)
        if count is not None:
            yield Look(time.monotonic(), count, cpu_seconds(family), resident_bytes(family))
            if count >= rows:
                return
        time.sleep(max(0.0, tick + 1 / HERTZ - time.monotonic()))
    msg = f"not all of {rows:,} rows were counted within {LIMIT:g} s; the log ends:\n{daemon.words()}"
    raise CannotMeasureError(msg)


def run_line(folder: Path, broker: Broker, topic: Topic) -> Speed:
    """One run over the whole topic with a fresh store."""
    with prepared(folder, broker, topic.name).start() as daemon:
        seen = list(looks(daemon, topic.rows))
        closed = daemon.wait_until(lambda: _newest_window(daemon), 20, "a window was evaluated")
        if seen[-1].rows != topic.rows:
            msg = f"{seen[-1].rows:,} of {topic.rows:,} rows were counted"
            raise CannotMeasureError(msg)
        daemon.stop()
    windows = int((closed - topic.begins) // 60) + 1
    speed, cpu, inside = between([(each.at, each.rows, each.cpu) for each in seen], topic.rows)
    return Speed(speed, cpu, 1 / HERTZ / inside, max(each.resident for each in seen), windows)


def between(points: Sequence[tuple[float, int, float]], rows: int) -> tuple[float, float, float]:
    """(rows a second, CPU seconds a row, seconds) from (seconds, rows, CPU seconds), only the moments when a count was first seen."""
    firsts: dict[int, tuple[float, int, float]] = {}
    for point in points:
        firsts.setdefault(point[1], point)
    steps = [firsts[count] for count in sorted(firsts)]
    start = next((step for step in steps if step[1] >= LOW * rows), None)
    end = next((step for step in steps if step[1] >= HIGH * rows), None)
    if start is None or end is None or end[1] - start[1] < 0.4 * rows or end[0] <= start[0]:
        msg = f"counts move in steps too large to time ({len(steps)} steps for {rows:,} rows): use more messages"
        raise CannotMeasureError(msg)
    seconds, between_them = end[0] - start[0], end[1] - start[1]
    return between_them / seconds, (end[2] - start[2]) / between_them, seconds


def _newest_window(daemon: Daemon) -> float:
    answer = daemon.get("/metrics")
    ends = [float(line.rsplit(" ", 1)[1]) for line in (answer[1] if answer else "").splitlines() if line.startswith("watchtower_window_end_timestamp_seconds{")]
    return max(ends, default=0.0)


# ------------------------------------------------------------------------------------------------- the process table


def family_of(pid: int) -> list[int]:
    """*pid* and its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            number = int(entry.name)
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(number)
    found, todo = [], [pid]
    while todo:
        found.append(todo[-1])
        todo.extend(children.get(todo.pop(), []))
    return found


def resident_bytes(pids: Sequence[int]) -> int:
    """Resident memory of *pids* together."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return total


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system seconds of *pids*, with the children that they have waited for."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += sum(int(each) for each in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15])
    return total / TICKS
