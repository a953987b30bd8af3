"""Two halves, predictions and labels, wait for each other by the hash of their id; what meets is told once. Pure but for the tally between two checkpoints."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from watchtower.core.answers import spelled
from watchtower.core.labelled import at
from watchtower.nouns.batch import Codes, Column, Flags, Floats, Ints, Labels, NumberColumn, PredictionBatch, TextColumn
from watchtower.nouns.binning import Binning
from watchtower.nouns.labels import Halves, Hashes, LabelHalf, Place, PredictionHalf, Values

ALL = 2**64 - 1
_MOST_VALUES = 50
_RAREST = 1e-9
"""A smaller sampling fraction counts as this: squares of weights are summed."""
_LONGEST = 256
"""Bytes of an id that are hashed as they are; longer ones by their SHA-256."""
_ADD, _ONE, _TWO = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hashes_of(ids: Sequence[str]) -> Hashes:
    """A 64-bit hash of each id that is the same in every process: splitmix64 (Steele et al. 2014) over its UTF-8, eight bytes at a time."""
    raw = [each.encode(errors="surrogatepass") for each in ids]
    lengths: Ints = np.fromiter(map(len, raw), np.int64, len(raw))
    if not raw or not lengths.max():
        return np.zeros(len(raw), dtype=np.uint64)
    if lengths.max() > _LONGEST:
        raw = [each if len(each) <= _LONGEST else hashlib.sha256(each).hexdigest().encode() for each in raw]
    bytes_of: Ints = np.fromiter(map(len, raw), np.int64, len(raw))
    width = -(-int(bytes_of.max()) // 8) * 8
    words = np.array(raw, dtype=f"S{width}").view("<u8").reshape(len(raw), width // 8).astype(np.uint64, copy=False)
    found: Hashes = lengths.astype(np.uint64) * _ADD
    for i in range(width // 8):
        found = np.where(bytes_of > 8 * i, _mixed(found ^ words[:, i]), found)
    return found


def _mixed(x: Hashes) -> Hashes:
    x = x + _ADD
    x = (x ^ (x >> np.uint64(30))) * _ONE
    x = (x ^ (x >> np.uint64(27))) * _TWO
    return x ^ (x >> np.uint64(31))


def kept(hashes: Hashes, halvings: int) -> Flags:
    """Which ids are kept where the share was halved so often; both halves are held to the same."""
    flags: Flags = hashes <= np.uint64(ALL >> halvings)
    return flags


# ------------------------------------------------------------------------------------------------------ halves


@dataclass(slots=True)
class HalvesTally:
    """Halves between two checkpoints.

    Attributes:
        every: labels are expected of every model; else only of those in *halvings*, which a first label adds to.
        halvings: how often the share of ids that are kept was halved, by model.
        segments: the segment columns of a model that has no binning yet: the largest values that occur are kept, and are segments if the binning has them.
    """

    every: bool = False
    halvings: dict[str, int] = field(default_factory=dict)
    segments: Callable[[str], Sequence[str]] = lambda _model: ()
    _predictions: dict[str, list[PredictionHalf]] = field(default_factory=dict)
    _labels: dict[str, list[LabelHalf]] = field(default_factory=dict)

    def waits(self, model: str) -> bool:
        """Whether labels of *model* are expected."""
        return self.every or model in self.halvings

    def add(self, batch: PredictionBatch, binning: Binning | None) -> None:
        """Keeps what waits of served rows: those with an id and a single-valued prediction."""
        if not self.waits(batch.model) or batch.ids is None:
            return
        half = _half_of(batch, self.halvings.get(batch.model, 0), None if binning is None else binning.segments, self.segments(batch.model))
        if half is not None:
            self._predictions.setdefault(batch.model, []).append(half)

    def add_labels(self, labels: Labels) -> None:
        """Keeps labels by model."""
        models = np.array(labels.model, dtype=object)
        for model in dict.fromkeys(labels.model):
            halvings = self.halvings.setdefault(model, 0)
            mine = np.flatnonzero(models == model)
            hashes = hashes_of([labels.ids[i] for i in mine.tolist()])
            good = kept(hashes, halvings) & np.array([bool(labels.labels[i].strip()) for i in mine.tolist()], dtype=np.bool_)  # null is not known yet
            rows = mine[good]
            if len(rows):
                half = LabelHalf(hashes[good], labels.times[rows], values_of([labels.labels[i] for i in rows.tolist()]))
                self._labels.setdefault(model, []).append(half)

    def take(self) -> Halves:
        """What has come since the last call."""
        found = Halves(
            {model: joined_predictions(each) for model, each in self._predictions.items()}, {model: joined_labels(each) for model, each in self._labels.items()}
        )
        self.clear()
        return found

    def clear(self) -> None:
        """Forgets what has come."""
        self._predictions, self._labels = {}, {}


def _half_of(batch: PredictionBatch, halvings: int, frozen: Mapping[str, Sequence[str]] | None, wanted: Sequence[str]) -> PredictionHalf | None:
    ids, column = batch.ids or (), batch.prediction
    there = _has_value(column)
    if there is None or not ids:
        return None
    rows = np.flatnonzero(there & np.fromiter(map(bool, ids), np.bool_, len(ids)))
    hashes = hashes_of([ids[i] for i in rows.tolist()])
    good = kept(hashes, halvings)
    rows, hashes = rows[good], hashes[good]
    if not len(rows):
        return None
    places, codes = _places(batch, rows, frozen, wanted)
    weights: Floats | None = None if batch.sampling is None else 1 / np.maximum(np.nan_to_num(batch.sampling[rows], nan=1.0), _RAREST)
    return PredictionHalf(hashes, batch.times[rows], places, codes, _values(column, rows), weights)


def _has_value(column: Column | None) -> Flags | None:
    if isinstance(column, NumberColumn):
        finite: Flags = np.isfinite(column.values)
        return finite
    return column.codes >= 0 if isinstance(column, TextColumn) else None


def _values(column: Column | None, rows: Ints) -> Values:
    if isinstance(column, TextColumn):
        spelt = [spelled(name) or "" for name in column.names]
        return values_of([spelt[code] for code in column.codes[rows].tolist()])
    numbers = column.values[rows] if column is not None else np.zeros(0)
    return Values(numbers, (), np.full(len(numbers), -1, dtype=np.int32))


def values_of(texts: Sequence[str]) -> Values:
    """Texts as values: what is spelled as a number is one."""
    names = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    codes = np.array([names[text] for text in texts], dtype=np.int32)
    numbers = np.array([_as_number(spelled(name)) for name in names], dtype=np.float64)
    words = [spelled(name) or "" for name in names]
    wordy = np.isnan(numbers)
    table = np.where(wordy, np.cumsum(wordy) - 1, -1).astype(np.int32)
    return Values(numbers[codes], tuple(word for word, is_word in zip(words, wordy.tolist(), strict=True) if is_word), table[codes])


def _as_number(text: str | None) -> float:
    """The number that is spelled so, NaN where there is none."""
    try:
        value = float(text) if text else float("nan")
    except ValueError:
        return float("nan")
    return value if spelled(value) == text else float("nan")


def _places(batch: PredictionBatch, rows: Ints, frozen: Mapping[str, Sequence[str]] | None, wanted: Sequence[str]) -> tuple[tuple[Place, ...], Codes]:
    columns = {} if frozen is None else dict(frozen)
    if frozen is None:
        columns = {name: _largest(batch.features.get(name), rows) for name in wanted}
    combined = batch.versions.codes[rows].astype(np.int64)
    for name, values in columns.items():
        combined = combined * (len(values) + 1) + _segment_codes(batch.features.get(name), values, rows)
    found, inverse = np.unique(combined, return_inverse=True)
    places: list[Place] = []
    for code in found.tolist():
        segments: list[str] = []
        for name, values in list(columns.items())[::-1]:
            code, part = divmod(code, len(values) + 1)  # noqa: PLW2901  peeled off from the last column on
            segments.append(f"{name}={values[part] if part < len(values) else 'other'}")
        places.append((batch.versions.names[code], tuple(segments[::-1])))
    return tuple(places), inverse.astype(np.int32)


def _largest(column: Column | None, rows: Ints) -> tuple[str, ...]:
    """The values that stand in most of *rows*, at most 50."""
    if not isinstance(column, TextColumn):
        return ()
    codes = column.codes[rows]
    counts = np.bincount(codes[codes >= 0], minlength=len(column.names))
    return tuple(column.names[i] for i in np.argsort(-counts, kind="stable")[:_MOST_VALUES].tolist() if counts[i])


def _segment_codes(column: Column | None, values: Sequence[str], rows: Ints) -> Ints:
    """Index of each row's segment; ``len(values)`` is *other*, missing ones too."""
    if not isinstance(column, TextColumn):
        return np.full(len(rows), len(values), dtype=np.int64)
    index = {value: i for i, value in enumerate(values)}
    table = np.array([*(index.get(name, len(values)) for name in column.names), len(values)], dtype=np.int64)
    return table[column.codes[rows]]


