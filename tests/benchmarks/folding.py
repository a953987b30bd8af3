"""`python -m tests.benchmarks.folding`: what a row costs to fold, on one core and in one BLAS thread.

40 numeric columns (normal, log-normal, integers and mostly zero) and 10 dictionary-encoded columns of texts (2 to 200 categories): asked, at most 1.3 µs a row
in batches of 1,000 rows and 0.5 µs in batches of 10,000. Beside them, not asked: the same with a tenth of the numbers missing; a whole `Tally.add` of such a
batch (latency, status, positions); what derived subjects cost. Medians of 7 rounds of fresh batches, in seconds of
the processor, so that others on the machine cost little (they still share its caches: best at rest).
Exits 1 where one is slower.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from time import process_time

import numpy as np

from tests.benchmarks.figures import Figure, machine, median, say, table, versions
from watchtower.core.binning import fold_columns, make_binning
from watchtower.core.deriving import derived_columns
from watchtower.core.joining import hashes_of
from watchtower.core.sketching import IdTally
from watchtower.core.tallies import Tally
from watchtower.nouns.batch import Column, FeatureType, Floats, NumberColumn, PredictionBatch, PredictionKind, TextColumn, VectorColumn
from watchtower.nouns.binning import Binning
from watchtower.nouns.settings import FeatureSettings
from watchtower.nouns.window import Partition

ASKED = {1_000: 1.3, 10_000: 0.5}
"""Microseconds a row, by rows in a batch."""
CATEGORIES = (2, 3, 5, 8, 10, 20, 30, 50, 100, 200)
TURNS = 7
ROWS = 100_000
"""Rows of one round."""

Columns = Mapping[str, Column]


def numbers(rng: np.random.Generator, i: int, rows: int) -> Floats:
    """Column *i*: normal, log-normal, integers, mostly zero by turns."""
    kinds: Sequence[Callable[[], Floats]] = (
        lambda: rng.normal(i, 1 + i, rows),
        lambda: rng.lognormal(i % 5, 1, rows),
        lambda: rng.integers(0, 10 + i, rows).astype(np.float64),
        lambda: np.where(rng.random(rows) < 0.6, 0.0, rng.exponential(1, rows)),
    )
    return kinds[i % 4]()


def columns(seed: int, rows: int, missing: float = 0.0) -> Columns:
    """40 numeric and 10 text columns."""
    rng = np.random.default_rng(seed)
    found: dict[str, Column] = {}
    for i in range(40):
        values = numbers(rng, i, rows)
        found[f"n{i:02}"] = NumberColumn(np.where(rng.random(rows) < missing, np.nan, values) if missing else values)
    for i, size in enumerate(CATEGORIES):
        found[f"c{i}"] = TextColumn(rng.integers(0, size, rows).astype(np.int32), tuple(f"v{each}" for each in range(size)))
    return found


def timed(batches: Sequence[Columns], rows: int, work: Callable[[Columns], object]) -> float:
    """Microseconds a row: the median of :data:`TURNS` rounds over all *batches*."""
    taken = []
    for _ in range(TURNS):
        begun = process_time()
        for each in batches:
            work(each)
        taken.append((process_time() - begun) * 1e6 / (rows * len(batches)))
    return median(taken)


def folding(rows: int) -> tuple[Figure, list[list[str]]]:
    """What is asked of batches of *rows*, and what stands beside it."""
    binning = make_binning(columns(1, 10_000), {}, None, ())
    plain, holes = ([columns(seed, rows, missing) for seed in range(2, 2 + ROWS // rows)] for missing in (0.0, 0.1))
    asked = timed(plain, rows, lambda each: fold_columns(binning, each, rows))
    batch = f"{rows:,}"
    told = [
        [batch, "40 numeric, 10 categorical", f"{asked:.3f}"],
        [batch, "the same, a tenth of the numbers missing", f"{timed(holes, rows, lambda each: fold_columns(binning, each, rows)):.3f}"],
        [batch, "Tally.add of such a batch", f"{timed(plain, rows, lambda each: Tally(binning).add(as_batch(each, rows))):.3f}"],
        *beside(batch, rows),
    ]
    return Figure(f"folding, {batch} rows a batch", f"at most {ASKED[rows]:g} µs a row", f"{asked:.2f} µs", asked <= ASKED[rows]), told


def beside(batch: str, rows: int) -> list[list[str]]:
    """What each kind of derived subject adds, making and folding it; and counting ids."""
    rng = np.random.default_rng(99)
    words = [f"w{each}" for each in np.minimum(rng.zipf(1.4, 200_000), 10**6).tolist()]
    texts = tuple(" ".join(words[i * 12 : i * 12 + 12]) for i in range(rows))
    many: Columns = {"note": TextColumn(np.arange(rows, dtype=np.int32), texts)}
    few: Columns = {"note": TextColumn((np.arange(rows) % 50).astype(np.int32), texts[:50])}
    note = {"note": FeatureSettings(type=FeatureType.TEXT)}
    face: Columns = {"face": VectorColumn(rng.normal(size=(rows, 128)))}
    cases: list[tuple[str, Columns, Binning]] = [
        ("a text of 12 words, all different", many, make_binning(many, note, None, ())),
        ("a text of 12 words, 50 different ones", few, make_binning(few, note, None, ())),
        ("an embedding of 128 numbers", face, make_binning(face, {"face": FeatureSettings(type=FeatureType.EMBEDDING)}, None, ())),
    ]
    for name, column, kind in (
        ("a probability: confidence, entropy, positive", NumberColumn(rng.random(rows)), PredictionKind.PROBABILITY),
        ("a vector of 10 classes: class, confidence, entropy", VectorColumn(rng.random((rows, 10))), PredictionKind.VECTOR),
    ):
        cases.append((name, {"": column}, make_binning({"": column}, {}, kind, ())))
    told = [[batch, f"beside: {name}", f"{added(binning, it, rows):.3f}"] for name, it, binning in cases]
    ids = [f"{each:032x}-{i}" for i, each in enumerate(rng.integers(0, 2**62, rows).tolist())]
    made = timed([{}], rows, lambda _: hashes_of(ids))
    return [
        *told,
        [batch, f"beside: ids of {len(ids[0])} signs counted, where a rule asks (of which hashing {made:.3f})", f"{timed([{}], rows, counted(ids)):.3f}"],
    ]


def counted(ids: Sequence[str]) -> Callable[[Columns], object]:
    """A sketch of *ids*, over and over into the same one."""
    tally = IdTally()
    return lambda _: tally.add(ids)


def added(binning: Binning, it: Columns, rows: int) -> float:
    """What derived subjects cost: making their columns and folding them, less folding without."""
    bare = make_binning({name: column for name, column in it.items() if name}, {}, None, ()) if "" not in it else None
    whole = timed([it], rows, lambda each: fold_columns(binning, each, rows, derived_columns(binning.derived, binning.widths, each)))
    if bare is None:
        only = make_binning(it, {}, PredictionKind.NUMBER, ()) if isinstance(it[""], NumberColumn) else None
        return whole - (timed([it], rows, lambda each: fold_columns(only, each, rows)) if only is not None else 0.0)
    return whole


def as_batch(features: Columns, rows: int) -> PredictionBatch:
    """A batch with what most logs have beside features."""
    none = np.zeros(rows, dtype=np.int32)
    same = TextColumn(none, ("1",))
    return PredictionBatch(
        model="m",
        times=np.arange(rows),
        versions=same,
        roles=TextColumn(none, ("served",)),
        statuses=TextColumn(none, ("ok",)),
        features=features,
        prediction=None,
        latency=np.full(rows, 0.012),
        queue=None,
        compute=None,
        sampling=None,
        instances=TextColumn((np.arange(rows) % 4).astype(np.int32), ("a", "b", "c", "d")),
        gpu=None,
        ids=None,
        partition=none,
        partitions=(Partition("t", 0),),
        positions=np.arange(rows),
        ordinals=none,
    )


def main() -> int:
    """Prints the figures and what was asked."""
    say(f"Machine: {machine()}\n{versions()}; one BLAS thread, niceness {os.nice(0)}\n")
    figures, lines = [], []
    for rows in ASKED:
        figure, told = folding(rows)
        figures.append(figure)
        lines += told
    say(table(["rows a batch", "", "µs a row: median of 7"], lines))
    say("\n" + table(["figure", "asked", "measured", ""], [[each.what, each.asked, each.measured, "met" if each.met else "MISSED"] for each in figures]))
    return 0 if all(each.met for each in figures) else 1


if __name__ == "__main__":
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # numpy reads it as it is imported
        os.execve(sys.executable, [sys.executable, "-m", "tests.benchmarks.folding"], {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})  # noqa: S606  ourselves
    sys.exit(main())
