"""How good rankings are, from what was relevant."""

from watchtower.measures._estimates import Estimate, estimates, student, wilson
from watchtower.nouns.batch import PredictionKind
from watchtower.nouns.labels import RANKS, Labelled
from watchtower.nouns.score import Scores


def ranking_scores(name: str, found: Labelled, k: int) -> Scores:
    """`ndcg_at_k`, `hit_rate_at_k`, subject "", over the labelled rows of which something was relevant (exact).

    ndcg_at_k: mean of DCG@k / DCG@k of the best order, DCG@k = Σ_{i ≤ k} gain_i / log2(i + 1), with Student's interval; a gain is 1 where a label says none.
    hit_rate_at_k: share of rows with something relevant among the first k (Wilson).
    """
    if found.kind is not PredictionKind.RANKING or found.ranks is None:
        return Scores.none([""], "rankings only")
    effective = found.weight**2 / found.weight2
    hits, first, second = (found.ranks[RANKS.index(k)] / found.weight).tolist()
    return estimates({"": wilson(hits, effective) if name == "hit_rate_at_k" else _mean(first, second, effective)}, found.rows)


def _mean(first: float, second: float, n: float) -> Estimate:
    return student(first, second - first**2, n, 0.0, 1.0)
