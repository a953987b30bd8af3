"""Rows that are kept beside their summaries, where a model's settings ask for it."""

from dataclasses import dataclass

from watchtower.nouns.batch import PredictionBatch
from watchtower.nouns.window import Key


@dataclass(frozen=True, slots=True)
class KeepTerms:
    """What of a model's rows is kept: at most about *most* of a version and window, without the features *left_out*."""

    most: int
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class KeptRows:
    """Served rows of one (model, version, window): all of its rows, as far as they were read, whose position hash is at most *threshold* (uint64)."""

    key: Key
    threshold: int
    batch: PredictionBatch
