"""The reference inputs of a trial: rows of a reference file, or of the first windows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from watchtower.edges.tables import read_table_apart
from watchtower.nouns.batch import Column, FeatureType, Schema
from watchtower.nouns.errors import ConfigError, ShadowError, Unavailable
from watchtower.nouns.settings import FileReference, Watched
from watchtower.store import Store
from watchtower.store.references import StoredReference
from watchtower.workers.references import file_of
from watchtower.workers.rows import RowReader

log = logging.getLogger(__name__)
MOST_WINDOWS = 120


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceInputs:
    """Reference rows as versions are re-run on them; *labels* spelled, *own* says that they may count (see ReferenceRows)."""

    columns: Mapping[str, Column]
    count: int
    labels: Sequence[str | None] | None
    predictions: Column | None
    own: bool
    file_version: str


def reference_inputs(  # noqa: PLR0913  a reference is a file or kept windows, each with needs of its own
    store: Store, rows: RowReader, model: str, live: str, *, watched: Watched, types: Mapping[str, FeatureType], stored: StoredReference | None
) -> ReferenceInputs | None:
    """The rows that live's reference is made of; None, and a line in the log, where they cannot be had."""
    try:
        if isinstance(watched.reference, FileReference):
            return _from_file(watched.reference.path, live, watched, types)
        return _from_first_windows(store, rows, model, Schema(types, watched.prediction.kind), stored)
    except (ConfigError, ShadowError, Unavailable) as error:
        log.warning("trial_without_reference model=%s reason=%s", model, error)
        return None


def _from_file(template: str, live: str, watched: Watched, types: Mapping[str, FeatureType]) -> ReferenceInputs | None:
    path = file_of(template, live)
    if path is None:
        return None
    table = read_table_apart(str(path), types, watched.prediction.kind)
    version = _version_of(template, str(path))
    own = version == live or watched.assume == "reference_is_good"
    return ReferenceInputs(table.features, table.rows, table.labels, table.prediction, own, version)


def _version_of(template: str, path: str) -> str:
    """The version that a reference file's name holds; "" where the template names none."""
    before, found, after = str(Path(template)).partition("{version}")
    return path[len(before) : len(path) - len(after)] if found and path.startswith(before) and path.endswith(after) else ""


def _from_first_windows(store: Store, rows: RowReader, model: str, schema: Schema, stored: StoredReference | None) -> ReferenceInputs | None:
    """Their rows again, without labels: they show how far inputs alone move a version."""
    count = min(store.evaluations.memory(model).reference_windows, MOST_WINDOWS)
    if stored is None or not count:
        return None
    past = store.windows.history(model, stored.valid_from, count)
    spans = [span for each in past for (_, segment), profile in each.profiles.items() if segment == "" for span in profile.spans]
    if not spans:
        return None
    batch = rows.read(model, spans, past[0].window.start, past[-1].window.end, schema)
    return None if batch is None else ReferenceInputs(batch.features, len(batch), None, None, own=False, file_version="")
