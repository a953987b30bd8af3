"""How long the short commands take."""

import time
from pathlib import Path

from tests.benchmarks.figures import CannotMeasureError, Figure, median, say, spread, table
from tests.benchmarks.production import prepared
from tests.end_to_end.running import watchtower
from tests.servers.kafka import Broker

LIMITS = {"check": 1.0, "--help": 0.5}
"""Seconds."""


def measure(folder: Path, broker: Broker, times: int) -> list[Figure]:
    """`watchtower check` over production settings, and `watchtower --help`."""
    prepared(folder, broker, "predictions")
    taken: dict[str, list[float]] = {word: [] for word in LIMITS}
    for _ in range(times):
        for word, seconds in taken.items():
            began = time.perf_counter()
            done = watchtower(word, folder=folder)
            seconds.append(time.perf_counter() - began)
            if done.returncode:
                msg = f"watchtower {word} exited {done.returncode}: {done.stderr[-500:]}"
                raise CannotMeasureError(msg)
    say("\n### Commands\n")
    say(table(["command", "seconds: median (each)"], [[f"watchtower {word}", spread(seconds, ".2f")] for word, seconds in taken.items()]))
    return [
        Figure(f"watchtower {word}", f"under {LIMITS[word]:g} s", f"{median(seconds):.2f} s", median(seconds) < LIMITS[word]) for word, seconds in taken.items()
    ]
