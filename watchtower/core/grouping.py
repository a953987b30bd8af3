"""Rows of a batch by version, window and segment."""

from collections.abc import Iterator, Sequence

import numpy as np

from watchtower.core.slicing import sliced
from watchtower.nouns.batch import Column, Flags, Ints, PredictionBatch, TextColumn


def groups(batch: PredictionBatch, late: Flags, size: int) -> Iterator[tuple[str, int, bool, PredictionBatch]]:
    """(version, window start in microseconds, late, rows) of served rows."""
    if not len(batch):
        return
    windows = batch.times // size
    first = int(windows.min())
    versions = len(batch.versions.names)
    codes = ((windows - first) * versions + batch.versions.codes) * 2 + late
    if (codes == codes[0]).all():
        yield batch.versions.names[batch.versions.codes[0]], int(windows[0]) * size, bool(late[0]), batch
        return
    kinds, inverse = np.unique(codes, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[order], np.arange(len(kinds) + 1))
    for i, code in enumerate(kinds.tolist()):
        window, version = divmod(code // 2, versions)
        yield batch.versions.names[version], (first + window) * size, bool(code % 2), sliced(batch, order[bounds[i] : bounds[i + 1]])


def segment_rows(column: Column | None, values: Sequence[str], rows: int) -> Iterator[tuple[str, Ints]]:
    """(value, rows) of a segment column: its frozen *values*, then ``other`` for everything else, missing ones too."""
    if not isinstance(column, TextColumn):
        yield "other", np.arange(rows)
        return
    index = {value: i for i, value in enumerate(values)}
    table = np.array([*(index.get(name, len(values)) for name in column.names), len(values)], dtype=np.int64)
    which = table[column.codes]
    for i, value in enumerate([*values, "other"]):
        mine = np.flatnonzero(which == i)
        if len(mine):
            yield value, mine
