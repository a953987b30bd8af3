"""`python -m tests.benchmarks.verdicts`: how often a verdict is wrong, and how many rows a right one takes.

Made incidents with a known truth go through `judge()` itself, look by look, as a daemon looks at them. Seeds are fixed: an incident is its number.
`--quick` is a tenth. Exits 1 where a figure is missed.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from tests.benchmarks.figures import Figure, machine, say, table, versions
from tests.benchmarks.verdict_cases import LOOKS, POPULATION, Rows, World, drawn, looked, trial_of, truth_of
from watchtower.core.eprocess import rows_needed
from watchtower.core.evidence_errors import minimum_effect
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.settings import EvidenceSettings

KINDS = (PredictionKind.CLASS, PredictionKind.PROBABILITY, PredictionKind.NUMBER)


# ------------------------------------------------------------------------------------------------------------------ wrong ACCEPT


@dataclass(frozen=True, slots=True)
class Null:
    """One incident in which going back does not help. *d* is that of the newest candidate."""

    world: World
    d: float
    grounds: str
    found: dict[Verdict, int]
    rows: int


def null(number: int, settings: EvidenceSettings, looks: int = LOOKS) -> Null:
    """Incident *number*: no candidate is better. A mixture of kinds, of 1 to 4 candidates, of labels live and in the reference, and of discordance."""
    rng = np.random.default_rng([17, number])
    kind = KINDS[number % 3]
    noise = float({PredictionKind.CLASS: rng.uniform(0.02, 0.5), PredictionKind.PROBABILITY: rng.uniform(0.1, 2.0)}.get(kind, rng.uniform(0.1, 1.5)))
    worse = (1.0, 1.0, 1.1, 1.5)
    others = tuple(float(min(noise * rng.choice(worse), 0.9 if kind is PredictionKind.CLASS else math.inf)) for _ in range(1 + number // 3 % 4))
    base = -4.0 if kind is PredictionKind.PROBABILITY and number % 2 else 0.0
    world = World(kind, noise, others, float(rng.choice((0.0, 0.5, 0.9))), base)
    grounds = ("labels", "labels and reference", "reference")[number % 5 % 3]
    n = int(rng.choice((600, 1_500, 3_000)))
    live = drawn(world, n, rng) if "labels" in grounds else None
    reference = drawn(world, 2_000, rng) if "reference" in grounds else None
    gain, m = truth_of(world, settings, rng)
    trial = trial_of(world, live, reference, rng, m)
    found = looked(trial, settings, looks if live is not None else 1, on=True)
    return Null(world, float(gain.mean()) if others[0] > noise else 0.0, grounds, found, n)


# ------------------------------------------------------------------------------------------------------------------ right ACCEPT


@dataclass(frozen=True, slots=True)
class Real:
    """One incident in which going back helps by *times* m. *asked*: the rows that the power formula asks for."""

    world: World
    times: float
    grounds: str
    asked: int
    found: dict[Verdict, int]


def real(number: int, settings: EvidenceSettings, looks: int = LOOKS) -> Real:
    """Incident *number*: the candidate is better by at least 1.5 m, and as many rows come as the power formula asks for."""
    rng = np.random.default_rng([18, number])
    kind = KINDS[number % 3]
    shared, times = float(rng.choice((0.0, 0.5, 0.9))), float(rng.choice((1.5, 2.0, 3.0, 5.0)))
    base = -4.0 if kind is PredictionKind.PROBABILITY and number % 4 == 1 else 0.0
    good = float({PredictionKind.CLASS: rng.uniform(0.01, 0.2), PredictionKind.PROBABILITY: rng.uniform(0.1, 0.5)}.get(kind, rng.uniform(0.1, 0.5)))
    world, gain, m = _as_much_better(World(kind, good, (good,), shared, base), times, settings, number)
    grounds = "reference" if number % 4 == 0 else "labels"
    asked = rows_needed(gain, m, 2, settings.alpha, classes=kind is PredictionKind.CLASS)  # one candidate; two grounds: these rows, and invalid answers
    assert asked is not None
    live = drawn(world, max(asked, 100), rng) if grounds == "labels" else None
    reference = drawn(world, max(asked, 100), rng) if grounds == "reference" else None
    trial = trial_of(world, live, reference, rng, m)
    return Real(world, times, grounds, asked, looked(trial, settings, looks if live is not None else 1))


def _as_much_better(world: World, times: float, settings: EvidenceSettings, number: int) -> tuple[World, Floats, float]:
    """*world* with live's noise raised until the candidate is better by at least *times* m, its gains and m."""
    low, high = world.noise, 0.95 if world.kind is PredictionKind.CLASS else world.noise + 20
    for _ in range(12):  # roughly, on a tenth of the population
        middle = (low + high) / 2
        gain, m = truth_of(replace(world, noise=middle), settings, np.random.default_rng([19, number]), POPULATION // 10)
        low, high = (low, middle) if gain.mean() >= times * m else (middle, high)
    while True:
        gain, m = truth_of(replace(world, noise=high), settings, np.random.default_rng([19, number, 1]))
        if gain.mean() >= times * m:
            return replace(world, noise=high), gain, m
        high += 0.03 * (high - world.noise)


# ------------------------------------------------------------------------------------------------------------------ rows to a verdict


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table: classes of which *discordant* differ, *d* better on the whole; or equal versions of *kind*."""

    name: str
    d: float
    discordant: float
    most: int
    kind: PredictionKind = PredictionKind.CLASS
    noise: float = 0.5


SETTINGS = (
    Setting("d = 0.02, 3 % discordant", 0.02, 0.03, 4_000),
    Setting("d = 0.02, 7 % discordant", 0.02, 0.07, 10_000),
    Setting("d = 0.02, 12 % discordant", 0.02, 0.12, 16_000),
    Setting("d = 0.05, 6 % discordant", 0.05, 0.06, 2_000),
    Setting("d = 0.05, 15 % discordant", 0.05, 0.15, 4_000),
    Setting("equal probabilities", 0.0, 0.0, 4_000, PredictionKind.PROBABILITY),
    Setting("equal numbers", 0.0, 0.0, 4_000, PredictionKind.NUMBER),
    Setting("equal classes, 3 % discordant", 0.0, 0.03, 8_000),
)


def once(number: int, setting: Setting, settings: EvidenceSettings) -> dict[Verdict, int]:
    """Rows at which one incident of *setting* came to its verdict, looked at 80 times."""
    rng = np.random.default_rng([20, SETTINGS.index(setting), number])
    world = World(setting.kind, setting.noise, (setting.noise,), 0.5)
    if setting.kind is PredictionKind.CLASS:
        u = rng.random(setting.most)
        only_live, only_candidate = (setting.discordant + setting.d) / 2, setting.discordant / 2 + setting.d / -2
        live = np.where(u < only_live, 1.0, 0.0)
        candidate = np.where((u >= only_live) & (u < only_live + only_candidate), 1.0, 0.0)
        rows = Rows(np.zeros(setting.most), (live, candidate))
    else:
        rows = drawn(world, setting.most, rng)
    m = minimum_effect(setting.kind, rows.answers[1], settings.minimum_effect)
    return looked(trial_of(world, rows, None, rng, m), settings, 80)


# ------------------------------------------------------------------------------------------------------------------ the report


def _median(found: Sequence[dict[Verdict, int]], verdict: Verdict) -> str:
    """The median rows to *verdict*, where most incidents come to it."""
    rows = sorted(each.get(verdict, sys.maxsize) for each in found)
    middle = rows[len(rows) // 2]
    return "-" if middle == sys.maxsize else f"{middle:,}"


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / max(1, whole):.2%})"


def tables(nulls: Sequence[Null], reals: Sequence[Real], timed: Sequence[tuple[Setting, list[dict[Verdict, int]]]]) -> list[Figure]:
    """Prints everything, and says whether it is as asked."""
    groups: dict[str, Callable[[Null], bool]] = {
        **{f"{kind}": partial(_of_kind, kind) for kind in KINDS},
        "rare positives": lambda each: each.world.base < 0,
        "nothing shared: heavy discordance": lambda each: each.world.shared == 0,
        "d = 0 for the newest": lambda each: each.d == 0,
        "2 to 4 candidates": lambda each: len(each.world.others) > 1,
        "reference rows labelled": lambda each: "reference" in each.grounds,
        "all": lambda _: True,
    }
    say("### Going back does not help: d ≤ 0\n")
    rows = [(name, [each for each in nulls if its(each)]) for name, its in groups.items()]
    cells = [[name, f"{len(its):,}", _share(_count(its, Verdict.ACCEPT), len(its)), _share(_count(its, Verdict.REJECT), len(its))] for name, its in rows]
    say(table(["incidents", "how many", "wrong ACCEPT at any look", "REJECT by the last"], cells))
    say("\n### Going back helps: d ≥ 1.5 m, as many rows as the power formula asks\n")
    helped = [
        (f"{kind}, {name}", [each for each in reals if each.world.kind is kind and each.grounds == name]) for kind in KINDS for name in ("labels", "reference")
    ]
    helped += [(f"d = {times:g} m", [each for each in reals if each.times == times]) for times in (1.5, 2.0, 3.0, 5.0)] + [("all", list(reals))]
    told = [
        [
            name,
            f"{len(its):,}",
            f"{int(np.median([each.asked for each in its])):,}",
            _share(_count(its, Verdict.ACCEPT), len(its)),
            _share(_count(its, Verdict.REJECT), len(its)),
        ]
        for name, its in helped
        if its
    ]
    say(table(["incidents", "how many", "rows asked: median", "ACCEPT", "wrong REJECT"], told))
    say("\n### Rows to a verdict\n")
    say(
        table(
            ["versions", "incidents", "ACCEPT", "median rows", "REJECT", "median rows"],
            [
                [
                    each.name,
                    f"{len(found):,}",
                    *(
                        f"{_share(sum(v in one for one in found), len(found))}" if i == 0 else _median(found, v)
                        for v in (Verdict.ACCEPT, Verdict.REJECT)
                        for i in (0, 1)
                    ),
                ]
                for each, found in timed
            ],
        )
    )
    wrong, right = _count(nulls, Verdict.ACCEPT), _count(reals, Verdict.ACCEPT) / max(1, len(reals))
    return [
        Figure(f"wrong ACCEPT in {len(nulls):,} incidents, d ≤ 0, {LOOKS} looks each", "0", str(wrong), wrong == 0),
        Figure(f"right ACCEPT in {len(reals):,} incidents, d ≥ 1.5 m", "at least 95 %", f"{right:.1%}", right >= 0.95),
    ]


def _of_kind(kind: PredictionKind, each: Null) -> bool:
    return each.world.kind is kind


def _count(those: Sequence[Null] | Sequence[Real], verdict: Verdict) -> int:
    return sum(verdict in each.found for each in those)


def main() -> int:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.verdicts", description="How often a verdict is wrong, and how many rows a right one takes."
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    part = 10 if asked.quick else 1
    settings, began = EvidenceSettings(), time.perf_counter()
    say(f"Machine: {machine()}\n{versions()}\n")
    with ProcessPoolExecutor(asked.processes) as pool:
        nulls = list(pool.map(partial(null, settings=settings), range(3_000 // part), chunksize=20))
        reals = list(pool.map(partial(real, settings=settings), range(1_000 // part), chunksize=10))
        timed = [(each, list(pool.map(partial(once, setting=each, settings=settings), range(200 // part), chunksize=10))) for each in SETTINGS]
    goals = tables(nulls, reals, timed)
    say(f"\n{time.perf_counter() - began:.0f} s with {asked.processes} processes, load {os.getloadavg()[0]:.1f} at the end.\n\n### What was asked\n")
    say(table(["figure", "asked", "measured", ""], [[each.what, each.asked, each.measured, "met" if each.met else "MISSED"] for each in goals]))
    return 0 if all(each.met for each in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
