"""Rows again: what needs rows re-reads the source by the positions kept per window."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from watchtower.core.profiling import SERVED
from watchtower.core.slicing import joined, sliced
from watchtower.nouns.batch import Catalog, PredictionBatch, Schema
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Partition, Span, micros
from watchtower.sources import Rereadable


@dataclass(frozen=True, slots=True)
class RowReader:
    """Re-reads served rows of one model by spans."""

    sources: Sequence[Rereadable]

    def read(self, model: str, spans: Sequence[Span], start: datetime, end: datetime, schema: Schema) -> PredictionBatch | None:
        """The served rows of *model* with event time in [start, end) that stand in *spans*, in position order; None where there are none.

        Raises:
            Unavailable: the source no longer has them.
        """
        found = [*self.pieces(model, spans, start, end, schema)]
        return joined(found) if found else None

    def pieces(self, model: str, spans: Sequence[Span], start: datetime, end: datetime, schema: Schema) -> Iterator[PredictionBatch]:
        """The same as :meth:`read`, as the source hands them out, so that they need not be in memory all at once."""
        low, high = micros(start), micros(end)
        for source, mine in self._by_source(spans).items():
            catalog = Catalog({model: schema}, Schema())
            for messages in self.sources[source].reread(mine):
                for batch in self.sources[source].format.decode([messages], catalog).predictions:
                    part = _within(batch, low, high) if batch.model == model else None
                    if part is not None:
                        yield part

    def _by_source(self, spans: Sequence[Span]) -> Mapping[int, list[Span]]:
        by_source: dict[int, list[Span]] = {}
        for span in united(spans):
            owner = next((i for i, source in enumerate(self.sources) if source.owns(span.partition)), None)
            if owner is None:
                msg = f"no source has {span.partition.topic}/{span.partition.number} any more"
                raise Unavailable(msg)
            by_source.setdefault(owner, []).append(span)
        return by_source


def united(spans: Sequence[Span]) -> list[Span]:
    """One span a partition, from the first to the last position."""
    found: dict[Partition, Span] = {}
    for span in spans:
        old = found.get(span.partition, span)
        found[span.partition] = Span(span.partition, min(old.first, span.first), max(old.last, span.last))
    return list(found.values())


def _within(batch: PredictionBatch, low: int, high: int) -> PredictionBatch | None:
    right = (batch.times >= low) & (batch.times < high)
    if SERVED in batch.roles.names:
        right &= batch.roles.codes == batch.roles.names.index(SERVED)
    else:
        return None
    rows = np.flatnonzero(right)
    return sliced(batch, rows) if len(rows) else None
