"""`python -m tests.benchmarks.verdict`: what a window's verdict over 50 columns costs, ours beside Evidently, NannyML, Alibi Detect and whylogs.

All in one run on this machine, one process after the other, one thread each. Peers need WATCHTOWER_PEERS (or `--peers`): a folder of virtual environments.
Exits 1 where a goal is missed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import numpy as np

from tests.benchmarks.detection_cases import BY_NAME, Table
from tests.benchmarks.detection_ours import SIZE, Folded, closed, rules
from tests.benchmarks.figures import Figure, machine, note, say, table, versions
from tests.benchmarks.peers.verdict import NUMBERS, REFERENCE, TEXTS, VALUES, WAYS, rows, timed
from watchtower import line
from watchtower.conditions._reading import Reading
from watchtower.core.binning import fold_columns, make_binning, make_reference_profile
from watchtower.nouns.batch import Column, NumberColumn, TextColumn
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Over

SIZES = (10_000, 100_000, 1_000_000)
PIECE = 10_000
"""Rows that are folded at once, as the daemon gathers them."""
CLOSE = 0.005
TIMES = 100
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
BOOK = {file: tuple(each) for file, each in rules(BY_NAME["no drift, 10,000 rows"]).items()}


class Taken(TypedDict):
    """Seconds, memory and versions of one way."""

    cpu: float
    wall: float
    bytes: int
    versions: dict[str, str]


def columns(rows_of: Table, first: int, last: int) -> dict[str, Column]:
    """Some rows as a format hands them out: strings with their dictionary."""
    found: dict[str, Column] = {name: NumberColumn(rows_of[name][first:last]) for name in NUMBERS}
    for name in TEXTS:
        codes = rows_of[name][first:last]
        found[name] = TextColumn(np.where(np.isnan(codes), -1, codes).astype(np.int32), VALUES)
    return found


def ours(count: int) -> dict[str, Taken]:
    """At close (scores and rules over a profile that is there), and in full (folding it as well)."""
    there, here = rows(REFERENCE, 1), rows(count, 3)
    reference_columns = columns(there, 0, REFERENCE)
    binning = make_binning(reference_columns, {}, None, ())
    reference = make_reference_profile(binning, reference_columns, REFERENCE)
    pieces = [columns(here, first, first + PIECE) for first in range(0, count, PIECE)]
    needs = frozenset(need for each in BOOK.values() for rule in each for need in rule.when.needs(Over(), SIZE))

    def fold() -> Profile:
        cells, moments, oddities = fold_columns(binning, pieces[0], PIECE)
        for piece in pieces[1:]:
            more = fold_columns(binning, piece, PIECE)
            cells, moments, oddities = cells + more[0], moments + more[1], oddities + more[2]
        return Profile(binning.id, count, float(count), cells, moments, oddities)

    def verdict(profile: Profile) -> list[object]:
        board = line.score(closed(Folded(binning, reference, profile, ()), needs), needs)
        return [outcome for each in BOOK.values() for rule in each for outcome in rule.when.check(Reading(board, Over()))]

    profile = fold()
    verdict(profile)
    close, full = timed(lambda: verdict(profile), TIMES), timed(lambda: verdict(fold()), 5)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {name: {"cpu": cpu, "wall": wall, "bytes": largest, "versions": {}} for name, (cpu, wall) in (("close", close), ("full", full))}


def _child(python: str, *arguments: str) -> str:
    done = subprocess.run([python, "-W", "ignore", "-m", *arguments], env={**os.environ, **THREADS}, capture_output=True, text=True, check=False)
    if done.returncode:
        note(f"{arguments}: {done.stderr[-500:]}")
    return done.stdout if not done.returncode else ""


def measured(sizes: tuple[int, ...], peers: Path) -> dict[int, dict[str, Taken]]:
    """By size, by way; a way whose environment is not there, or that fails, is left out."""
    found: dict[int, dict[str, Taken]] = {}
    for count in sizes:
        told = json.loads(_child(sys.executable, "tests.benchmarks.verdict", "--ours", str(count)))
        found[count] = {"**ours, at close**": told["close"], "**ours, fold + verdict**": told["full"]}
        for way, (environment, _, _) in WAYS.items():
            python = peers / environment / "bin" / "python"
            text = _child(str(python), "tests.benchmarks.peers.verdict", way, str(count)) if python.exists() else ""
            if text:
                found[count][way] = json.loads(text)
            note(f"{count:,} rows, {way}: {found[count][way]['cpu']:.3g} s" if text else f"{way}: not there")
    return found


def report(found: dict[int, dict[str, Taken]]) -> list[Figure]:
    """The table, and what was asked."""
    ways = list(next(iter(found.values())))

    def cell(count: int, way: str) -> str:
        if way not in found[count]:
            return "-"
        taken, own = found[count][way], found[count]["**ours, fold + verdict**"]["cpu"]
        ratio = "" if way.startswith("**") else f" ({taken['cpu'] / own:,.0f}x)"
        return f"{taken['cpu']:.3g}{ratio}, wall {taken['wall']:.3g}"

    def memory(way: str) -> str:
        return f"{max(each[way]['bytes'] for each in found.values() if way in each) / 1e6:,.0f} MB"

    say(
        table(
            ["CPU seconds (ratio to ours in full), wall seconds", *(f"{count:,} rows" for count in found), "largest memory"],
            [[way, *(cell(count, way) for count in found), memory(way)] for way in ways],
        )
    )
    say(
        "\n"
        + "; ".join(
            dict.fromkeys(
                ", ".join(f"{k} {v}" for k, v in taken["versions"].items()) for each in found.values() for taken in each.values() if taken["versions"]
            )
        )
    )
    most = max(found)
    full = found[most]["**ours, fold + verdict**"]["cpu"]
    slowest_close = max(each["**ours, at close**"]["cpu"] for each in found.values())
    told = [Figure("verdict at close", "under 5 ms", f"{1e3 * slowest_close:.2f} ms", slowest_close < CLOSE)]
    for way in ways[2:]:
        least = 100 if way.startswith("Evidently") else 1
        ratios = {count: each[way]["cpu"] / each["**ours, fold + verdict**"]["cpu"] for count, each in found.items() if way in each}
        if least > 1:
            ratio = found[most][way]["cpu"] / full if way in found[most] else 0.0
            told.append(Figure(f"in full, {most:,} rows: times as fast as {way}", "at least 100", f"{ratio:,.0f}", ratio >= least))
        else:
            told.append(
                Figure(
                    f"in full, every size: times as fast as {way}",
                    "above 1",
                    ", ".join(f"{each:.3g}" for each in ratios.values()),
                    min(ratios.values(), default=0.0) > 1,
                )
            )
    return told


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.verdict", description="What a window's verdict costs, ours beside peers'.")
    parser.add_argument("--peers", type=Path, default=os.environ.get("WATCHTOWER_PEERS", "peers"), help="a folder of virtual environments")
    parser.add_argument("--rows", type=int, nargs="*", default=SIZES)
    parser.add_argument("--ours", type=int, help="only ours, of so many rows, as JSON")
    asked = parser.parse_args()
    if asked.ours:
        sys.stdout.write(json.dumps(ours(asked.ours)))
        return 0
    began = time.perf_counter()
    say(f"Machine: {machine()}\n{versions()}; {datetime.now(UTC).date()}, one thread each\n")
    goals = report(measured(tuple(asked.rows), Path(asked.peers)))
    say(f"\nLoad {os.getloadavg()[0]:.1f} at the end, after {time.perf_counter() - began:.0f} s.\n\n### What was asked\n")
    say(table(["figure", "asked", "measured", ""], [[each.what, each.asked, each.measured, "met" if each.met else "MISSED"] for each in goals]))
    return 0 if all(each.met for each in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
