"""What holds for every log format: rejections and nothing else, and no bad message takes its neighbours along."""

import json
import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchtower.formats import Format
from watchtower.nouns.batch import Catalog, Decoded, FeatureType, Messages, PredictionKind, Schema
from watchtower.nouns.window import Partition

KINDS = Format.kinds()
HERE = Partition("t", 3)
T = 1_760_000_000_000_000
CATALOGS = (
    Catalog({"m": Schema({"x": FeatureType.NUMERIC, "c": FeatureType.CATEGORICAL, "v": FeatureType.EMBEDDING}, PredictionKind.NUMBER)}, Schema(open=True)),
    Catalog({}, Schema(open=True), max_ahead=0),
    Catalog({}, Schema()),
)
GOOD: Mapping[str, bytes] = {
    "watchtower_json": json.dumps({"model": "m", "time": T / 1e6, "features": {"x": 1.5, "c": "a", "v": [1, 2]}, "prediction": 1}).encode()
}
"""One sound message of each kind: a new format adds its own."""


def decoded(kind: str, *values: bytes | None, catalog: Catalog) -> Decoded:
    n = len(values)
    messages = Messages(HERE, values, np.arange(n), n, np.full(n, T, dtype=np.int64))
    return Format.member(kind)().decode([messages], catalog)


def check_whole(found: Decoded, n: int) -> None:
    """Each message is predictions, labels or a rejection; columns are as long as their batch."""
    places = {position for batch in found.predictions for position in batch.positions.tolist()}
    rejected = [each.position for each in found.rejected]
    assert len(set(rejected)) == len(rejected)
    assert not places & set(rejected)
    if found.labels is None:
        assert places | set(rejected) == set(range(n))
    for batch in found.predictions:
        assert {
            len(batch.positions),
            len(batch.ordinals),
            len(batch.partition),
            len(batch.versions.codes),
            len(batch.statuses.codes),
            len(batch.roles.codes),
        } == {len(batch)}
        for column in (*batch.features.values(), *([batch.prediction] if batch.prediction else [])):
            assert len(column.codes if hasattr(column, "codes") else column.values) == len(batch)
            assert column.bad is None or len(column.bad) == len(batch)


@pytest.mark.parametrize("kind", KINDS)
def test_a_format_has_its_sound_message_here(kind: str) -> None:
    assert kind in GOOD


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("catalog", CATALOGS, ids=["closed", "open", "nothing wanted"])
def test_garbage_and_truncation_are_rejected_and_their_neighbours_are_not(kind: str, catalog: Catalog) -> None:
    draw, good = random.Random(5), GOOD[kind]
    bad = [
        None,
        b"",
        draw.randbytes(1000),
        draw.randbytes(10_000_001),
        b"\x00" * 10,
        b"[" * 100_000,
        b"{" * 1000,
        *(good[:length] for length in range(0, len(good), 7)),
    ]
    values = [each for one in bad for each in (good, one)] + [good]
    found = decoded(kind, *values, catalog=catalog)
    check_whole(found, len(values))
    assert [each.position for each in found.rejected] == list(range(1, len(values), 2))
    assert [batch.positions.tolist() for batch in found.predictions] == [list(range(0, len(values), 2))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["x", "c", "v", "device", "utilization"]) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = [
    "model", "version", "id", "time", "features", "prediction", "status", "error", "latency_ms", "queue_ms", "compute_ms",
    "instance", "role", "sampling", "gpu", "tags", "trace_id", "label", "rows",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("catalog", CATALOGS, ids=["closed", "open", "nothing wanted"])
@given(message=st.dictionaries(st.sampled_from(FIELDS), JSON | st.just("m") | st.just(2), max_size=8))
@settings(max_examples=150, deadline=None)
def test_no_content_raises(kind: str, catalog: Catalog, message: dict[str, object]) -> None:
    value = json.dumps({"model": "m", **message}).encode()
    check_whole(decoded(kind, GOOD[kind], value, GOOD[kind], catalog=catalog), 3)


@pytest.mark.parametrize("kind", KINDS)
@given(value=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise(kind: str, value: bytes) -> None:
    check_whole(decoded(kind, GOOD[kind], value, catalog=CATALOGS[0]), 2)


@pytest.mark.parametrize("kind", KINDS)
@given(at=st.integers(min_value=0), sign=st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_one_wrong_byte_is_one_message_at_most(kind: str, at: int, sign: int) -> None:
    value = bytearray(GOOD[kind])
    value[at % len(value)] = sign
    found = decoded(kind, GOOD[kind], bytes(value), GOOD[kind], catalog=CATALOGS[0])
    check_whole(found, 3)
    assert {0, 2} <= {position for batch in found.predictions for position in batch.positions.tolist()}
