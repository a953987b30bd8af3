"""Features that a schema does not know."""

import json

import numpy as np

from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, FeatureType, Messages, PredictionBatch, Schema
from watchtower.nouns.window import Partition

KNOWN = Catalog({"m": Schema({"amount": FeatureType.NUMERIC})})


def decoded(messages: list[dict[str, object]], catalog: Catalog = KNOWN) -> PredictionBatch:
    values = [json.dumps({"model": "m", **each}).encode() for each in messages]
    n = len(values)
    found = WatchtowerJson().decode([Messages(Partition("t", 0), values, np.arange(n), n, np.arange(n))], catalog)
    return found.predictions[0]


def test_a_new_feature_is_seen_in_one_message_of_a_hundred() -> None:
    batch = decoded([{"features": {"amount": 1, "device": "x", "age": 3}}] * 220)
    assert batch.unknown is not None
    assert batch.unknown.names == ("age\ndevice",)
    assert np.flatnonzero(batch.unknown.codes == 0).tolist() == [0, 100, 200]


def test_messages_with_rows_tell_all_of_their_rows() -> None:
    batch = decoded([{"rows": 2, "features": {"amount": [1, 2]}}, {"rows": 3, "features": {"amount": [1, 2, 3], "new": 1}}] * 60)
    assert batch.unknown is None
    batch = decoded([{"rows": 3, "features": {"amount": [1, 2, 3], "new": 1}}, {"rows": 2, "features": {"amount": [1, 2]}}])
    assert batch.unknown is not None
    assert batch.unknown.codes.tolist() == [0, 0, 0, -1, -1]


def test_nothing_is_unknown_where_all_is_wanted_or_nothing_is_known_yet() -> None:
    messages: list[dict[str, object]] = [{"features": {"amount": 1, "device": "x"}}]
    assert decoded(messages, Catalog({"m": Schema({"amount": FeatureType.NUMERIC}, open=True)})).unknown is None
    assert decoded(messages, Catalog({"m": Schema()})).unknown is None
    assert decoded([{"features": {"amount": 1}}]).unknown is None
