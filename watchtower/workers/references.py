"""Where a model's binning and its references come from: a file of its own making, or its first windows."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.closing import Comparison
from watchtower.core.profiling import segment_rows
from watchtower.core.slicing import column_at, sliced
from watchtower.core.versions import natural
from watchtower.edges.tables import ReferenceTable, read_table_apart
from watchtower.nouns.batch import Column, PredictionBatch, Schema
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.errors import ConfigError, ShadowError, Unavailable
from watchtower.nouns.plan import Memory
from watchtower.nouns.profile import Profile
from watchtower.nouns.settings import FileReference, FirstWindows, Watched
from watchtower.nouns.window import EPOCH
from watchtower.store import Store, StoredReference
from watchtower.workers.rows import RowReader

log = logging.getLogger(__name__)
DEFAULT_ROWS = 10_000


@dataclass(slots=True)
class References:
    """Makes, keeps and finds references. *watched* gives a model's settings."""

    store: Store
    watched: Callable[[str], Watched]
    rows: RowReader
    size: timedelta
    lenient: bool = False
    """A file that cannot be read is no score with that reason, and tried again; else it is an error."""
    _unread: dict[str, str] = field(default_factory=dict)

    def of(self, model: str) -> StoredReference | None:
        """What the store has."""
        return self.store.references.load(model)

    def schema(self, model: str) -> Schema:
        """How the model's rows are decoded for folding."""
        return schema_of(self.of(model), self.watched(model))

    def first_seen(self, model: str, version: str) -> StoredReference | None:
        """The binning of a model whose first row was just read: made at once where its reference is a file, else None."""
        settings = self.watched(model)
        if not isinstance(settings.reference, FileReference):
            return None
        path = file_of(settings.reference.path, version)
        if path is None:
            return None
        table = self._read(model, path, settings)
        if table is None:
            return None
        columns = _columns(table)
        binning = make_binning(columns, settings.features, settings.prediction.kind if table.prediction is not None else None, settings.segments)
        stored = StoredReference(binning, EPOCH, dict(_profiles(binning, columns, table.rows, "")))
        self.store.references.save(model, stored)
        log.info("reference_made model=%s from=%s rows=%d binning=%s", model, path, table.rows, binning.id)
        return stored

    def comparison(self, model: str, memory: Memory) -> tuple[StoredReference | None, Comparison]:
        """What scores of *model* compare with at its next evaluation; a reference that has become complete is made here."""
        stored = self.of(model)
        settings = self.watched(model)
        live = memory.served.live
        if stored is None:
            stored = (
                self._complete(model, memory, settings) if not isinstance(settings.reference, FileReference) else self.first_seen(model, live) if live else None
            )
        if stored is None:
            return None, Comparison(reason=self._unread.get(model) or _waiting(settings, memory))
        if isinstance(settings.reference, FileReference) and live is not None and (live, "") not in stored.profiles:
            stored = self._own(model, stored, live, settings.reference, settings)
        return stored, Comparison(stored.binning, stored.profiles)

    def _own(self, model: str, stored: StoredReference, version: str, reference: FileReference, settings: Watched) -> StoredReference:
        """*stored* with the profile of *version*'s own file (or the newest earlier one); columns that the file lacks stay the model's."""
        path = file_of(reference.path, version)
        own: Mapping[tuple[str, str], Profile] = {}
        if path is not None:
            table = self._read(model, path, settings)
            if table is None:
                return stored
            columns = _columns(table)
            own = {
                (v, segment): _with_lacking(stored.binning, profile, stored.profiles.get(("", segment)), columns)
                for (v, segment), profile in _profiles(stored.binning, columns, table.rows, version)
            }
        whole = {(version, segment): profile for (v, segment), profile in stored.profiles.items() if v == ""}
        stored = replace(stored, profiles={**stored.profiles, **whole, **own})
        self.store.references.save(model, stored)
        return stored

    def _read(self, model: str, path: Path, settings: Watched) -> ReferenceTable | None:
        """The file; None, and why is remembered, where it cannot be read and that is no error."""
        try:
            table = self._table(path, settings)
        except (ConfigError, ShadowError) as unread:
            if not self.lenient:
                raise
            log.error("reference_unread model=%s file=%s reason=%s", model, path, unread)  # noqa: TRY400  the reason names the file; a traceback says no more
            self._unread[model] = f"reference: {unread}"
            return None
        self._unread.pop(model, None)
        return table

    @staticmethod
    def _table(path: Path, settings: Watched) -> ReferenceTable:
        table = read_table_apart(str(path), {name: each.type for name, each in settings.features.items()}, settings.prediction.kind)
        if table.ignored:
            log.warning("reference_columns_ignored file=%s columns=%s", path, ",".join(table.ignored))
        return table

    def _complete(self, model: str, memory: Memory, settings: Watched) -> StoredReference | None:
        """The reference from the first windows, once there are enough."""
        if not _is_complete(settings, memory) or memory.evaluated_through is None:
            return None
        past = self.store.windows.history(model, memory.evaluated_through, memory.reference_windows)
        spans = [span for each in past for (_, segment), profile in each.profiles.items() if segment == "" for span in profile.spans]
        types = {name: each.type for name, each in settings.features.items()}
        try:
            rows = self.rows.read(model, spans, past[0].window.start, past[-1].window.end, Schema(types, settings.prediction.kind, open=not types))
        except Unavailable as away:
            log.warning("reference_rows_expired model=%s reason=%s", model, away)
            return None
        if rows is None:
            return None
        stored = _from_rows(rows, settings, {each.window.start: each.live for each in past}, self.size)
        stored = replace(stored, valid_from=memory.evaluated_through)
        self.store.references.save(model, stored)
        log.info("reference_made model=%s from=first_windows windows=%d rows=%d binning=%s", model, len(past), len(rows), stored.binning.id)
        return stored


