"""Resident memory: idle, and while one window fills with rows."""

import time
import uuid
from pathlib import Path

from tests.benchmarks.figures import Figure, note, say, table
from tests.benchmarks.production import counted, family_of, looks, prepared, resident_bytes
from tests.benchmarks.topics import PARTITIONS, ROWS, fill
from tests.end_to_end.running import Daemon
from tests.servers.kafka import Broker

SETTLED = 5.0
"""Seconds after which an idle daemon is looked at."""
IDLE_LIMIT, GROWTH = 120e6, 1.15
LONG = "7d"
"""A window that holds everything."""
SPAN = 3600.0


def measure(folder: Path, broker: Broker, rows: int) -> list[Figure]:
    """Idle; then windows of 10 thousand and of *rows* rows, each in a daemon of its own."""
    idle = _idle(folder / "idle", broker)
    small, _ = _filled(folder / "small", broker, 10_000)
    large, course = _filled(folder / "large", broker, rows)
    say("\n### Resident memory of the daemon and its children\n")
    say(
        table(
            ["", "MB"],
            [["idle", f"{idle / 1e6:.0f}"], ["a window of 10 thousand rows", f"{small / 1e6:.0f}"], [f"a window of {rows:,} rows", f"{large / 1e6:.0f}"]],
        )
    )
    looked = ", ".join(f"{resident / 1e6:.0f} MB at {count:,} rows" for count, resident in course)
    say(f"\nWhile the last one filled (what it is above the small one is buffers of reading at full speed, there from the first tenth on): {looked}.")
    return [
        Figure("resident memory, idle", f"under {IDLE_LIMIT / 1e6:.0f} MB", f"{idle / 1e6:.0f} MB", idle < IDLE_LIMIT),
        Figure(f"memory while a window of {rows:,} rows fills", f"never {GROWTH - 1:.0%} above its first tenth's", _course(course), _is_flat(course)),
    ]


def _idle(folder: Path, broker: Broker) -> int:
    topic = broker.create(f"bench-{uuid.uuid4().hex[:8]}", PARTITIONS)
    with prepared(folder, broker, topic).start() as daemon:
        daemon.wait_ready()
        time.sleep(SETTLED)
        found = _resident(daemon)
        daemon.stop()
    return found


def _filled(folder: Path, broker: Broker, rows: int) -> tuple[int, list[tuple[int, int]]]:
    """Resident bytes when all was counted and it had settled; and (rows, bytes) at some moments on the way."""
    note(f"memory: a window of {rows:,} rows")
    topic = fill(broker, "batches of 64", -(-rows // ROWS), SPAN)
    try:
        with prepared(folder, broker, topic.name, window=LONG).start() as daemon:
            course = [(each.rows, each.resident) for each in looks(daemon, topic.rows)]
            time.sleep(SETTLED)
            settled = _resident(daemon)
            assert counted(daemon) == topic.rows
            daemon.stop()
    finally:
        broker.delete(topic.name)
    return settled, [*_some(course, rows), (topic.rows, settled)]


def _resident(daemon: Daemon) -> int:
    return resident_bytes(family_of(daemon.running().pid))


def _some(course: list[tuple[int, int]], rows: int) -> list[tuple[int, int]]:
    """The first look after each of a few shares of all rows."""
    firsts = (next((each for each in course if each[0] >= share * rows), None) for share in (0.1, 0.3, 0.5, 0.7, 0.9))
    return [each for each in firsts if each is not None]


def _course(course: list[tuple[int, int]]) -> str:
    return f"{course[0][1] / 1e6:.0f} MB at {course[0][0]:,} rows, {course[-1][1] / 1e6:.0f} MB at {course[-1][0]:,}"


def _is_flat(course: list[tuple[int, int]]) -> bool:
    return max(resident for _, resident in course) <= GROWTH * course[0][1]