# ------------------------------------------------------------------------------------------------------ one after the other


def joined_values(parts: Sequence[Values]) -> Values:
    """Values one after the other, under one dictionary."""
    texts = {text: i for i, text in enumerate(dict.fromkeys(text for part in parts for text in part.texts))}
    codes = []
    for part in parts:
        table = np.array([*(texts[text] for text in part.texts), -1], dtype=np.int32)
        codes.append(table[part.codes])
    return Values(np.concatenate([part.numbers for part in parts]), tuple(texts), np.concatenate(codes))


def joined_predictions(parts: Sequence[PredictionHalf]) -> PredictionHalf:
    """Halves one after the other."""
    if len(parts) == 1:
        return parts[0]
    places = {place: i for i, place in enumerate(dict.fromkeys(place for part in parts for place in part.places))}
    weighed = any(part.weights is not None for part in parts)
    return PredictionHalf(
        hashes=np.concatenate([part.hashes for part in parts]),
        times=np.concatenate([part.times for part in parts]),
        places=tuple(places),
        codes=np.concatenate([np.array([places[place] for place in part.places], dtype=np.int32)[part.codes] for part in parts]),
        values=joined_values([part.values for part in parts]),
        weights=np.concatenate([np.ones(len(part.times)) if part.weights is None else part.weights for part in parts]) if weighed else None,
    )


