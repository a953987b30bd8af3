"""Rankings from the log to their sums: decoded, waiting, met."""

import json
from datetime import timedelta

import numpy as np
import pytest

from watchtower.core.joining import HalvesTally
from watchtower.core.meeting import Room, Terms, come_in, meet
from watchtower.core.rankings import gains_of, items_of
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Messages, PredictionKind, Schema
from watchtower.nouns.labels import RANKS, Waiting
from watchtower.nouns.settings import PredictionSettings
from watchtower.nouns.window import Partition
from watchtower.store.label_packing import pack_labels, pack_predictions, unpack_labels, unpack_predictions

CATALOG = Catalog({"shop": Schema(prediction=PredictionKind.RANKING)})


def test_a_ranking_waits_and_meets_what_was_relevant() -> None:
    rows: list[dict[str, object]] = [
        {"model": "shop", "id": "r1", "time": 10, "prediction": ["007", 7, "true"]},
        {"model": "shop", "id": "r2", "time": 11, "prediction": ["b", "a"]},
        {"model": "shop", "id": "r3", "time": 12, "prediction": {"no": "list"}},
        {"model": "shop", "id": "r1", "time": 20, "label": "007"},
        {"model": "shop", "id": "r2", "time": 21, "label": {"a": 2}},
        {"model": "shop", "id": "r3", "time": 22, "label": ["a"]},
    ]
    raw = [json.dumps(each).encode() for each in rows]
    found = WatchtowerJson().decode([Messages(Partition("t"), raw, np.arange(6), 6, np.full(6, 60_000_000))], CATALOG)
    assert found.labels is not None
    tally = HalvesTally(every=True)
    tally.add(found.predictions[0], None)
    tally.add_labels(found.labels)
    halves = tally.take()
    prediction = unpack_predictions(pack_predictions(halves.predictions["shop"]))
    label = unpack_labels(pack_labels(halves.labels["shop"]))
    room = come_in(Room(Waiting("shop")), [(1, prediction)], [(1, label)])
    joined, _ = meet(room, 60_000_000, Terms(timedelta(minutes=10), timedelta(0), 100), PredictionSettings(kind=PredictionKind.RANKING), {})
    met = joined.profiles["1" if ("1", "") in joined.profiles else "0", ""]
    assert met.rows == 2
    assert met.ranks is not None
    assert met.ranks[RANKS.index(1)].tolist() == [1.0, 1.0, 1.0]
    assert met.ranks[RANKS.index(3), 0] == 2.0
    assert met.ranks[RANKS.index(3), 1] == pytest.approx(1 + 1 / np.log2(3))


def test_what_is_read_back_as_neither_is_one_id() -> None:
    assert items_of("cat") is None
    assert items_of('{"a":1}') is None
    assert items_of("[]") == []
    assert gains_of("[x") == {"[x": 1.0}
    assert gains_of("7") == {"7": 1.0}
    assert gains_of(None) == {}
    assert gains_of('["a","a"]') == {"a": 1.0}
