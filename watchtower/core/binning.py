"""Make a model's frozen cells from its reference, and fold columns into them: the line's hot path."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from watchtower.core.deriving import derived_columns, derived_of_features, derived_of_prediction
from watchtower.nouns.batch import Column, FeatureType, Floats, Ints, NumberColumn, PredictionKind, TextColumn, VectorColumn
from watchtower.nouns.binning import PREDICTION, Binning, Bins, CategoryBins, Derived, NumericBins, digest_of
from watchtower.nouns.profile import Profile
from watchtower.nouns.settings import FeatureSettings, Keep

FINE = 64
"""Fine bins of a numeric subject; a value that carries more than 1/FINE of the mass has a bin of its own."""
TAILS = (0.001, 0.01, 0.99, 0.999)
CATEGORIES = 1_000
SEGMENT_VALUES = 20
_BLOCK = 32_768
"""Values that are sorted at once: a block stays in the processor's cache, and small batches share the calls."""

_PLAIN: Mapping[FeatureType, type] = {FeatureType.TEXT: TextColumn, FeatureType.EMBEDDING: VectorColumn}
"""What is only counted as there (cell *other*) or missing."""

Counts = tuple[Ints, Floats, Ints]


# -------------------------------------------------------------------------------------------- making a binning


def make_binning(
    columns: Mapping[str, Column],
    settings: Mapping[str, FeatureSettings],
    prediction: PredictionKind | None,
    segments: Sequence[str],
    *,
    keep: Keep | None = None,
) -> Binning:
    """The cells of the reference's *columns* (the prediction is subject ""), the same whatever the rows' order.

    *settings* are the declared features, which alone are folded, in their order; empty: all columns, by name, each of the type of its values, under *keep*.
    *prediction* is None where the reference has none; of a vector its class is, of a ranking whether it is there. Texts, embeddings, probabilities
    and vectors have derived subjects beside them (see core/deriving.py).
    """
    declared = settings or {name: FeatureSettings(type=inferred(columns[name]), keep=keep) for name in sorted(columns) if name != PREDICTION}
    derived = derived_of_features(columns, {name: each.type for name, each in declared.items()})
    wanted = {**declared, **{subject: FeatureSettings(type=FeatureType.NUMERIC) for subject in derived}}
    kind = None if prediction is None or _is_no_vector(prediction, columns.get(PREDICTION)) else prediction_type(prediction)
    if kind is not None and PREDICTION in columns:
        of_prediction = derived_of_prediction(columns[PREDICTION], prediction, declared)
        derived |= of_prediction
        wanted |= {PREDICTION: FeatureSettings(type=kind), **{each: FeatureSettings(type=FeatureType.NUMERIC) for each in of_prediction if each != PREDICTION}}
    widths = {name: each.values.shape[1] for name, each in columns.items() if name in wanted and isinstance(each, VectorColumn) and each.values.shape[1]}
    made = {**columns, **derived_columns(derived, widths, columns, own=True)}
    subjects = tuple(wanted)
    types = tuple(each.type for each in wanted.values())
    bins = tuple(_bins(made.get(name), each) for name, each in wanted.items())
    offsets = (0, *np.cumsum([each.size for each in bins]).tolist())
    frozen = {name: _segment_values(columns.get(name)) for name in segments}
    return Binning(_digest(subjects, types, bins, frozen, derived, widths), subjects, types, bins, offsets, frozen, derived, widths)


def inferred(column: Column) -> FeatureType:
    """The type that a column's values have."""
    if isinstance(column, NumberColumn):
        return FeatureType.NUMERIC
    return FeatureType.CATEGORICAL if isinstance(column, TextColumn) else FeatureType.EMBEDDING


def _is_no_vector(kind: PredictionKind, column: Column | None) -> bool:
    return kind is PredictionKind.VECTOR and not isinstance(column, VectorColumn)


def prediction_type(kind: PredictionKind) -> FeatureType:
    """How a prediction is folded: a vector by its class, a ranking as there or missing."""
    if kind in (PredictionKind.PROBABILITY, PredictionKind.NUMBER):
        return FeatureType.NUMERIC
    return FeatureType.TEXT if kind is PredictionKind.RANKING else FeatureType.CATEGORICAL


def _bins(column: Column | None, settings: FeatureSettings) -> Bins:
    if settings.type is FeatureType.NUMERIC:
        values = column.values if isinstance(column, NumberColumn) else np.zeros(0)
        return _numeric_bins(np.sort(values[np.isfinite(values)]), settings.edges)
    if settings.type is FeatureType.CATEGORICAL:
        names = [name for name, _ in _by_mass(column)]
        names = [digest_of(name) for name in names] if settings.keep == "hash" else names
        return CategoryBins(tuple(names[:CATEGORIES]), frozenset(names[CATEGORIES:]), hashed=settings.keep == "hash")
    return CategoryBins(())


