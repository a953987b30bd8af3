"""Labelled rows of a reference file, summed as joined labels are: what labels and residuals that arrive are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from watchtower.core.grouping import segment_rows
from watchtower.core.joining import values_of
from watchtower.core.labelled import Met, labelled, numbers
from watchtower.nouns.batch import Column, Flags, Ints, NumberColumn, PredictionKind, TextColumn
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.labels import Labelled, Values
from watchtower.nouns.profile import Profile
from watchtower.nouns.settings import PredictionSettings

Key = tuple[str, str]


def with_reference_labels(
    profiles: Mapping[Key, Profile], binning: Binning, columns: Mapping[str, Column], labels: Sequence[str | None] | None, prediction: PredictionSettings
) -> dict[Key, Profile]:
    """*profiles* of a reference's rows, the whole and its segments, each with its labels; without a prediction column there are labels alone."""
    if labels is None or prediction.kind in (PredictionKind.VECTOR, PredictionKind.RANKING):
        return dict(profiles)
    rows = np.arange(len(labels))
    parts = {"": rows} | {
        f"{name}={value}": mine for name, values in binning.segments.items() for value, mine in segment_rows(columns.get(name), values, len(labels))
    }
    known = values_of([label or "" for label in labels])
    answers, there = _answers(columns.get(PREDICTION), known)
    there &= np.array([label is not None for label in labels], dtype=np.bool_)
    whole = Met(answers, known, np.zeros(len(rows)), np.ones(len(rows)))
    own = columns.get(PREDICTION) is not None
    return {key: replace(each, labelled=_summary(whole, parts[key[1]], there, prediction, own=own)) for key, each in profiles.items()}


def _answers(column: Column | None, labels: Values) -> tuple[Values, Flags]:
    """What was predicted, and where; labels stand in where nothing is known of it."""
    if isinstance(column, NumberColumn):
        return Values(column.values, (), np.full(len(column.values), -1, dtype=np.int32)), np.isfinite(column.values)
    if isinstance(column, TextColumn):
        return values_of([column.names[code] if code >= 0 else "" for code in column.codes.tolist()]), column.codes >= 0
    return labels, np.ones(len(labels), dtype=np.bool_)


def _summary(whole: Met, rows: Ints, there: Flags, prediction: PredictionSettings, *, own: bool) -> Labelled | None:
    met = whole.at(rows[there[rows]])
    if not own and prediction.kind is PredictionKind.PROBABILITY:
        nobody = Values(np.zeros(len(met.delays)), (), np.full(len(met.delays), -1, dtype=np.int32))
        met = replace(met, answers=nobody)
    centre = _centre(met.labels) if prediction.kind is PredictionKind.NUMBER else 0.0
    found = labelled(met, prediction.kind, prediction.positive, centre)
    if not found.rows:
        return None
    return found if own else replace(found, scores=None, residuals=None)


def _centre(labels: Values) -> float:
    known = numbers(labels)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else 0.0
