"""Rankings, and what was relevant, as texts of one spelling: a JSON list of item ids, or an object of item id -> gain."""

from collections.abc import Sequence
from hashlib import blake2b
from math import isfinite
from typing import cast

import msgspec
import numpy as np

from watchtower.formats._columns import FINE, TYPE_ERROR, class_text, coded, predictions
from watchtower.nouns.batch import Catalog, Column, PredictionKind, TextColumn

DEEP = 100
"""Items of a ranking that are read; those below count for nothing."""
RELEVANT = 1_000
"""Items of a label that are kept: of a list the first, of an object those of the largest gains."""
_LONGEST = 64
"""Characters of an item's id; of a longer one its digest stands."""
_SHAPED = frozenset({list, dict})
_ENCODER = msgspec.json.Encoder()


def answers(values: Sequence[object], kind: PredictionKind | None) -> Column | None:
    """The column of the predictions, whatever their *kind*."""
    return rankings(values) if kind is PredictionKind.RANKING else predictions(values, kind)


def rankings(values: Sequence[object]) -> TextColumn:
    """The column of rankings, one text each; what is no list of texts and numbers is a type error."""
    read = [None if each is None else ranking_text(each) for each in values]
    bad = np.array([TYPE_ERROR if text is None and each is not None else FINE for text, each in zip(read, values, strict=True)], dtype=np.int8)
    found = coded(read, cast("dict[object, None]", dict.fromkeys(read)))
    return TextColumn(found.codes, found.names, bad if bad.any() else None)


def ranking_text(value: object) -> str | None:
    """The first items of a list, best first; None where *value* is no list of ids."""
    if not isinstance(value, list):
        return None
    items = [_item(each) for each in value[:DEEP]]
    return None if None in items else _ENCODER.encode(items).decode()


def relevant_text(value: object) -> str | None:
    """What was relevant: one id, a list of ids, or an object of gains, 0 or more; None where *value* is none of these."""
    if isinstance(value, dict):
        return _gains(value)
    items = [_item(each) for each in (value[:RELEVANT] if isinstance(value, list) else [value])]
    return None if None in items else _ENCODER.encode(items).decode()


def _gains(value: dict[object, object]) -> str | None:
    found: dict[str, float] = {}
    for key, gain in value.items():
        item = _item(key)
        if item is None or isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= 1e300 or not isfinite(gain):
            return None
        if gain > 0:
            found[item] = float(gain)
    if len(found) > RELEVANT:
        found = dict(sorted(found.items(), key=lambda each: (-each[1], each[0]))[:RELEVANT])
    return _ENCODER.encode(found).decode()


def _item(value: object) -> str | None:
    """An item's id as a text: 1, 1.0 and "1" are the same item; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = class_text(value)
    return (text if len(text) <= _LONGEST else blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()) or None


def label_texts(models: Sequence[str], labels: Sequence[object], catalog: Catalog) -> list[str | None]:
    """Each label as a text, written like what its model answers; None where it is of a type that no such label has."""
    kinds = {model: catalog.of(model).prediction for model in dict.fromkeys(models)}
    if PredictionKind.RANKING not in kinds.values() and not _SHAPED & set(map(type, labels)):
        return [class_text(each) for each in labels]
    return [_label(each, kinds[model]) for model, each in zip(models, labels, strict=True)]


def _label(value: object, kind: PredictionKind | None) -> str | None:
    if kind is PredictionKind.RANKING:
        return relevant_text(value)
    return None if type(value) in _SHAPED else class_text(value)
