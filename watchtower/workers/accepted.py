"""The rows of a reference that a person put in place: those of a file, or of windows that are named in the audit."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from watchtower.edges.tables import read_table_apart
from watchtower.nouns.batch import FeatureType, Schema
from watchtower.nouns.errors import ShadowError, Unavailable
from watchtower.nouns.settings import Watched
from watchtower.store import Store, StoredReference
from watchtower.store.codec import stamp
from watchtower.workers.comparing import ReferenceInputs
from watchtower.workers.rows import RowReader

_WINDOWS = re.compile(r"windows (\S+) to (\S+)")


def accepted_inputs(  # noqa: PLR0913, PLR0917  a reference is a file or kept windows, each with needs of its own
    store: Store, rows: RowReader, model: str, watched: Watched, types: Mapping[str, FeatureType], stored: StoredReference
) -> ReferenceInputs:
    """The rows behind *stored*, which was accepted; ShadowError where they cannot be had any more."""
    changes = [each for each in store.references.changes(model) if each["after"] == stored.binning.id and each["valid_from"] == stamp(stored.valid_from)]
    made_from = str(changes[-1]["from"]) if changes else ""
    named = _WINDOWS.fullmatch(made_from)
    if named:
        return _of_windows(store, rows, model, Schema(types, watched.prediction.kind), (datetime.fromisoformat(named[1]), datetime.fromisoformat(named[2])))
    if not Path(made_from).is_file():
        msg = f"the accepted reference was made from {made_from or 'something unknown'}, which is not there any more"
        raise ShadowError(msg)
    table = read_table_apart(made_from, types, watched.prediction.kind)
    return ReferenceInputs(table.features, table.rows, table.labels, table.prediction, own=False, file_version="")


def _of_windows(store: Store, rows: RowReader, model: str, schema: Schema, span: tuple[datetime, datetime]) -> ReferenceInputs:
    start, end = span
    size = max((each.window.end - each.window.start for each in store.windows.history(model, end, 1)), default=None)
    past = [] if not size else [each for each in store.windows.history(model, end, (end - start) // size) if each.window.start >= start]
    spans = [each for one in past for (_, segment), profile in one.profiles.items() if segment == "" for each in profile.spans]
    try:
        batch = rows.read(model, spans, start, end, schema) if spans else None
    except Unavailable as away:
        raise ShadowError(str(away)) from away
    if batch is None:
        msg = "the rows of the accepted windows cannot be read any more"
        raise ShadowError(msg)
    return ReferenceInputs(batch.features, len(batch), None, None, own=False, file_version="")