def _numeric_bins(values: Floats, by_hand: Sequence[float] | None) -> NumericBins:
    """Cells of ascending finite *values*; without any, the single cell of 0."""
    edges = np.unique(np.array(by_hand, dtype=float)) if by_hand else _edges(values)
    if len(edges) < 2:
        edges = np.array([edges[0], np.nextafter(edges[0], np.inf)])
    constant = len(values) > 0 and values[0] == values[-1]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(values[0]) if constant else float(values.mean()) if len(values) else 0.0
        sd = 0.0 if constant or not len(values) else float(values.std())
    return NumericBins(edges, (edges[1:] == np.nextafter(edges[:-1], np.inf)).astype(float), mean if np.isfinite(mean) else 0.0, sd, by_hand=bool(by_hand))


def _edges(values: Floats) -> Floats:
    """Quantiles of ascending *values* (the inverse of their distribution function), and both sides of each heavy value."""
    n = len(values)
    if not n:
        return np.zeros(1)
    shares = np.array([*(np.arange(1, FINE) / FINE), *TAILS])
    cuts = values[np.maximum(np.ceil(shares * n - 1e-9).astype(int) - 1, 0)]
    distinct, counts = np.unique(values, return_counts=True)
    heavy = distinct[(counts > n / FINE) & (counts > 1)]
    edges: Floats = np.unique(np.concatenate([values[[0, -1]], cuts, heavy, np.nextafter(heavy, np.inf)]))
    return edges


def _by_mass(column: Column | None) -> list[tuple[str, int]]:
    """Names and how often they occur, by mass, then by name."""
    if not isinstance(column, TextColumn):
        return []
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.names)).tolist()
    mass: Counter[str] = Counter()
    for name, count in zip(column.names, counts, strict=True):
        if count:
            mass[name] += count
    return sorted(mass.items(), key=lambda each: (-each[1], each[0]))


def _segment_values(column: Column | None) -> tuple[str, ...]:
    return tuple(name for name, _ in _by_mass(column)[:SEGMENT_VALUES])


def _digest(  # noqa: PLR0913, PLR0917  all that a binning is
    subjects: Sequence[str],
    types: Sequence[FeatureType],
    bins: Sequence[Bins],
    segments: Mapping[str, tuple[str, ...]],
    derived: Mapping[str, Derived],
    widths: Mapping[str, int],
) -> str:
    """A digest of all that decides which cell a value is counted in."""
    digest = hashlib.sha256()
    for subject, kind, each in zip(subjects, types, bins, strict=True):
        digest.update(f"{subject!r} {kind.value} {each.size}".encode())
        if isinstance(each, NumericBins):
            digest.update(np.concatenate([each.edges, [each.mean]]).astype("<f8").tobytes())
        else:
            digest.update(repr((each.names, sorted(each.others))).encode())
    digest.update(repr(sorted(segments.items())).encode())
    for subject, made in derived.items():
        digest.update(f"{subject!r} {made.source!r} {made.how.value} {made.logits} {len(made.words)}".encode())
        digest.update(np.concatenate([made.words, made.rare, made.makers]).astype("<i8").tobytes())
    if widths:
        digest.update(repr(sorted(widths.items())).encode())
    return digest.hexdigest()[:32]


# -------------------------------------------------------------------------------------------- folding


def empty_counts(binning: Binning | None) -> Counts:
    """Cells, moments and oddities of no rows; empty arrays where there is no binning."""
    subjects, size = (len(binning.subjects), binning.size) if binning else (0, 0)
    return np.zeros(size, dtype=np.int64), np.zeros((subjects, 5)), np.zeros((subjects, 2), dtype=np.int64)


def make_reference_profile(binning: Binning, columns: Mapping[str, Column], rows: int, *, own: bool = True) -> Profile:
    """What windows are compared with: the reference's *rows*, folded. *own*: they are (some of) those that made the *binning*."""
    cells, moments, oddities = fold_columns(binning, columns, rows, derived_columns(binning.derived, binning.widths, columns, own=own))
    return Profile(binning.id, rows, float(rows), cells, moments, oddities)


