"""`python -m tests.benchmarks [--quick] [PART…]`: the tables of docs/benchmarks.md, measured here and now.

Exits 0 where every figure was met, 1 where one was not, 2 where something could not be measured.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import commands, delay, memory, speed
from tests.benchmarks.figures import CannotMeasureError, Figure, machine, note, say, table, versions
from tests.servers.kafka import Broker, NoKafkaError, broker

Part = Callable[[Path, Broker], list[Figure]]


def parts(*, quick: bool) -> dict[str, Part]:
    """What is measured, by name; *quick* is a quarter of it."""
    turns, share = (3, 0.25) if quick else (5, 1.0)
    return {
        "singles": lambda folder, running: speed.measure(folder, running, "singles", int(1_500_000 * share), turns),
        "batches": lambda folder, running: speed.measure(folder, running, "batches of 64", int(150_000 * share), turns),
        "memory": lambda folder, running: memory.measure(folder / "memory", running, int(10_000_000 * share)),
        "delay": lambda folder, running: delay.measure(folder / "delay", running, 5 if quick else 21),
        "commands": lambda folder, running: commands.measure(folder / "commands", running, 3 if quick else 9),
    }


def main() -> int:
    """Measures, prints, and says whether every figure was met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="The figures that Watchtower must reach, measured here and now.")
    parser.add_argument("--quick", action="store_true", help="a quarter of everything, in fewer turns")
    parser.add_argument("part", nargs="*", choices=[[], *parts(quick=True)], help="only these")
    asked = parser.parse_args()
    chosen = parts(quick=asked.quick)
    say(f"Machine: {machine()}\n{versions()}")
    figures: list[Figure] = []
    failed = 0
    try:
        with broker() as running, tempfile.TemporaryDirectory(prefix="watchtower-bench-") as folder:
            for name in asked.part or chosen:
                try:
                    figures += chosen[name](Path(folder), running)
                except (CannotMeasureError, AssertionError, OSError) as problem:
                    failed += 1
                    note(f"{name} could not be measured: {problem}")
    except NoKafkaError as missing:
        note(f"there is no broker to measure with: {missing}")
        return 2
    say("\n### What was asked\n")
    say(table(["figure", "asked", "measured", ""], [[each.what, each.asked, each.measured, "met" if each.met else "MISSED"] for each in figures]))
    return 2 if failed else 0 if all(each.met for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
