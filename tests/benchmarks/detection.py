"""`python -m tests.benchmarks.detection`: how often ours and peers cry wolf, and what they find. Fixed seeds; Markdown out.

Peers are read from `peers/cache/` (with the date of their run). With `--peers FOLDER` (or WATCHTOWER_PEERS), which holds a virtual environment each
(`evidently`, `nannyml`, `alibi`), they are run anew and the cache is written; that takes an hour of CPU. Exits 1 where a goal is missed.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import TypedDict, cast

from tests.benchmarks import detection_ours as ours
from tests.benchmarks.detection_cases import CASES, REFERENCES, STRETCH, Case
from tests.benchmarks.figures import Figure, machine, median, note, say, table, versions
from watchtower.core.merging import merge
from watchtower.nouns.profile import Profile

CACHE = Path(__file__).parent / "peers" / "cache"
PEERS = {"evidently": "Evidently", "nannyml": "NannyML", "alibi": "Alibi Detect", "psi": "PSI > 0.2"}
BUDGET = 0.001
"""Windows with a false alarm that are asked for: the rules' significances add up to less."""
FULL, STRETCHES = 1_000, 50
GAP = 0.05
MERGED = 10
"""Windows of 1,000 rows that `over: at least 10000 rows` merges."""
SOON = 20
"""Windows of the largest case that a process folds before they are kept."""

Share = tuple[int, int]
"""How many of how many."""
Judge = Callable[[list[float]], tuple[bool, bool]]
"""A kept window -> alarm on a drifted feature, alarm on another."""


class Kept(TypedDict):
    """The windows of one case."""

    windows: list[list[float]]


Results = dict[str, Kept]


# ---------------------------------------------------------------------------------------------------------------- ours


def windows_of(case: Case, most: int, first: int = 0) -> list[int]:
    """The numbers of ours' windows, from *first* on."""
    return list(range(first, first + (STRETCHES * STRETCH if case.slow and most >= STRETCH else most)))


def _task(what: tuple[int, list[int]]) -> list[tuple[int, list[float]]]:
    """Some windows of one case: [hit, wrong] of both files, of default.yaml alone, features without a score; slow: [hit, wrong] over 10 windows."""
    case = CASES[what[0]]
    book = ours.rules(case)
    told, last = [], list[Profile]()
    for window, folded in zip(what[1], ours.folded(case, what[1]), strict=True):
        verdict, moved = ours.judged(folded, book), set(folded.drifted)
        both, alone = set().union(*verdict.found.values()), verdict.found["default.yaml"]
        found = [bool(both & moved), bool(both - moved), bool(alone & moved), bool(alone - moved), verdict.without]
        if case.slow:
            last = [*(last[1 - MERGED :] if window % STRETCH else []), folded.window]
            longer = set().union(*ours.judged(replace(folded, window=merge(last)), book).found.values())
            found += [bool(longer & moved), bool(longer - moved)]
        told.append((window, [float(each) for each in found]))
    return told


def measured(cases: Sequence[Case], numbered: tuple[int, int], processes: int, kept: Path | None) -> Results:
    """Ours over *cases*, so many windows from the first of *numbered* on; windows that *kept* has are taken from there, and it is written as they come."""
    found: Results = json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for case in cases:
            had = found.setdefault(case.name, {"windows": []})["windows"]
            windows = windows_of(case, numbered[1], numbered[0])[len(had) :]
            size = SOON * processes if case.rows >= 1_000_000 else max(1, len(windows))
            for first in range(0, len(windows), size):
                some = windows[first : first + size]
                by_reference = [[each for each in some if ours.reference_number(case, each) == number] for number in range(REFERENCES)]
                told = dict(pair for part in pool.imap_unordered(_task, [(CASES.index(case), each) for each in by_reference if each]) for pair in part)
                had += [told[window] for window in some]
                if kept is not None:
                    kept.write_text(json.dumps(found))
            note(f"{case.name}: {len(had):,} windows")
    return found


# --------------------------------------------------------------------------------------------------------------- peers


def run_peers(folder: Path) -> None:
    """Every peer anew, in its own interpreter, into the cache."""
    CACHE.mkdir(exist_ok=True)
    for name in PEERS:
        python = Path(sys.executable) if name == "psi" else folder / name / "bin" / "python"
        if not python.exists():
            note(f"{name}: {python} is not there; its cache stays")
            continue
        out = CACHE / f"{name}.json"
        out.unlink(missing_ok=True)
        subprocess.run([python, "-W", "ignore", "-m", "tests.benchmarks.peers.run", name, out], check=True)


