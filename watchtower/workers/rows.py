"""Rows again: what needs rows re-reads the source by the positions kept per window."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np

from watchtower.core.profiling import SERVED
from watchtower.core.slicing import as_typed, joined, sliced
from watchtower.nouns.batch import Catalog, Flags, PredictionBatch, Schema
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import EPOCH, Partition, Span, micros
from watchtower.sources import Rereadable

MIRROR = "mirror"
"""The role of predictions that answered a served request and were not served."""
MOST_BESIDE = 2**26
"""Bytes of messages between the rows of two windows, in which mirrored predictions are looked for."""
Aside = list[PredictionBatch]


class KeptRowsReader(Protocol):
    """Rows that were kept beside their summaries."""

    def read(self, model: str, start: datetime, end: datetime) -> PredictionBatch | None:
        """The kept rows with event time in [start, end), in position order: of each version and window an even sample; None where there are none."""


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What is left of some rows. *gone* says why not all are, "" where the source has them all; *was_kept* rows come from the store."""

    batch: PredictionBatch | None
    gone: str = ""
    was_kept: int = 0


@dataclass(frozen=True, slots=True)
class RowReader:
    """Re-reads served rows of one model by spans; *kept* is asked where the source has them no more."""

    sources: Sequence[Rereadable]
    kept: KeptRowsReader | None = None

    def read(self, model: str, spans: Sequence[Span], start: datetime, end: datetime, schema: Schema, *, whole: bool = False) -> PredictionBatch | None:  # noqa: PLR0913  which rows, and how
        """The served rows of *model* with event time in [start, end) that stand in *spans*, in position order; None where there are none.

        Where the source has some no more: what is left of them and the kept ones, which may be a sample; with *whole* no sample will do.

        Raises:
            Unavailable: the source is away, or no longer has them and none were kept.
        """
        left = self.left(model, spans, start, end, schema, from_kept=not whole)
        if left.gone and not left.was_kept:
            raise Unavailable(left.gone, expired=True)
        return left.batch

    def left(  # noqa: PLR0913  which rows, and from where
        self, model: str, spans: Sequence[Span], start: datetime, end: datetime, schema: Schema, *, from_kept: bool = True, aside: Aside | None = None
    ) -> Left:
        """What is left of these rows: the source's, each partition for itself, then, with *from_kept*, kept ones that it has no more.

        *aside* takes what versions mirrored among them, whatever its time.

        Raises:
            Unavailable: the source is away; that says nothing of the rows.
        """
        found: list[PredictionBatch] = []
        by_source, gone = self._by_source(spans)
        for source, mine in by_source.items():
            try:
                found += self._from_source(source, model, mine, start, end, schema, aside)
            except Unavailable as away:
                if not away.expired:
                    raise
                gone.append(str(away))
        left = Left(joined(found) if found else None, "; ".join(gone))
        return self._filled(left, model, start, end, schema) if from_kept and (gone or not spans) else left

    def beside(self, model: str, spans: Sequence[Span], schema: Schema, aside: Aside) -> None:
        """Adds to *aside* what versions mirrored in *spans*, where no served row of theirs stands: of what is still there, at most 64 MiB of messages.

        Raises:
            Unavailable: the source is away.
        """
        by_source, _ = self._by_source(spans)
        for source, mine in by_source.items():
            try:
                for _ in self._from_source(source, model, mine, EPOCH, EPOCH, schema, aside, most=MOST_BESIDE):
                    pass
            except Unavailable as away:
                if not away.expired:
                    raise

    def filled(self, left: Left, model: str, start: datetime, end: datetime, schema: Schema) -> Left:
        """*left* with the kept rows that it lacks, where rows are missing and nothing said so (a file that was replaced by a longer one)."""
        return left if left.was_kept else self._filled(left, model, start, end, schema)

    def _filled(self, left: Left, model: str, start: datetime, end: datetime, schema: Schema) -> Left:
        kept = None if self.kept is None else self.kept.read(model, start, end)
        if kept is None:
            return left
        missing = np.flatnonzero(~_among(kept, left.batch))
        if not len(missing):
            return left
        more = _as_asked(sliced(kept, missing), schema)
        return Left(more if left.batch is None else joined([left.batch, more]), left.gone, len(missing))

    def pieces(self, model: str, spans: Sequence[Span], start: datetime, end: datetime, schema: Schema) -> Iterator[PredictionBatch]:
        """The same as :meth:`read`, as the source hands them out, so that they need not be in memory all at once; kept rows come at the end."""
        yielded: list[tuple[Partition, int, int]] = []
        by_source, gone = self._by_source(spans)
        for source, mine in by_source.items():
            try:
                for batch in self._from_source(source, model, mine, start, end, schema):
                    yielded.extend(_places(batch) if self.kept is not None else ())
                    yield batch
            except Unavailable as away:
                if not away.expired:
                    raise
                gone.append(str(away))
        rest = self._rest(model, start, end, schema, frozenset(yielded)) if gone or not spans else None
        if rest is not None:
            yield rest
        elif gone:
            raise Unavailable("; ".join(gone), expired=True)

    def _rest(self, model: str, start: datetime, end: datetime, schema: Schema, yielded: frozenset[tuple[Partition, int, int]]) -> PredictionBatch | None:
        kept = None if self.kept is None else self.kept.read(model, start, end)
        if kept is None:
            return None
        rows = np.array([i for i, place in enumerate(_places(kept)) if place not in yielded], dtype=np.int64)
        return _as_asked(sliced(kept, rows), schema) if len(rows) else None

    def _from_source(  # noqa: PLR0913, PLR0917  which rows, and how
        self,
        source: int,
        model: str,
        spans: Sequence[Span],
        start: datetime,
        end: datetime,
        schema: Schema,
        aside: Aside | None = None,
        most: int | None = None,
    ) -> Iterator[PredictionBatch]:
        low, high, read = micros(start), micros(end), 0
        catalog = Catalog({model: schema}, Schema())
        for messages in self.sources[source].reread(spans):
            if most is not None and read > most:
                return
            read += sum(len(each) for each in messages.values if each is not None)
            for batch in self.sources[source].format.decode([messages], catalog).predictions:
                if batch.model != model:
                    continue
                if aside is not None and MIRROR in batch.roles.names:
                    aside.append(sliced(batch, np.flatnonzero(batch.roles.codes == batch.roles.names.index(MIRROR))))
                part = _within(batch, low, high)
                if part is not None:
                    yield part

    def _by_source(self, spans: Sequence[Span]) -> tuple[Mapping[int, list[Span]], list[str]]:
        """The spans of every source, and what no source has."""
        by_source: dict[int, list[Span]] = {}
        gone = []
        for span in united(spans):
            owner = next((i for i, source in enumerate(self.sources) if source.owns(span.partition)), None)
            if owner is None:
                gone.append(f"no source has {span.partition.topic}/{span.partition.number} any more")
            else:
                by_source.setdefault(owner, []).append(span)
        return by_source, gone


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


def _places(batch: PredictionBatch) -> list[tuple[Partition, int, int]]:
    """Where each row stands."""
    partitions = [batch.partitions[i] for i in batch.partition.tolist()]
    return list(zip(partitions, batch.positions.tolist(), batch.ordinals.tolist(), strict=True))


def _among(kept: PredictionBatch, there: PredictionBatch | None) -> Flags:
    """Which rows of *kept* are among those that are there."""
    if there is None:
        return np.zeros(len(kept), dtype=np.bool_)
    places = frozenset(_places(there))
    return np.array([place in places for place in _places(kept)], dtype=np.bool_)


def _as_asked(batch: PredictionBatch, schema: Schema) -> PredictionBatch:
    """*batch* with the features that the schema asks for, each of its type."""
    features = {name: as_typed(column, schema.features.get(name)) for name, column in batch.features.items() if schema.open or name in schema.features}
    return replace(batch, features=features)
