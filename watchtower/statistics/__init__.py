"""Drift statistics: how far apart two profiles are."""

from abc import abstractmethod
from typing import ClassVar

from watchtower.kinds import Kind
from watchtower.nouns.batch import FeatureType
from watchtower.nouns.score import Pair, Scores


class Statistic(Kind):
    """A function of two profiles: 0 is identical, larger is worse. It never decides."""

    min_rows: ClassVar[int] = 200
    types: ClassVar[frozenset[FeatureType]] = frozenset({FeatureType.NUMERIC, FeatureType.CATEGORICAL})
    """Which subjects it is for; others are NoScore(`numeric features only`)."""

    @abstractmethod
    def score(self, pair: Pair) -> Scores:
        """Scores of ``pair.indexes``, in that order, with p-values; never NaN without a reason, never an exception for content."""
