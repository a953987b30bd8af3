"""Slow comparisons of rows: how far apart two samples are. They run in the analysis child, never on the line."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from watchtower.kinds import Kind
from watchtower.nouns.batch import Floats


@dataclass(frozen=True, slots=True)
class Found:
    """How far apart (0 is identical, larger is worse), and how likely so far by chance alone."""

    value: float
    p_value: float


class Analysis(Kind):
    """A function of two samples of rows, both matrices of one width: 0 is identical, larger is worse. It never decides."""

    min_rows: ClassVar[int] = 200
    on_vectors: ClassVar[bool] = True
    """Whether it scores embedding features one by one, beside the whole table (subject "")."""

    rows: Annotated[int, Field(ge=200, le=10_000)] = 2_000
    """The most rows a side: those with the smallest position hashes."""

    @abstractmethod
    def score(self, reference: Floats, current: Floats, seed: int) -> Found:
        """Compares the rows of float64[n, width] and float64[m, width], finite and both at least 2; *seed* makes it repeatable."""
