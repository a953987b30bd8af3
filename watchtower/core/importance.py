"""How much each feature matters to a version, and what follows from it. Pure."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from watchtower.core.evidence_errors import loss
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.score import Scores


def change(kind: PredictionKind, before: Floats, after: Floats, scale: float) -> float:
    """How far the answers moved, in [0, 1]: the mean loss of *after* where *before* is taken for true; answers that were invalid before are left out."""
    valid = np.isfinite(before)
    return float(loss(kind, after[valid], before[valid], scale).mean()) if valid.any() else 0.0


def harm(kind: PredictionKind, before: Floats, after: Floats, labels: Floats, scale: float) -> float:
    """By how much the mean loss on labelled rows rose, 0 where it fell. Source: Breiman (2001); Fisher, Rudin & Dominici (2019), All Models are Wrong."""
    labelled = np.isfinite(labels)
    if not labelled.any():
        return 0.0
    rose = loss(kind, after[labelled], labels[labelled], scale) - loss(kind, before[labelled], labels[labelled], scale)
    return max(0.0, float(rose.mean()))


def ndcg(reference: Mapping[str, float], now: Mapping[str, float]) -> float | str:
    """How alike two rankings of features are, in [0, 1], 1 the same; or why that cannot be said.

    NDCG = Σᵢ a(fᵢ) / log₂(i + 1) over the features f₁, f₂, … in the order of *now* (ties by name), a their importance in *reference*; divided by the same sum
    in the reference's own order. Source: Hardt et al. (2021), Amazon SageMaker Clarify.
    """
    names = sorted(name for name in reference if name in now)
    if not any(reference[name] > 0 for name in names):
        return "no feature matters in the reference"
    ours = sorted(names, key=lambda name: -now[name])
    best = sorted(names, key=lambda name: -reference[name])
    return _gain(ours, reference) / _gain(best, reference)


def _gain(order: Sequence[str], relevance: Mapping[str, float]) -> float:
    return math.fsum(relevance[name] / math.log2(place + 2) for place, name in enumerate(order))


def weighted(scores: Scores, importance: Mapping[str, float]) -> tuple[float | str, int]:
    """Σ importance x drift / Σ importance over the features that have both, and the fewest rows behind them; or why there is none."""
    there = [i for i, (subject, reason) in enumerate(zip(scores.subjects, scores.reasons, strict=True)) if reason is None and importance.get(subject, 0.0) > 0]
    total = math.fsum(importance[scores.subjects[i]] for i in there)
    if total <= 0:
        lacking = next((reason for reason in scores.reasons if reason), None)
        return (lacking if lacking and not any(reason is None for reason in scores.reasons) else "no importance"), 0
    summed = math.fsum(importance[scores.subjects[i]] * float(scores.values[i]) for i in there)
    return summed / total, min(int(scores.n[i]) for i in there)
