"""Can a classifier tell the window's rows from the reference's?"""

from typing import Annotated, ClassVar, Protocol, cast

import numpy as np
from pydantic import Field

from watchtower.analyses import Analysis, Found
from watchtower.nouns.batch import Flags, Floats, Ints
from watchtower.nouns.errors import ShadowError

_INSTALL = "drift.domain_classifier needs scikit-learn, which is not installed: pip install 'watchtower-ml[analysis]'"
_FOLDS = 5
_WIDEST = 64


class _Classifier(Protocol):
    """What we use of scikit-learn's classifiers, which have no types of their own."""

    def fit(self, rows: Floats, labels: Flags) -> object: ...
    def predict_proba(self, rows: Floats) -> Floats: ...


class DomainClassifier(Analysis):
    """max(0, 2 AUC - 1) of gradient-boosted trees that tell the window's rows from the reference's; 5-fold cross-validated, AUC within folds, averaged.

    Scores of several folds are not independent (with linear classifiers the variance of their mean is twice what it seems), so the p-value is not theirs:
    it is the tie-corrected Mann-Whitney test of one classifier, trained on a random half of the rows, on the other half, which is valid whatever was learnt.
    Tables wider than 64 columns are first reduced to their 64 largest pooled principal components. Source: Lopez-Paz & Oquab (2017),
    Revisiting Classifier Two-Sample Tests.
    """

    on_vectors: ClassVar[bool] = False
    trees: Annotated[int, Field(ge=10, le=500)] = 50
    """Boosting rounds."""

    def score(self, reference: Floats, current: Floats, seed: int) -> Found:
        """ShadowError where scikit-learn is missing."""
        table = _narrowed(np.concatenate([reference, current]))
        ours = np.arange(len(table)) >= len(reference)
        random = np.random.default_rng(seed)
        folds = _parts(ours, _FOLDS, random)
        areas = [self._tested(table, ours, folds == fold, seed)[0] for fold in range(_FOLDS)]
        _, p = self._tested(table, ours, _parts(ours, 2, random) == 1, seed)
        return Found(max(0.0, 2 * float(np.mean(areas)) - 1), p)

    def _tested(self, table: Floats, ours: Flags, tested: Flags, seed: int) -> tuple[float, float]:
        """The area under the curve, and its one-sided p-value, of a classifier that is trained on the rest."""
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415  an extra
            from threadpoolctl import threadpool_limits  # noqa: PLC0415  scikit-learn brings it
        except ImportError as missing:
            raise ShadowError(_INSTALL) from missing
        model = cast("_Classifier", HistGradientBoostingClassifier(max_iter=self.trees, max_leaf_nodes=15, early_stopping=False, random_state=seed % 2**31))
        with threadpool_limits(1):  # threads that spin for a few thousand rows would take the line's cores
            model.fit(table[~tested], ours[~tested])
            scores = model.predict_proba(table[tested])[:, 1]
        return area_and_p(scores[~ours[tested]], scores[ours[tested]])


def area_and_p(first: Floats, second: Floats) -> tuple[float, float]:
    """P(second > first) + ½ P(equal), and the one-sided p-value of the tie-corrected Mann-Whitney test (normal approximation)."""
    from scipy.special import ndtr  # noqa: PLC0415  not on the line

    n, m = len(first), len(second)
    _, codes, counts = np.unique(np.concatenate([first, second]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    area = (ranks[n:].sum() - m * (m + 1) / 2) / (n * m)
    size = n + m
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / (size * (size - 1))
    variance = (size + 1 - ties) / (12 * n * m)
    return float(area), float(ndtr(-(area - 0.5) / np.sqrt(variance))) if variance > 0 else 1.0


def _parts(ours: Flags, count: int, random: np.random.Generator) -> Ints:
    """A random part, 0 to *count* - 1, of each row; both sides are spread evenly."""
    parts = np.empty(len(ours), dtype=np.int64)
    for side in (False, True):
        rows = np.flatnonzero(ours == side)
        parts[random.permutation(rows)] = np.arange(len(rows)) % count
    return parts


def _narrowed(table: Floats) -> Floats:
    """At most 64 columns; components are of both samples together, blind to which is which."""
    if table.shape[1] <= _WIDEST:
        return table
    centred = table - table.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    narrow: Floats = centred @ directions[:, -_WIDEST:]
    return narrow
