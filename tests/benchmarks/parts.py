"""Decode alone and fold alone, over the same rows, in a process of their own: `python -m tests.benchmarks.parts KIND ROWS REFERENCE`."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.production import WINDOW
from tests.benchmarks.topics import FEATURES, KINDS, values
from watchtower.core.binning import make_binning
from watchtower.core.profiling import Bound, Folder
from watchtower.edges.clock import Clock
from watchtower.edges.tables import read_table
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, FeatureType, Messages, PredictionKind, Schema
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.settings import FeatureSettings, WindowSettings
from watchtower.nouns.window import Partition
from watchtower.nouns.written import duration

CHUNK = {"singles": 10_000, "batches of 64": 600}
"""Messages that the line folds at once (about 4 MB)."""


def polled(kind: str, rows: int) -> list[Messages]:
    """The messages as a source would hand them out."""
    messages = max(1, rows // KINDS[kind][1])
    sent = [value for value, _ in values(kind, messages, 6 * 60.0)]
    now = int(time.time() * 1e6)
    size = CHUNK[kind]
    chunks = [sent[first : first + size] for first in range(0, messages, size)]
    return [_messages(chunk, number * size, now) for number, chunk in enumerate(chunks)]


def _messages(chunk: Sequence[bytes], first: int, now: int) -> Messages:
    return Messages(Partition("bench"), chunk, np.arange(first, first + len(chunk)), first + len(chunk), np.full(len(chunk), now), now, None)


def binning_of(reference: Path) -> Binning:
    """The production binning: 10 features and the prediction."""
    types = dict.fromkeys(FEATURES, FeatureType.NUMERIC)
    found = read_table(str(reference), types, PredictionKind.PROBABILITY)
    columns = {**found.features, **({PREDICTION: found.prediction} if found.prediction is not None else {})}
    return make_binning(columns, {name: FeatureSettings(type=kind) for name, kind in types.items()}, PredictionKind.PROBABILITY, ())


def main() -> None:
    """Prints {"rows": …, "decode": seconds, "fold": seconds, "cells": bins per feature}."""
    kind, rows, reference = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    chunks, binning = polled(kind, rows), binning_of(reference)
    catalog = Catalog({"fraud": Schema(dict.fromkeys(FEATURES, FeatureType.NUMERIC), PredictionKind.PROBABILITY)}, max_ahead=300_000_000)
    form, clock, decode, fold = WatchtowerJson(), Clock(), 0.0, 0.0
    folder = Folder(WindowSettings.model_validate({"size": duration(WINDOW), "lateness": duration("30s")}))
    folder.bound["fraud"] = Bound(binning, 0)
    folder.assign([Partition("bench")])
    form.decode(chunks[:1], catalog)
    for chunk in chunks:
        began = time.perf_counter()
        decoded = form.decode([chunk], catalog)
        between = time.perf_counter()
        folder.add([chunk], decoded, now=clock.now(), ended=False)
        fold += time.perf_counter() - between
        decode += between - began
    began = time.perf_counter()
    delta = folder.take(clock.now())
    fold += time.perf_counter() - began
    counted = sum(totals.predictions for totals in delta.totals.values())
    json.dump({"rows": counted, "decode": decode, "fold": fold, "cells": min(each.size for each in binning.bins)}, sys.stdout)


if __name__ == "__main__":
    main()