def defaults(kept: list[float]) -> tuple[bool, bool]:
    """With the peer's own thresholds."""
    return bool(kept[0]), bool(kept[1])


def tuned(peer: Results, case: Case) -> Judge:
    """With thresholds (one for numbers, one for categories) that none of its quiet windows of this kind and size passes."""
    quiet = [kept for each in CASES if each.quiet and (each.reference, each.rows) == (case.reference, case.rows) for kept in peer[each.name]["windows"]]
    bounds = [max((kept[4 + text] for kept in quiet), default=float("inf")) for text in (0, 1)]
    return lambda kept: (kept[2] > bounds[0] or kept[3] > bounds[1], kept[4] > bounds[0] or kept[5] > bounds[1])


# --------------------------------------------------------------------------------------------------------------- table


def wilson(share: Share) -> tuple[float, float]:
    """The 95 % interval of a share. Source: Wilson (1927)."""
    hits, n = share
    if not n:
        return 0.0, 1.0
    p, z2 = hits / n, 1.959964**2
    middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), sqrt(z2) * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def shown(share: Share) -> str:
    """In per cent, with the interval."""

    def each(value: float) -> str:
        return f"{100 * value:.{2 if 0 < value < 0.01 else 1}f}".removesuffix(".0")

    low, high = wilson(share)
    return f"{each(rate(share))} [{each(low)}, {each(high)}]"


def detected(case: Case, windows: list[list[float]], judge: Judge) -> Share:
    """Windows (stretches, where drift is slow) in which a drifted feature was named."""
    hits = [judge(kept)[0] for kept in windows]
    trials = [any(hits[first : first + STRETCH]) for first in range(0, len(hits), STRETCH)] if case.slow else hits
    return sum(trials), len(trials)


def wrong(windows: list[list[float]], judge: Judge) -> Share:
    """Windows in which a feature that did not drift was named."""
    return sum(judge(kept)[1] for kept in windows), len(windows)


def rate(share: Share) -> float:
    """As a number."""
    return share[0] / share[1]


class Sides:
    """Ours and the peers over one case, each as (windows, how they are judged)."""

    def __init__(self, found: Results, peers: Mapping[str, Results]) -> None:
        self.found, self.peers = found, peers

    def of(self, case: Case, *, with_tuned: bool) -> dict[str, tuple[list[list[float]], Judge]]:
        """By column."""
        mine = self.found[case.name]["windows"]
        sides: dict[str, tuple[list[list[float]], Judge]] = {
            "**ours**": (mine, lambda kept: (bool(kept[0]), bool(kept[1]))),
            "default.yaml alone": (mine, lambda kept: (bool(kept[2]), bool(kept[3]))),
        }
        for name, label in PEERS.items():
            if case.name in self.peers[name]:
                kept = self.peers[name][case.name]["windows"]
                sides[label] = kept, tuned(self.peers[name], case) if with_tuned else defaults
        return sides

    def show(self, head: str, cases: Sequence[Case], count: Callable[[Case, list[list[float]], Judge], Share], *, with_tuned: bool = False) -> None:
        """One table."""
        labels = ["**ours**", "default.yaml alone", *PEERS.values()]
        rows = []
        for case in cases:
            sides = self.of(case, with_tuned=with_tuned)
            rows.append([case.name, *(shown(count(case, *sides[label])) if label in sides else "-" for label in labels)])
        say(f"\n#### {head}\n")
        say(table(["case", *labels], rows))


def first(sides: Sides, case: Case) -> str:
    """When slow drift is named first: the median window of the stretches."""
    told = []
    longer: Judge = lambda kept: (bool(kept[5]), bool(kept[6]))  # noqa: E731  as the others
    merged = sides.found[case.name]["windows"], longer
    for label, (windows, judge) in {"ours with `over: at least 10000 rows`": merged, **sides.of(case, with_tuned=False)}.items():
        hits = [judge(kept)[0] for kept in windows]
        at = [hits[start : start + STRETCH].index(True) + 1 if any(hits[start : start + STRETCH]) else STRETCH + 1 for start in range(0, len(hits), STRETCH)]
        told.append(f"{label} {median(at):g}" if median(at) <= STRETCH else f"{label} never")
    return ", ".join(told)


