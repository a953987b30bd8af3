"""Where a model's binning and its references come from: a file of its own making, its first windows, or what a person accepted."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from watchtower.core.binning import make_binning
from watchtower.core.closing import Comparison
from watchtower.core.label_references import with_reference_labels
from watchtower.core.profiling import Bound
from watchtower.core.referencing import profiles_of, with_lacking
from watchtower.core.versions import natural
from watchtower.edges.tables import ReferenceTable, read_table_apart
from watchtower.nouns.batch import Column, Schema
from watchtower.nouns.binning import PREDICTION
from watchtower.nouns.errors import ConfigError, ShadowError, Unavailable
from watchtower.nouns.memory import Memory
from watchtower.nouns.profile import Profile
from watchtower.nouns.settings import FileReference, FirstWindows, Watched
from watchtower.nouns.window import EPOCH, micros
from watchtower.store import Store, StoredReference
from watchtower.store.windows import ClosedRow
from watchtower.workers.first_windows import OwnWindows, from_windows, is_complete, schema_of, waiting
from watchtower.workers.rows import RowReader

log = logging.getLogger(__name__)


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
    _own_windows: OwnWindows = field(init=False)

    def __post_init__(self) -> None:
        self._own_windows = OwnWindows(self.store)

    def of(self, model: str) -> StoredReference | None:
        """The newest that the store has."""
        return self.store.references.load(model)

    def schema(self, model: str) -> Schema:
        """How the model's rows are decoded for folding: whatever windows they belong to, their columns are there."""
        schemas = [schema_of(each, self.watched(model)) for each in reversed(self.store.references.all(model))]
        known = schemas[-1] if schemas else schema_of(None, self.watched(model))
        return replace(known, features={name: kind for each in schemas for name, kind in each.features.items()})

    def bound(self, model: str) -> Bound | None:
        """The binnings that windows are folded under, the newest first; None while there is none."""
        found: Bound | None = None
        for each in reversed(self.store.references.all(model)):
            found = Bound(each.binning, micros(each.valid_from), found)
        return found

    def first_seen(self, model: str, version: str) -> StoredReference | None:
        """The binning of a model whose first row was just read: made at once where its reference is a file, else None."""
        settings = self.watched(model)
        if not isinstance(settings.reference, FileReference):
            return None
        path = file_of(settings.reference.path, version)
        table = None if path is None else self._read(model, path, settings)
        if path is None or table is None:
            return None
        stored = self.store.references.begin(model, of_table(table, settings))
        log.info("reference_made model=%s from=%s rows=%d binning=%s", model, path, table.rows, stored.binning.id)
        return stored

    def comparison(self, model: str, memory: Memory, start: datetime | None = None) -> tuple[StoredReference | None, Comparison]:
        """What scores of *model* compare with in the window that begins at *start* (the newest: None); a reference that has become complete is made here."""
        stored = self.store.references.load(model, start)
        settings = self.watched(model)
        live = memory.served.live
        if stored is None:
            newest = self.of(model)
            if newest is not None:
                return None, Comparison(reason=f"reference: from {newest.valid_from:%Y-%m-%d %H:%M:%S} on")
            stored = self._made(model, memory, settings)
        if stored is None:
            return None, Comparison(reason=self._unread.get(model) or _waiting(settings, memory))
        waits: Mapping[str, str] = {}
        if isinstance(settings.reference, FileReference) and live is not None and (live, "") not in stored.profiles:
            stored = self._own(model, stored, live, settings.reference, settings)
        elif isinstance(settings.reference, FirstWindows) and settings.reference.per == "version":
            stored, waits = self._own_windows.look(model, stored, memory, settings)
        return stored, Comparison(stored.binning, stored.profiles, waiting=waits)

    def _made(self, model: str, memory: Memory, settings: Watched) -> StoredReference | None:
        if not isinstance(settings.reference, FileReference):
            return self._complete(model, memory, settings)
        return self.first_seen(model, memory.served.live) if memory.served.live else None

    def _own(self, model: str, stored: StoredReference, version: str, reference: FileReference, settings: Watched) -> StoredReference:
        """*stored* with the profile of *version*'s own file (or the newest earlier one); columns that the file lacks stay the model's.

        What a person accepted is outranked by a file of the version's very own, never by an earlier one.
        """
        path = file_of(reference.path, version)
        if stored.accepted and (path is None or "{version}" not in reference.path or path != Path(reference.path.replace("{version}", version))):
            path = None
        own: Mapping[tuple[str, str], Profile] = {}
        if path is not None:
            table = self._read(model, path, settings)
            if table is None:
                return stored
            columns = columns_of_table(table)
            own = {
                key: with_lacking(stored.binning, profile, stored.profiles.get(("", key[1])), columns)
                for key, profile in profiles_of(stored.binning, columns, table.rows, version).items()
            }
            own = with_reference_labels(own, stored.binning, columns, table.labels, settings.prediction)
        return self.store.references.add(model, stored, {**as_version(stored, version), **own})

    def _read(self, model: str, path: Path, settings: Watched) -> ReferenceTable | None:
        """The file; None, and why is remembered, where it cannot be read and that is no error."""
        try:
            table = read_reference(path, settings)
        except (ConfigError, ShadowError) as unread:
            if not self.lenient:
                raise
            log.error("reference_unread model=%s file=%s reason=%s", model, path, unread)  # noqa: TRY400  the reason names the file; a traceback says no more
            self._unread[model] = f"reference: {unread}"
            return None
        self._unread.pop(model, None)
        return table

    def _complete(self, model: str, memory: Memory, settings: Watched) -> StoredReference | None:
        """The reference from the first windows, once there are enough."""
        if memory.evaluated_through is None or not is_complete(settings, memory.reference_windows, memory.reference_rows):
            return None
        past = self.store.windows.first(model, memory.reference_windows)
        stored = self._of_first(model, settings, past)
        if stored is None:
            return None
        stored = replace(stored, valid_from=past[-1].window.end)
        live = past[-1].live
        if live is not None and isinstance(settings.reference, FirstWindows) and settings.reference.per == "version":
            stored = replace(stored, profiles={**stored.profiles, **as_version(stored, live)})
        stored = self.store.references.begin(model, stored)
        rows = stored.profiles["", ""].rows if ("", "") in stored.profiles else 0
        log.info("reference_made model=%s from=first_windows windows=%d rows=%d binning=%s", model, len(past), rows, stored.binning.id)
        return stored

    def _of_first(self, model: str, settings: Watched, past: Sequence[ClosedRow]) -> StoredReference | None:
        """The reference of the rows of *past*; None, and why is remembered, where they cannot be read: tried again at the next window."""
        try:
            stored = from_windows(self.rows, model, settings, past)
            reason = "" if stored is not None else "there are none"
        except Unavailable as away:
            stored, reason = None, str(away)
        if stored is not None:
            self._unread.pop(model, None)
            return stored
        told = f"reference: the rows of its first windows cannot be read: {reason}"
        if self._unread.get(model) != told:
            log.warning("reference_rows_expired model=%s reason=%s", model, reason)
        self._unread[model] = told
        return None


