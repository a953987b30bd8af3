"""Labels: the two halves that wait for each other, and what is known once they have met. Bounded, and mergeable."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Floats, Ints, PredictionKind

Hashes = NDArray[np.uint64]
Place = tuple[str, tuple[str, ...]]
"""A version, and the segments that a row is in (``column=value``)."""

SCORE_EDGES: Floats = np.concatenate([[0.0], 1 / (1 + np.exp(-np.linspace(-16, 16, 1023))), [1.0]])
"""Edges of the 1,024 cells that probabilities are counted in, even in log-odds (0.031 wide) so that rare classes are resolved too:
cell i holds ``edges[i] <= p < edges[i + 1]``, the last one 1 as well; ½ is an edge."""
SCORE_CELLS = len(SCORE_EDGES) - 1

DELAY_EDGES: Floats = np.concatenate([[0.0], 0.01 * 1.04 ** np.arange(0, 590)])
"""Edges in seconds of the cells that label delays are counted in: 10 ms to about three years, 4 % wide."""
DELAY_CELLS = len(DELAY_EDGES)

CALIBRATION_BINS = 15
"""Bins of equal width of the expected calibration error."""

CERTAIN_SUMS = ("log_loss", "log_loss2", "brier", "brier2")
"""Σ w of a probability's loss -ln(p of what came true), of its square, of (p - y)² and of its square."""
NUMBER_SUMS = ("e", "e_abs", "e2", "e4", "e2d", "e2d2", "d", "d2", "d3", "d4", "ape", "ape2", "ape_weight")
"""Σ w of a number's error e = predicted - label, its size, powers, and products with d = label - centre; of |e / label| where the label is not 0,
its square, and Σ w there."""

RANKS = (1, 3, 5, 10, 20, 50, 100)
"""How many of a ranking's first items are looked at: sums are kept for each of these."""


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """n predictions or labels: a number, or, where ``codes[i] >= 0``, the text ``texts[codes[i]]``; texts are spelled as labels are (core/answers.py)."""

    numbers: Floats
    texts: tuple[str, ...]
    codes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True, eq=False)
class PredictionHalf:
    """Predictions of one model that wait for their labels; columns of one length.

    Attributes:
        hashes: uint64[n] of the request ids; times: int64[n] microseconds since 1970.
        places: (version, the segments that the row is in), places[codes[i]] is row i's.
        weights: 1/sampling, None where every row counts once.
    """

    hashes: Hashes
    times: Ints
    places: tuple[Place, ...]
    codes: NDArray[np.int32]
    values: Values
    weights: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LabelHalf:
    """Labels of one model that wait for their predictions; columns of one length, in the order in which they came."""

    hashes: Hashes
    times: Ints
    values: Values


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """What one checkpoint adds, by model."""

    predictions: Mapping[str, PredictionHalf] = field(default_factory=dict)
    labels: Mapping[str, LabelHalf] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.predictions or self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Weights of numbers by cell (core/spreads.py says which is what); *cells* ascend, and are 2^*level* of the finest wide."""

    level: int
    cells: Ints
    weights: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Labels that met their predictions, of one (model, version, segment, window), or a merge of several.

    Attributes:
        kind: what the model answers; decides which of the sums below are kept.
        rows: joined rows; weight: the same weighted by 1/sampling and by the share of ids that are kept; weight2: Σ of its squares.
        correct: weight of rows whose class is right (class; probability at ½).
        pairs: label -> predicted class -> weight (class); at most 100 classes, the rest is `OTHER`.
        scores: float64[2, SCORE_CELLS], weight of negatives and of positives by probability (probability).
        counts: int64[2], rows of negatives and of positives (probability).
        calibration: float64[CALIBRATION_BINS, 4]: weight, Σ p, Σ y, Σ (p - y)² (probability).
        sums: see CERTAIN_SUMS (probability) and NUMBER_SUMS (number).
        centre: what d is measured from (number).
        delays: float64[DELAY_CELLS], rows by label time less prediction time.
        expired: weight of predictions whose `wait` ended without a label.
        settled_rows: rows joined or expired.
        unsettled: windows before whose start no prediction had waited for the whole of `wait`.
        ranks: float64[len(RANKS), 3], Σ w of rows with something relevant among the first k, of NDCG@k, and of its square (ranking).
        labels, residuals: spreads of labels, and of predictions less labels (number).
    """

    kind: PredictionKind
    rows: int = 0
    weight: float = 0.0
    weight2: float = 0.0
    correct: float = 0.0
    pairs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    scores: Floats | None = None
    counts: Ints | None = None
    calibration: Floats | None = None
    sums: Floats | None = None
    centre: float = 0.0
    delays: Floats | None = None
    expired: float = 0.0
    settled_rows: int = 0
    unsettled: int = 0
    ranks: Floats | None = None
    labels: Spread | None = None
    residuals: Spread | None = None


OTHER = "(other classes)"
"""Stands for the classes beyond the first 100."""
MOST_CLASSES = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """How one model stands: rows that wait, labels that are kept, and what became of the others so far (rows, not weighted).

    *halvings*: how often the share of ids that are kept was halved to stay under `max_rows`.
    """

    model: str
    predictions: int = 0
    labels: int = 0
    joined: int = 0
    expired: int = 0
    halvings: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """What one join found, and what its transaction writes.

    Attributes:
        profiles: (version, segment) -> what met.
        seen: the last join that this one knows of; another one in the store means that somebody else was faster.
        hashes: ids that have met, and count no more.
        at: end of the window, microseconds; keep_after: joins and rows older than this go.
        predictions: ids of stored pieces without waiting rows; rewritten: others by id, with what is left of them. labels: stored labels that go.
        through: the last of the model's joins that is still needed, 0 where all are.
        now: how the model stands after it; began: event time of its first prediction.
    """

    profiles: Mapping[tuple[str, str], Labelled]
    seen: int
    hashes: Hashes
    at: int
    keep_after: int
    predictions: tuple[int, ...]
    rewritten: Mapping[int, PredictionHalf]
    labels: tuple[int, ...]
    through: int
    now: Waiting
    began: int | None = None
