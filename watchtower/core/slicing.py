"""Rows of a batch by index, and batches one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Column, FeatureType, Floats, GpuColumns, Ints, Messages, NumberColumn, PredictionBatch, TextColumn, VectorColumn


def column_at(column: Column, rows: Ints | slice) -> Column:
    """The values of *rows*; a slice copies nothing."""
    bad = None if column.bad is None else column.bad[rows]
    if isinstance(column, TextColumn):
        return TextColumn(column.codes[rows], column.names, bad)
    return type(column)(column.values[rows], bad)


def sliced(batch: PredictionBatch, rows: Ints) -> PredictionBatch:
    """The batch of *rows* (indexes), in their order."""

    def text(column: TextColumn) -> TextColumn:
        return TextColumn(column.codes[rows], column.names)

    def numbers(values: Floats | None) -> Floats | None:
        return None if values is None else values[rows]

    gpu = None if batch.gpu is None else GpuColumns(text(batch.gpu.device), batch.gpu.utilization[rows], batch.gpu.memory_used[rows])
    return replace(
        batch,
        times=batch.times[rows],
        versions=text(batch.versions),
        roles=text(batch.roles),
        statuses=text(batch.statuses),
        features={name: column_at(column, rows) for name, column in batch.features.items()},
        prediction=None if batch.prediction is None else column_at(batch.prediction, rows),
        latency=numbers(batch.latency),
        queue=numbers(batch.queue),
        compute=numbers(batch.compute),
        sampling=numbers(batch.sampling),
        instances=None if batch.instances is None else text(batch.instances),
        gpu=gpu,
        ids=None if batch.ids is None else [batch.ids[i] for i in rows.tolist()],
        partition=batch.partition[rows],
        positions=batch.positions[rows],
        ordinals=batch.ordinals[rows],
        unknown=None if batch.unknown is None else text(batch.unknown),
        derived=None if batch.derived is None else {name: column_at(column, rows) for name, column in batch.derived.items()},
    )


def as_typed(column: Column, kind: FeatureType | None) -> Column:
    """*column* as a feature of *kind* has it: numbers as texts; what cannot be is missing."""
    if kind in {FeatureType.CATEGORICAL, FeatureType.TEXT} and not isinstance(column, TextColumn):
        return _as_text(column, len(column.values))
    if kind is FeatureType.NUMERIC and not isinstance(column, NumberColumn):
        return NumberColumn(np.full(len(column.codes) if isinstance(column, TextColumn) else len(column.values), np.nan))
    return column


def messages_from(messages: Messages, position: int) -> Messages:
    """The messages that begin at *position* or later."""
    first = int(np.searchsorted(messages.positions, position))
    return replace(messages, values=messages.values[first:], positions=messages.positions[first:], appended=messages.appended[first:])


def _bad(columns: Sequence[Column], lengths: Sequence[int]) -> NDArray[np.int8] | None:
    if all(column.bad is None for column in columns):
        return None
    return np.concatenate([np.zeros(n, dtype=np.int8) if column.bad is None else column.bad for column, n in zip(columns, lengths, strict=True)])


def joined_text(columns: Sequence[TextColumn]) -> TextColumn:
    """Text columns one after the other, under one dictionary."""
    names = tuple(dict.fromkeys(name for column in columns for name in column.names))
    index = {name: i for i, name in enumerate(names)}
    codes = []
    for column in columns:
        table = np.array([*(index[name] for name in column.names), -1], dtype=np.int32)
        codes.append(table[column.codes])
    return TextColumn(np.concatenate(codes), names, _bad(columns, [len(column.codes) for column in columns]))


def joined_column(columns: Sequence[Column | None], lengths: Sequence[int]) -> Column | None:
    """Columns one after the other; None stands for rows without; a text column turns all into text, in which numbers are type errors."""
    there = [column for column in columns if column is not None]
    if not there:
        return None
    if any(isinstance(column, TextColumn) for column in there):
        return joined_text([_as_text(column, n) for column, n in zip(columns, lengths, strict=True)])
    width = max((column.values.shape[1] for column in there if isinstance(column, VectorColumn)), default=0)
    filled = [_filled(column, n, width) for column, n in zip(columns, lengths, strict=True)]
    values = np.concatenate([column.values for column in filled])
    return type(filled[0])(values, _bad(filled, lengths))


def _filled(column: Column | None, rows: int, width: int) -> NumberColumn | VectorColumn:
    if isinstance(column, NumberColumn | VectorColumn):
        return column
    return VectorColumn(np.full((rows, width), np.nan)) if width else NumberColumn(np.full(rows, np.nan))


def _as_text(column: Column | None, rows: int) -> TextColumn:
    if isinstance(column, TextColumn):
        return column
    missing = np.full(rows, -1, dtype=np.int32)
    if not isinstance(column, NumberColumn):
        return TextColumn(missing, ())
    names, codes = np.unique(column.values[~np.isnan(column.values)], return_inverse=True)
    missing[~np.isnan(column.values)] = codes
    return TextColumn(missing, tuple(f"{name:.15g}" for name in names), column.bad)


def joined(batches: Sequence[PredictionBatch]) -> PredictionBatch:
    """Batches of one model one after the other."""
    if len(batches) == 1:
        return batches[0]
    lengths = [len(batch) for batch in batches]
    partitions = tuple(dict.fromkeys(each for batch in batches for each in batch.partitions))
    names = dict.fromkeys(name for batch in batches for name in batch.features)

    def numbers(parts: Sequence[Floats | None]) -> Floats | None:
        if all(part is None for part in parts):
            return None
        return np.concatenate([np.full(n, np.nan) if part is None else part for part, n in zip(parts, lengths, strict=True)])

    return PredictionBatch(
        model=batches[0].model,
        times=np.concatenate([batch.times for batch in batches]),
        versions=joined_text([batch.versions for batch in batches]),
        roles=joined_text([batch.roles for batch in batches]),
        statuses=joined_text([batch.statuses for batch in batches]),
        features=_joined_features([batch.features for batch in batches], tuple(names), lengths),
        prediction=joined_column([batch.prediction for batch in batches], lengths),
        latency=numbers([batch.latency for batch in batches]),
        queue=numbers([batch.queue for batch in batches]),
        compute=numbers([batch.compute for batch in batches]),
        sampling=numbers([batch.sampling for batch in batches]),
        instances=None,
        gpu=None,
        ids=None if all(batch.ids is None for batch in batches) else [each or "" for batch in batches for each in (batch.ids or [""] * len(batch))],
        partition=np.concatenate([_renumbered(batch, partitions) for batch in batches]),
        partitions=partitions,
        positions=np.concatenate([batch.positions for batch in batches]),
        ordinals=np.concatenate([batch.ordinals for batch in batches]),
    )


def _joined_features(parts: Sequence[Mapping[str, Column]], names: Sequence[str], lengths: Sequence[int]) -> dict[str, Column]:
    columns = {name: joined_column([part.get(name) for part in parts], lengths) for name in names}
    return {name: column for name, column in columns.items() if column is not None}


def _renumbered(batch: PredictionBatch, partitions: Sequence[object]) -> NDArray[np.int32]:
    table = np.array([partitions.index(each) for each in batch.partitions], dtype=np.int32)
    return table[batch.partition]