def file_of(template: str, version: str) -> Path | None:
    """The reference file of *version*: its own, else that of the newest earlier version that has one; None where there is none."""
    own = Path(template.replace("{version}", version))
    if own.exists() or "{version}" not in template:
        return own if own.exists() else None
    before, _, after = template.partition("{version}")
    folder = Path(before + "x").parent
    prefix = Path(before + "x").name[:-1]
    there = {
        path.name[len(prefix) : len(path.name) - len(after)]: path for path in folder.glob("*") if path.name.startswith(prefix) and path.name.endswith(after)
    }
    earlier = [name for name in there if name and natural(name) < natural(version)]
    return there[max(earlier, key=natural)] if earlier else None


def _is_complete(settings: Watched, memory: Memory) -> bool:
    wanted = settings.reference if isinstance(settings.reference, FirstWindows) else FirstWindows(kind="first_windows")
    if wanted.count is not None and memory.reference_windows >= wanted.count:
        return True
    rows = wanted.rows if wanted.rows is not None else DEFAULT_ROWS if wanted.count is None else None
    return rows is not None and memory.reference_rows >= rows


def _waiting(settings: Watched, memory: Memory) -> str:
    if isinstance(settings.reference, FileReference):
        return f"reference: no file {settings.reference.path} for version {memory.served.live} or an earlier one"
    wanted = settings.reference or FirstWindows(kind="first_windows")
    if wanted.count is not None:
        return f"reference: {memory.reference_windows} of {wanted.count} windows"
    return f"reference: {memory.reference_rows:,} of {wanted.rows or DEFAULT_ROWS:,} rows"


def _columns(table: ReferenceTable) -> dict[str, Column]:
    return {**table.features, **({PREDICTION: table.prediction} if table.prediction is not None else {})}


def _profiles(binning: Binning, columns: Mapping[str, Column], rows: int, version: str) -> Sequence[tuple[tuple[str, str], Profile]]:
    """The reference profile of the whole and of each segment."""
    found = [((version, ""), make_reference_profile(binning, columns, rows, own=not version))]
    for name, values in binning.segments.items():
        for value, mine in segment_rows(columns.get(name), values, rows):
            part = {subject: column_at(column, mine) for subject, column in columns.items()}
            found.append(((version, f"{name}={value}"), make_reference_profile(binning, part, len(mine), own=not version)))
    return found


def _with_lacking(binning: Binning, own: Profile, whole: Profile | None, columns: Mapping[str, Column]) -> Profile:
    """*own*, with the model's cells for subjects whose column the file lacks."""
    lacking = [i for i, subject in enumerate(binning.subjects) if (binning.derived[subject].source if subject in binning.derived else subject) not in columns]
    if whole is None or not lacking:
        return own
    cells, moments, oddities = own.cells.copy(), own.moments.copy(), own.oddities.copy()
    for i in lacking:
        part = slice(binning.offsets[i], binning.offsets[i + 1])
        cells[part], moments[i], oddities[i] = whole.cells[part], whole.moments[i], whole.oddities[i]
    return replace(own, cells=cells, moments=moments, oddities=oddities)


def _from_rows(rows: PredictionBatch, settings: Watched, live: Mapping[datetime, str | None], size: timedelta) -> StoredReference:
    """Binning and reference of the rows of the first windows; predictions are those of the version that was live in each."""
    columns: dict[str, Column] = dict(rows.features)
    if rows.prediction is not None:
        columns[PREDICTION] = rows.prediction
    binning = make_binning(columns, settings.features, settings.prediction.kind if rows.prediction is not None else None, settings.segments)
    profiles = dict(_profiles(binning, columns, len(rows), ""))
    starts = rows.times // (size // timedelta(microseconds=1))
    names = {name: code for code, name in enumerate(rows.versions.names)}
    mine = np.zeros(len(rows), dtype=bool)
    for start, version in live.items():
        mine |= (starts == (start - EPOCH) // size) & (rows.versions.codes == names.get(version or "", -1))
    if mine.all() or not mine.any():
        return StoredReference(binning, EPOCH, profiles)
    of_live = sliced(rows, np.flatnonzero(mine))
    only: dict[str, Column] = {**dict(of_live.features), **({PREDICTION: of_live.prediction} if of_live.prediction is not None else {})}
    without = {subject: column for subject, column in columns.items() if subject != PREDICTION}
    for key, profile in _profiles(binning, without, len(rows), ""):
        predictions = dict(_profiles(binning, only, len(of_live), "")).get(key)
        profiles[key] = _with_lacking(binning, profile, predictions, without)
    return StoredReference(binning, EPOCH, profiles)


def schema_of(stored: StoredReference | None, settings: Watched) -> Schema:
    """How a model's rows are decoded for folding: by its frozen binning; without one no features are wanted."""
    if stored is None:
        return Schema({}, settings.prediction.kind)
    types = {subject: kind for subject, kind in zip(stored.binning.subjects, stored.binning.types, strict=True) if stored.binning.is_feature(subject)}
    return Schema(types, settings.prediction.kind)