def joined_labels(parts: Sequence[LabelHalf]) -> LabelHalf:
    """Halves one after the other."""
    if len(parts) == 1:
        return parts[0]
    return LabelHalf(
        np.concatenate([part.hashes for part in parts]), np.concatenate([part.times for part in parts]), joined_values([part.values for part in parts])
    )


def predictions_at(half: PredictionHalf, rows: Ints) -> PredictionHalf:
    """The predictions of *rows*, with no more texts and places than they have."""
    weights = None if half.weights is None else half.weights[rows]
    used, codes = np.unique(half.codes[rows], return_inverse=True)
    return replace(
        half,
        hashes=half.hashes[rows],
        times=half.times[rows],
        places=tuple(half.places[i] for i in used.tolist()),
        codes=codes.astype(np.int32),
        values=_slim(at(half.values, rows)),
        weights=weights,
    )


def labels_at(half: LabelHalf, rows: Ints) -> LabelHalf:
    """The labels of *rows*, with no more texts than they have."""
    return LabelHalf(half.hashes[rows], half.times[rows], _slim(at(half.values, rows)))


def _slim(values: Values) -> Values:
    """*values* without the texts that none of them has: in a waiting room texts come and go."""
    used = np.unique(values.codes[values.codes >= 0])
    if len(used) == len(values.texts):
        return values
    table = np.full(len(values.texts) + 1, -1, dtype=np.int32)
    table[used] = np.arange(len(used))
    return Values(values.numbers, tuple(values.texts[i] for i in used.tolist()), table[values.codes])


def no_values() -> Values:
    """None at all."""
    return Values(np.zeros(0), (), np.zeros(0, dtype=np.int32))


def no_predictions() -> PredictionHalf:
    """None at all."""
    return PredictionHalf(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), (), np.zeros(0, dtype=np.int32), no_values())


def no_labels() -> LabelHalf:
    """None at all."""
    return LabelHalf(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), no_values())
