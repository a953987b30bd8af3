"""Names of features that a schema does not know, looked for in one message of a hundred: a change of the schema is in all of them."""

from collections.abc import Mapping

import msgspec
import numpy as np

from watchtower.formats._rows import Rows, sound_name
from watchtower.nouns.batch import Schema, TextColumn

EVERY = 100
MOST = 100
"""Names that one message adds at most."""


class _Named(msgspec.Struct, gc=False):
    features: dict[str, msgspec.Raw] | None = None


_NAMED = msgspec.json.Decoder(_Named)
"""Made while this is imported; see formats/_message.py."""


def unknown(rows: Rows, schema: Schema) -> TextColumn | None:
    """The names by row, several by newlines; None where there is none, or no features are known or all are wanted."""
    if schema.open or not schema.features:
        return None
    found: dict[int, str] = {}
    for place in range(0, len(rows.messages), EVERY):
        names = [name for name in _names(rows, place) if name not in schema.features and sound_name(name)]
        if names:
            found[place] = "\n".join(sorted(names)[:MOST])
    if not found:
        return None
    texts = tuple(dict.fromkeys(found.values()))
    codes = np.full(len(rows.messages), -1, dtype=np.int64)
    codes[list(found)] = [texts.index(each) for each in found.values()]
    return TextColumn(rows.per_row(codes).astype(np.int32), texts)


def _names(rows: Rows, place: int) -> Mapping[str, object]:
    features = rows.messages[place].features
    if isinstance(features, dict):
        return features
    value = rows.stream.values[rows.index[place]]
    if features is None or value is None:
        return {}
    try:
        return _NAMED.decode(value).features or {}
    except msgspec.MsgspecError:
        return {}