def fold_columns(binning: Binning, columns: Mapping[str, Column], rows: int, derived: Mapping[str, Column] | None = None) -> Counts:
    """Counts *rows* rows: cells int64[binning.size], moments float64[subjects, 5] and oddities int64[subjects, 2] as in a Profile.

    A subject without a column is missing in every row; values of a column of another type or width than the subject's are type errors.
    *derived* are the derived subjects' columns, made here where none are given.
    """
    if binning.derived:
        columns = {**columns, **(derived_columns(binning.derived, binning.widths, columns) if derived is None else derived)}
    counts = empty_counts(binning)
    cells, _, oddities = counts
    numeric: list[tuple[int, Floats]] = []
    for i, (subject, bins) in enumerate(zip(binning.subjects, binning.bins, strict=True)):
        column = columns.get(subject)
        if column is None or not rows:
            cells[binning.offsets[i + 1] - 1] = rows
            continue
        if column.bad is not None:
            oddities[i] = np.count_nonzero(column.bad == 1), np.count_nonzero(column.bad == 2)
        if isinstance(bins, NumericBins) and isinstance(column, NumberColumn):
            numeric.append((i, column.values))
        elif isinstance(bins, CategoryBins) and isinstance(column, TextColumn) and binning.types[i] is FeatureType.CATEGORICAL:
            cells[binning.offsets[i] : binning.offsets[i + 1]] = _count_names(bins, column, rows)
        elif isinstance(column, _PLAIN.get(binning.types[i], ())) and _of_width(column, binning.widths.get(subject)):
            here = _present(column)
            cells[binning.offsets[i + 1] - 3 : binning.offsets[i + 1]] = here, 0, rows - here
        else:
            cells[binning.offsets[i + 1] - 1] = rows
            oddities[i, 0] += _present(column)
    with np.errstate(over="ignore", invalid="ignore"):  # sums of huge numbers are infinite, and what reads them says so
        _fold_numbers(binning, numeric, rows, counts)
    return counts


def _of_width(column: Column, width: int | None) -> bool:
    return width is None or not isinstance(column, VectorColumn) or column.values.shape[1] == width


def _present(column: Column) -> int:
    """Rows that are not missing."""
    if isinstance(column, TextColumn):
        return int(np.count_nonzero(column.codes >= 0))
    here = ~np.isnan(column.values)
    return int(np.count_nonzero(here.any(axis=1) if here.ndim > 1 else here))


def _count_names(bins: CategoryBins, column: TextColumn, rows: int) -> Ints:
    """Cells of a text column, by its dictionary rather than by its rows."""
    cells = np.zeros(bins.size, dtype=np.int64)
    unseen, missing = bins.size - 2, bins.size - 1
    if len(column.names) > rows:
        codes, counts = np.unique(column.codes, return_counts=True)
        names: list[str | None] = [column.names[code] if code >= 0 else None for code in codes.tolist()]
    else:
        counts = np.bincount(column.codes + 1, minlength=len(column.names) + 1)
        names = [None, *column.names]
    index = bins.index
    for name, count in zip(names, counts.tolist(), strict=True):
        if count:
            cells[missing if name is None else index.get(name, unseen)] += count
    return cells


def _fold_numbers(binning: Binning, numeric: Sequence[tuple[int, Floats]], rows: int, counts: Counts) -> None:
    """Sorts several columns at once, as many as stay in the cache, and looks each one's edges up in it."""
    step = max(1, _BLOCK // max(rows, 1))
    for first in range(0, len(numeric), step):
        part = numeric[first : first + step]
        block = np.empty((len(part), rows))
        for row, (_, values) in zip(block, part, strict=True):
            row[:] = values
        block.sort(axis=1)
        _fold_block(binning, [i for i, _ in part], block, counts)


def _fold_block(binning: Binning, indexes: Sequence[int], block: Floats, counts: Counts) -> None:
    """Counts sorted rows (NaN last), one a subject."""
    cells, moments, _ = counts
    rows = block.shape[1]
    bins = [each for each in (binning.bins[i] for i in indexes) if isinstance(each, NumericBins)]
    finite = np.full(len(indexes), rows)
    off = block - np.array([[each.mean] for each in bins])
    if np.isnan(block[:, -1]).any():
        missing = np.isnan(block)
        finite -= missing.sum(axis=1)
        off[missing] = 0.0
    with np.errstate(over="ignore"):
        moments[indexes, 0], moments[indexes, 1], moments[indexes, 2] = finite, off.sum(axis=1), np.einsum("ij,ij->i", off, off)
    for i, each, row, n in zip(indexes, bins, block, finite.tolist(), strict=True):
        values = row[:n]
        hits = values.searchsorted(each.edges)
        last = int(hits[-1])
        if last < n and values[last] == each.edges[-1]:
            hits[-1] = last = int(values.searchsorted(each.edges[-1], side="right"))
        first, offset = int(hits[0]), binning.offsets[i]
        end = offset + each.inside
        cells[offset:end] = hits[1:] - hits[:-1]
        cells[end : end + 3] = first, n - last, rows - n
        if first:
            moments[i, 3] = values[:first].sum()
        if last < n:
            moments[i, 4] = values[last:].sum()
