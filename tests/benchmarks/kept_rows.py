"""What `keep: raw` costs beside the same line without it: `python -m tests.benchmarks.kept_rows [ROWS]`. CPU time of decode, fold and checkpoint."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.benchmarks.parts import polled
from tests.benchmarks.topics import FEATURES
from watchtower.core.binning import make_binning
from watchtower.core.profiling import Bound, Folder
from watchtower.edges.clock import Clock
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, FeatureType, Messages, NumberColumn, PredictionKind, Schema
from watchtower.nouns.binning import PREDICTION
from watchtower.nouns.kept import KeepTerms
from watchtower.nouns.settings import FeatureSettings, WindowSettings
from watchtower.nouns.window import Partition
from watchtower.store import Store

_TYPES = dict.fromkeys(FEATURES, FeatureType.NUMERIC)
_CATALOG = Catalog({"fraud": Schema(_TYPES, PredictionKind.PROBABILITY)}, max_ahead=300_000_000)


def line(chunks: list[Messages], at: Path, terms: Callable[[str], KeepTerms | None]) -> tuple[float, int]:
    """CPU seconds of the whole line into a store of its own, a checkpoint every 100,000 rows; and how many rows were kept."""
    columns = {name: NumberColumn(np.random.default_rng(1).normal(0, 1, 20_000)) for name in (*FEATURES, PREDICTION)}
    binning = make_binning(columns, {name: FeatureSettings(type=kind) for name, kind in _TYPES.items()}, PredictionKind.PROBABILITY, ())
    store, clock, form = Store.open(f"sqlite:///{at}", now=Clock().now), Clock(), WatchtowerJson()
    folder = Folder(WindowSettings())
    folder.bound["fraud"] = Bound(binning, 0)
    folder.rows.terms = terms
    folder.assign([Partition("bench")])
    kept, began = 0, time.process_time()
    for number, chunk in enumerate(chunks):
        folder.add([chunk], form.decode([chunk], _CATALOG), now=clock.now(), ended=False)
        if number % 10 == 9 or number == len(chunks) - 1:
            delta = folder.take(clock.now())
            store.intake.checkpoint(delta, keep_original=False)
            folder.committed(delta)
            kept += sum(len(each.batch) for each in delta.rows)
    took = time.process_time() - began
    store.close()
    return took, kept


def main() -> None:
    """Off and on in turns, A B A B A B; prints JSON."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 600_000
    chunks = polled("singles", rows)
    found: dict[str, list[float]] = {"off": [], "on": []}
    kept = size = 0
    for turn in range(6):
        name = ("off", "on")[turn % 2]
        with tempfile.TemporaryDirectory() as folder:
            at = Path(folder) / "store.db"
            took, some = line(chunks, at, (lambda _: KeepTerms(3072)) if name == "on" else (lambda _: None))
            found[name].append(took / rows * 1e6)
            size = at.stat().st_size if name == "on" else size
            kept = some or kept
    micros = {name: round(float(np.median(values)), 3) for name, values in found.items()}
    json.dump({"rows": rows, "cpu_us_per_row": micros, "each": found, "kept": kept, "bytes_per_kept_row": round(size / max(1, kept))}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
