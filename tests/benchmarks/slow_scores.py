"""Quiet p-values of the slow comparisons, and what they say when one feature moves: ``python -m tests.benchmarks.slow_scores [--pairs N]``."""

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the analysis child, before numpy is imported

import numpy as np

from watchtower.analyses import Analysis
from watchtower.nouns.batch import Floats

LEVELS = (0.001, 0.01, 0.05, 0.5)
SHIFTS = (0.25, 0.5, 1.0)


def heavy(random: np.random.Generator, rows: int) -> Floats:
    """Five heavy-tailed numbers and a rare flag."""
    x = random.standard_t(3, size=(rows, 6))
    x[:, 5] = x[:, 5] > 1
    return x


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=500, help="quiet pairs of samples")
    pairs = parser.parse_args().pairs
    sys.stdout.write(f"Share of {pairs:,} quiet pairs (200 and 300 rows) with p at most\n\n| | {' | '.join(map(str, LEVELS))} |\n|---|{'---|' * len(LEVELS)}\n")
    for kind in Analysis.kinds():
        random = np.random.default_rng(7)
        found = np.array([Analysis.member(kind)().score(heavy(random, 200), heavy(random, 300), i).p_value for i in range(pairs)])
        sys.stdout.write(f"| {kind} | {' | '.join(f'{np.mean(found <= level):.4f}' for level in LEVELS)} |\n")
    sys.stdout.write(
        "\nOne feature moved by so many sd, 2,000 rows a side: value (p)\n\n| | of | " + " | ".join(map(str, SHIFTS)) + " |\n|---|---|---|---|---|\n"
    )
    for kind in Analysis.kinds():
        for width in (1, 20):
            random = np.random.default_rng(1)
            x, y = random.normal(size=(2_000, width)), random.normal(size=(2_000, width))
            moved = [Analysis.member(kind)().score(x, y + shift * np.eye(1, width), 1) for shift in SHIFTS]
            sys.stdout.write(f"| {kind} | {width} | {' | '.join(f'{each.value:.4f} ({each.p_value:.1e})' for each in moved)} |\n")


if __name__ == "__main__":
    main()
