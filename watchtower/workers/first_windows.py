"""References from windows: a model's first ones, each version's own first ones, and those that a person names. Rows are read in pieces."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from watchtower.core.binning import make_binning
from watchtower.core.merging import merge
from watchtower.core.referencing import MOST_SAMPLED, Maker, Sampler, columns_of
from watchtower.nouns.batch import Flags, PredictionBatch, Schema
from watchtower.nouns.memory import Memory
from watchtower.nouns.profile import Profile
from watchtower.nouns.settings import FirstWindows, Watched
from watchtower.nouns.window import EPOCH, Span, micros
from watchtower.store import Store, StoredReference
from watchtower.store.windows import ClosedRow
from watchtower.workers.rows import RowReader

log = logging.getLogger(__name__)
DEFAULT_ROWS = 10_000
_PIECE = 200
"""Windows of one version that are added up at once."""


def wanted(settings: Watched) -> FirstWindows:
    """How many of the first windows: as the settings say, else those that hold 10,000 rows."""
    found = settings.reference if isinstance(settings.reference, FirstWindows) else FirstWindows(kind="first_windows")
    return found if found.count is not None or found.rows is not None else found.model_copy(update={"rows": DEFAULT_ROWS})


def is_complete(settings: Watched, windows: int, rows: int) -> bool:
    """Whether so many windows with so many rows are enough."""
    its = wanted(settings)
    return (its.count is not None and windows >= its.count) or (its.rows is not None and rows >= its.rows)


def waiting(settings: Watched, windows: int, rows: int) -> str:
    """How far it is: ``7 of 15 windows``."""
    its = wanted(settings)
    return f"{windows} of {its.count} windows" if its.count is not None else f"{rows:,} of {its.rows:,} rows"


def from_windows(rows: RowReader, model: str, settings: Watched, past: Sequence[ClosedRow], most: int = MOST_SAMPLED) -> StoredReference | None:
    """Binning and reference of the rows of *past*; None where there are none. Unavailable where the source no longer has them.

    Predictions are those of the version that was live in each window. Up to *most* rows make the binning, all of them where there are no more;
    a longer past is read twice, a piece of it at a time in memory.
    """
    spans = [span for each in past for (_, segment), profile in each.profiles.items() if segment == "" for span in profile.spans]
    total = sum(profile.rows for each in past for (_, segment), profile in each.profiles.items() if segment == "")
    if not spans and rows.kept is None:
        return None
    types = {name: each.type for name, each in settings.features.items()}
    sampler = Sampler(min(1.0, most / max(total, 1)))
    for piece in _pieces(rows, model, spans, past, Schema(types, settings.prediction.kind, open=not types)):
        sampler.add(piece)
    batch = sampler.batch()
    if batch is None:
        return None
    kind = settings.prediction.kind if batch.prediction is not None else None
    binning = make_binning(settings.summarised(columns_of(batch)), settings.folded, kind, settings.segments, keep=settings.keep)
    stored = StoredReference(binning, EPOCH, {})
    maker = Maker(binning, _Live.of(past).mark)
    for piece in [batch] if sampler.share >= 1 else _pieces(rows, model, spans, past, schema_of(stored, settings)):
        maker.add(piece)
    return replace(stored, profiles=maker.profiles())


def _pieces(rows: RowReader, model: str, spans: Sequence[Span], past: Sequence[ClosedRow], schema: Schema) -> Iterable[PredictionBatch]:
    return rows.pieces(model, spans, past[0].window.start, past[-1].window.end, schema)


@dataclass(frozen=True, slots=True)
class _Live:
    """Who was live in each window."""

    size: int
    versions: Mapping[int, str | None]

    @classmethod
    def of(cls, past: Sequence[ClosedRow]) -> "_Live":
        size = (past[0].window.end - past[0].window.start) // timedelta(microseconds=1)
        return cls(size, {micros(each.window.start) // size: each.live for each in past})

    def mark(self, batch: PredictionBatch) -> Flags:
        """The rows of the version that was live in their window."""
        starts = batch.times // self.size
        names = {name: code for code, name in enumerate(batch.versions.names)}
        mine = np.zeros(len(batch), dtype=bool)
        for start in np.unique(starts).tolist():
            mine |= (starts == start) & (batch.versions.codes == names.get(self.versions.get(start) or "", -1))
        return mine


def schema_of(stored: StoredReference | None, settings: Watched) -> Schema:
    """How a model's rows are decoded for folding: by its frozen binning; without one no features are wanted."""
    if stored is None:
        return Schema({}, settings.prediction.kind)
    binning = stored.binning
    types = {subject: kind for subject, kind in zip(binning.subjects, binning.types, strict=True) if binning.is_feature(subject)}
    return Schema(types, settings.prediction.kind)


# -------------------------------------------------------------------------------------------- each version's own


@dataclass(slots=True)
class _Sum:
    """What a version's first windows have come to."""

    through: datetime
    windows: int = 0
    rows: int = 0
    profiles: dict[str, Profile] = field(default_factory=dict)


@dataclass(slots=True)
class OwnWindows:
    """`per: version`: each version's reference is the merge of its own first windows, which were folded under the model's binning already.

    What it has added up is only a memory of the store: a restart adds it up again.
    """

    store: Store
    _sums: dict[tuple[str, str, datetime], _Sum] = field(default_factory=dict)

    def look(self, model: str, stored: StoredReference, memory: Memory, settings: Watched) -> tuple[StoredReference, dict[str, str]]:
        """*stored* with the references of versions that became complete, and how far the others are."""
        waits: dict[str, str] = {}
        for version in memory.served.first_served:
            if (version, "") in stored.profiles or memory.evaluated_through is None:
                continue
            its = self._sum(model, stored, version, memory.evaluated_through, settings)
            if not is_complete(settings, its.windows, its.rows):
                waits[version] = f"reference of version {version}: {waiting(settings, its.windows, its.rows)}"
                continue
            stored = self.store.references.add(model, stored, {(version, segment): profile for segment, profile in its.profiles.items()})
            self._sums.pop((model, version, stored.valid_from), None)
            log.info("reference_made model=%s version=%s from=first_windows windows=%d rows=%d", model, version, its.windows, its.rows)
        return stored, waits

    def _sum(self, model: str, stored: StoredReference, version: str, before: datetime, settings: Watched) -> _Sum:
        key = (model, version, stored.valid_from)
        its = self._sums.setdefault(key, _Sum(stored.valid_from))
        while not is_complete(settings, its.windows, its.rows):
            found = self.store.references.windows_of(model, version, since=its.through, before=before, limit=_PIECE)
            for end, segments in found:
                _add(its, end, segments, stored.binning.id)
                if is_complete(settings, its.windows, its.rows):
                    break
            if len(found) < _PIECE:
                break
        return its


def _add(its: _Sum, end: datetime, segments: Mapping[str, Profile], binning: str) -> None:
    """One more window, where it has rows that were folded under *binning*."""
    its.through = end
    whole = segments[""]
    if not whole.rows or whole.binning != binning:
        return
    its.windows, its.rows = its.windows + 1, its.rows + whole.rows
    for segment, profile in segments.items():
        slim = replace(profile, latency=None, queue=None, compute=None, spans=(), labelled=None)
        its.profiles[segment] = merge([its.profiles[segment], slim]) if segment in its.profiles else slim