def figures(sides: Sides, quiet: Sequence[Case], drifting: Sequence[Case]) -> list[Figure]:
    """What was asked."""
    worst = max(rate(wrong(*sides.of(case, with_tuned=False)["**ours**"])) for case in quiet)
    told = [Figure("ours: windows with a false alarm, the worst quiet row", "at most 0.1 %", f"{100 * worst:.2f} %", worst <= BUDGET)]
    mine = [rate(detected(case, *sides.of(case, with_tuned=False)["**ours**"])) for case in drifting]
    mean = sum(mine) / len(mine)
    best = [0.0] * len(drifting)
    for with_tuned in (False, True):
        for label in PEERS.values():
            theirs = [rate(detected(case, *sides.of(case, with_tuned=with_tuned)[label])) for case in drifting]
            best = [max(pair) for pair in zip(best, theirs, strict=True)]
            average = sum(theirs) / len(theirs)
            told.append(Figure(f"mean detection, beside {label}{' (tuned)' if with_tuned else ''}", f"above {average:.1%}", f"{mean:.1%}", mean > average))
    gap, row = max((theirs - own, case.name) for theirs, own, case in zip(best, mine, drifting, strict=True))
    told.append(Figure(f"furthest below the best peer ({row})", "at most 5 points", f"{100 * gap:.1f} points", gap <= GAP))
    return told


def report(found: Results, told: Mapping[str, dict[str, object]]) -> list[Figure]:
    """Every table."""
    sides = Sides(found, {name: cast("Results", each["cases"]) for name, each in told.items()})
    quiet, drifting = [case for case in CASES if case.quiet], [case for case in CASES if not case.quiet]
    say(
        "Peers: "
        + "; ".join(
            f"{PEERS[name]} ({', '.join(f'{k} {v}' for k, v in cast('dict[str, str]', each['versions']).items())}; {each['date']})"
            for name, each in told.items()
        )
    )
    few = "; ".join(f"{len(found[case.name]['windows']):,} of: {case.name}" for case in CASES if len(found[case.name]["windows"]) != FULL)
    say(f"\nPer cent, with 95 % Wilson intervals. Ours: {FULL:,} windows a case{f' ({few})' if few else ''}.")
    asked, more = [case for case in drifting if not case.further], [case for case in drifting if case.further]
    sides.show("Nothing drifts: windows with an alarm", quiet, lambda _, *each: wrong(*each))
    sides.show("Something drifts: windows in which a drifted feature was named", asked, detected)
    sides.show("The same, peers tuned until none of their quiet windows of that kind and size alarms", asked, detected, with_tuned=True)
    sides.show("Something drifts: windows with an alarm on a feature that did not", asked, lambda _, *each: wrong(*each))
    sides.show("Other sizes: a drifted feature was named", more, detected)
    sides.show("Other sizes, peers tuned", more, detected, with_tuned=True)
    sides.show("Other sizes: an alarm on a feature that did not drift", more, lambda _, *each: wrong(*each))
    for case in (case for case in CASES if case.slow):
        windows = found[case.name]["windows"]
        say(f"\n{case.name}, with `over: at least 10000 rows`: a false alarm in {shown((sum(kept[6] > 0 for kept in windows), len(windows)))} of the windows.")
        if not case.quiet:
            say(f"\n{case.name}, the window in which the drifted feature is named first (median): {first(sides, case)}.")
    without = sum(kept[4] for each in found.values() for kept in each["windows"])
    every = 50 * sum(len(each["windows"]) for each in found.values())
    say(f"\nOurs: {without:,.0f} of {every:,} feature scores were no score ({without / every:.2%}); they count as not found.")
    return figures(sides, quiet, asked)


def main() -> int:
    """Measures ours, reads or runs the peers, prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.detection", description="False alarms and detection, ours beside peers'.")
    parser.add_argument("--windows", type=int, default=FULL, help="ours, a case (stretches of slow drift: 50 of 200 windows)")
    parser.add_argument("--first", type=int, default=0, help="the number of ours' first window: others than those that the rules' bounds were chosen on")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="a JSON file with ours' windows: cases that are in it are not run again")
    parser.add_argument("--peers", type=Path, default=os.environ.get("WATCHTOWER_PEERS"), help="a folder of virtual environments: run the peers anew")
    parser.add_argument("--case", action="append", default=[], help="only these, without the tables")
    asked = parser.parse_args()
    if asked.peers:
        run_peers(Path(asked.peers))
    cases = [case for case in CASES if not asked.case or case.name in asked.case]
    say(f"Machine: {machine()}\n{versions()}; ours: {datetime.now(UTC).date()}")
    found = measured(cases, (asked.first, asked.windows), asked.processes, asked.keep)
    if asked.case:
        return 0
    told = {name: json.loads((CACHE / f"{name}.json").read_text()) for name in PEERS}
    goals = report(found, told)
    say("\n### What was asked\n")
    say(table(["figure", "asked", "measured", ""], [[each.what, each.asked, each.measured, "met" if each.met else "MISSED"] for each in goals]))
    return 0 if all(each.met for each in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