def as_version(stored: StoredReference, version: str) -> dict[tuple[str, str], Profile]:
    """The model's own profiles as those of *version*."""
    return {(version, segment): profile for (name, segment), profile in stored.profiles.items() if name == ""}


def read_reference(path: Path, settings: Watched) -> ReferenceTable:
    """The reference file *path*; ConfigError or ShadowError where it cannot be read."""
    table = read_table_apart(str(path), {name: each.type for name, each in settings.features.items()}, settings.prediction.kind)
    if table.ignored:
        log.warning("reference_columns_ignored file=%s columns=%s", path, ",".join(table.ignored))
    return table


def of_table(table: ReferenceTable, settings: Watched) -> StoredReference:
    """Binning and reference of a file's rows."""
    columns = columns_of_table(table)
    kind = settings.prediction.kind if table.prediction is not None else None
    binning = make_binning(settings.summarised(columns), settings.folded, kind, settings.segments, keep=settings.keep)
    made = with_reference_labels(profiles_of(binning, columns, table.rows), binning, columns, table.labels, settings.prediction)
    return StoredReference(binning, EPOCH, made)


def columns_of_table(table: ReferenceTable) -> dict[str, Column]:
    """What is folded of a file: features, and the prediction as subject ""."""
    return {**table.features, **({PREDICTION: table.prediction} if table.prediction is not None else {})}


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


def _waiting(settings: Watched, memory: Memory) -> str:
    if isinstance(settings.reference, FileReference):
        return f"reference: no file {settings.reference.path} for version {memory.served.live} or an earlier one"
    return f"reference: {waiting(settings, memory.reference_windows, memory.reference_rows)}"


__all__ = ["References", "as_version", "columns_of_table", "file_of", "of_table", "read_reference", "schema_of"]
