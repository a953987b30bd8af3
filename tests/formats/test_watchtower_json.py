"""The native format: every reason to reject, every column, fast and careful reading alike."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from watchtower.formats._careful import read
from watchtower.formats._message import Many, Single, decoders
from watchtower.formats._parsing import parsed
from watchtower.formats.watchtower_json import WatchtowerJson, schema_message
from watchtower.nouns.batch import (
    Catalog,
    Column,
    Decoded,
    FeatureType,
    Messages,
    NumberColumn,
    PredictionBatch,
    PredictionKind,
    Reason,
    Schema,
    TextColumn,
    VectorColumn,
)
from watchtower.nouns.window import Partition

HERE = Partition("t", 0)
T = 1_760_000_000_000_000
SCHEMA = Schema(
    {"amount": FeatureType.NUMERIC, "age": FeatureType.NUMERIC, "country": FeatureType.CATEGORICAL, "face": FeatureType.EMBEDDING},
    PredictionKind.PROBABILITY,
)
CATALOG = Catalog({"fraud": SCHEMA}, Schema(open=True), max_ahead=300_000_000)
OPEN = Catalog({}, Schema(open=True), max_ahead=300_000_000)
NOTHING = Catalog({}, Schema(), max_ahead=300_000_000)
CATALOGS = {"closed": CATALOG, "open": OPEN, "nothing wanted": NOTHING}
GOOD: Mapping[str, object] = {"model": "fraud", "version": "7", "id": "r", "time": T / 1e6, "features": {"amount": 1.5, "country": "DE"}, "prediction": 0.25}


def messages(values: Sequence[bytes | None], appended: int = T, partition: Partition = HERE, first: int = 100) -> Messages:
    n = len(values)
    return Messages(partition, values, np.arange(first, first + n), first + n, np.full(n, appended, dtype=np.int64))


def decoded(*values: object, catalog: Catalog = CATALOG, appended: int = T) -> Decoded:
    raw = [value if isinstance(value, bytes) or value is None else json.dumps(value).encode() for value in values]
    return WatchtowerJson().decode([messages(raw, appended)], catalog)


def batch(*values: object, catalog: Catalog = CATALOG, appended: int = T) -> PredictionBatch:
    found = decoded(*values, catalog=catalog, appended=appended)
    assert found.rejected == []
    (only,) = found.predictions
    return only


def but(**changes: object) -> dict[str, object]:
    return {**GOOD, **changes}


def without(*names: str) -> dict[str, object]:
    return {name: value for name, value in GOOD.items() if name not in names}


def numbers(column: Column | None) -> list[float | None]:
    assert isinstance(column, NumberColumn)
    return [None if np.isnan(value) else float(value) for value in column.values]


def texts(column: TextColumn | Column | None) -> list[str | None]:
    assert isinstance(column, TextColumn)
    return [None if code < 0 else column.names[code] for code in column.codes]


def marks(column: Column) -> list[int]:
    return [0] * len(column.values if not isinstance(column, TextColumn) else column.codes) if column.bad is None else column.bad.tolist()


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


WHOLE = json.dumps(GOOD).encode()
REJECTED: list[tuple[Reason, object]] = [
    (Reason.EMPTY, None),
    (Reason.NOT_JSON, b""),
    (Reason.NOT_JSON, b"\xff\xfe\x00 prediction"),
    (Reason.NOT_JSON, WHOLE[:50]),
    (Reason.NOT_JSON, WHOLE + WHOLE),
    (Reason.NOT_JSON, b"[" + WHOLE + b"]"),
    (Reason.NOT_JSON, b'"text"'),
    (Reason.NOT_JSON, b"null"),
    (Reason.NOT_JSON, b"\xef\xbb\xbf" + WHOLE),
    (Reason.NOT_JSON, but(id="\ud800")),
    (Reason.TOO_DEEP, b"[" * 100_000),
    (Reason.TOO_DEEP, b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    (Reason.TOO_DEEP, WHOLE[:-1] + b', "tags": {"a": ' + nested(64) + b"}}"),
    (Reason.TOO_DEEP, WHOLE[:-1] + b', "unknown": ' + nested(64) + b"}"),
    (Reason.TOO_DEEP, WHOLE.replace(b"1.5", nested(64))),
    (Reason.TOO_LARGE, WHOLE[:-1] + b" " * 10_000_000 + b"}"),
    (Reason.MISSING_FIELD, without("model")),
    (Reason.MISSING_FIELD, but(model=None)),
    (Reason.MISSING_FIELD, but(model="")),
    (Reason.MISSING_FIELD, without("features", "prediction")),
    (Reason.MISSING_FIELD, {"model": "fraud", "label": 1, "time": 1}),
    (Reason.MISSING_FIELD, {"model": "fraud", "id": "r", "label": None, "time": 1}),
    (Reason.ROWS_OUT_OF_RANGE, but(rows=0)),
    (Reason.ROWS_OUT_OF_RANGE, but(rows=-1)),
    (Reason.ROWS_OUT_OF_RANGE, but(rows=100_001)),
    (Reason.UNEQUAL_LENGTHS, but(rows=3, features={"amount": [1, 2, 3], "age": [1, 2]})),
    (Reason.UNEQUAL_LENGTHS, but(rows=3, features={"amount": [1, 2, 3], "unknown": [1, 2]})),
    (Reason.UNEQUAL_LENGTHS, but(rows=2, prediction=[0.5])),
    (Reason.UNEQUAL_LENGTHS, but(rows=2, id=["a"])),
    (Reason.UNEQUAL_LENGTHS, but(rows=2, gpu={"device": ["0"]})),
    (Reason.BAD_TIME, but(time="yesterday")),
    (Reason.BAD_TIME, but(time="2026-02-30T00:00:00Z")),
    (Reason.BAD_TIME, but(time="1969-12-31T23:59:59Z")),
    (Reason.BAD_TIME, but(time="2300-01-01T00:00:00Z")),
    (Reason.BAD_TIME, but(time=-1)),
    (Reason.BAD_TIME, but(time=float("nan"))),
    (Reason.BAD_TIME, but(time=1e300)),
    (Reason.BAD_TIME, but(time=True)),
    (Reason.BAD_TIME, but(time=["2026-01-01"])),
    (Reason.BAD_TIME, but(rows=2, time=[1, {}])),
    (Reason.TIME_IN_FUTURE, but(time=T / 1e6 + 301)),
    (Reason.TIME_IN_FUTURE, but(rows=2, time=[T / 1e6, T / 1e6 + 301])),
    (Reason.BAD_TYPE, but(model=5)),
    (Reason.BAD_TYPE, but(version=True)),
    (Reason.BAD_TYPE, but(version=["7"])),
    (Reason.BAD_TYPE, but(id={})),
    (Reason.BAD_TYPE, but(features="amount=3")),
    (Reason.BAD_TYPE, but(features=[1])),
    (Reason.BAD_TYPE, but(rows="many")),
    (Reason.BAD_TYPE, but(rows=None)),
    (Reason.BAD_TYPE, but(rows=2.0)),
    (Reason.BAD_TYPE, but(status=7)),
    (Reason.BAD_TYPE, but(latency_ms="12")),
    (Reason.BAD_TYPE, but(latency_ms=[12])),
    (Reason.BAD_TYPE, but(role="king")),
    (Reason.BAD_TYPE, but(sampling=0)),
    (Reason.BAD_TYPE, but(sampling=1.01)),
    (Reason.BAD_TYPE, but(gpu=[])),
    (Reason.BAD_TYPE, but(gpu={"utilization": "half"})),
    (Reason.BAD_TYPE, but(tags=[])),
    (Reason.BAD_TYPE, {"model": "fraud", "id": "r", "label": [1], "time": 1}),
    (Reason.BAD_NAME, but(model="m" * 201)),
    (Reason.BAD_NAME, but(version="a\nb")),
    (Reason.BAD_NAME, but(status="s" * 201)),
    (Reason.BAD_NAME, but(instance="\u0000")),
    (Reason.BAD_NAME, but(gpu={"device": "d" * 201})),
]


@pytest.mark.parametrize("catalog", CATALOGS)
@pytest.mark.parametrize(("reason", "value"), REJECTED, ids=[f"{i}-{reason}" for i, (reason, _) in enumerate(REJECTED)])
def test_a_bad_message_is_rejected_for_its_reason_and_its_neighbours_are_not(reason: Reason, value: object, catalog: str) -> None:
    found = decoded(GOOD, value, GOOD, catalog=CATALOGS[catalog])
    assert [(each.position, each.reason, each.appended) for each in found.rejected] == [(101, reason, T)]
    assert [each.positions.tolist() for each in found.predictions] == [[100, 102]]
    assert found.labels is None


def test_a_rejection_keeps_the_original() -> None:
    (only,) = decoded(b"nonsense").rejected
    assert (only.value, only.partition) == (b"nonsense", HERE)


def test_rejections_come_in_the_order_of_the_messages() -> None:
    found = decoded(but(time=True), GOOD, but(role="king"), {"model": "fraud", "label": 1}, b"x", but(model=""))
    assert [each.position for each in found.rejected] == [100, 102, 103, 104, 105]


def test_what_a_message_leaves_out_has_its_default() -> None:
    only = batch({"model": "fraud", "prediction": 0.5})
    assert (texts(only.versions), texts(only.statuses), texts(only.roles), only.times.tolist()) == (["0"], ["ok"], ["served"], [T])
    assert (only.ids, only.latency, only.queue, only.compute, only.sampling, only.instances, only.gpu) == (None,) * 7
    assert only.features == {}
    assert batch({"model": "fraud", "features": {}}).prediction is None


def test_null_is_as_good_as_left_out_except_for_the_prediction() -> None:
    absent = dict.fromkeys(["version", "id", "time", "features", "status", "error", "latency_ms", "instance", "role", "sampling", "gpu", "tags", "trace_id"])
    same(batch({"model": "fraud", "prediction": 0.5, **absent}), batch({"model": "fraud", "prediction": 0.5}))
    assert numbers(batch({"model": "fraud", "prediction": None}).prediction) == [None]


def test_meta_columns_are_in_base_units() -> None:
    meta = {"status": "timeout", "latency_ms": 12.5, "queue_ms": 1, "compute_ms": 9.5, "instance": "pod-3", "role": "shadow", "sampling": 0.1}
    only = batch(but(**meta, gpu={"device": 0, "utilization": 0.5, "memory_used_bytes": 1.2e9, "power": 300}), GOOD)
    assert only.latency is not None
    assert only.queue is not None
    assert only.compute is not None
    assert only.sampling is not None
    assert only.gpu is not None
    np.testing.assert_array_equal([only.latency, only.queue, only.compute], [[0.0125, np.nan], [0.001, np.nan], [0.0095, np.nan]])
    assert only.sampling.tolist() == [0.1, 1.0]
    assert (texts(only.statuses), texts(only.roles), texts(only.instances)) == (["timeout", "ok"], ["shadow", "served"], ["pod-3", None])
    assert texts(only.gpu.device) == ["0", None]
    np.testing.assert_array_equal([only.gpu.utilization, only.gpu.memory_used], [[0.5, np.nan], [1.2e9, np.nan]])
    assert only.ids == ["r", "r"]


def test_an_error_without_a_status_is_an_error() -> None:
    assert texts(batch(but(error="boom"), but(error="boom", status="bad_input"), but(error=""), GOOD).statuses) == ["error", "bad_input", "ok", "ok"]


@pytest.mark.parametrize(
    ("literal", "text"), [(b'"7"', "7"), (b"7", "7"), (b"7.10", "7.10"), (b"1e3", "1e3"), (b"123456789012345678901234567890", "123456789012345678901234567890")]
)
def test_versions_and_ids_may_be_numbers_read_as_written(literal: bytes, text: str) -> None:
    only = batch(WHOLE.replace(b'"7"', literal).replace(b'"r"', literal))
    assert (texts(only.versions), only.ids) == ([text], [text])


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ("2025-10-09T08:53:20Z", T),
        ("2025-10-09T08:53:20", T),
        ("2025-10-09 08:53:20Z", T),
        ("2025-10-09T08:53:20.5Z", T + 500_000),
        ("2025-10-09T08:53:20.123456789Z", T + 123_456),
        ("2025-10-09T10:53:20+02:00", T),
        ("2025-10-09T05:23:20.000001-03:30", T + 1),
        ("20251009T085320Z", T),
        ("2025-10-09", 1_759_968_000_000_000),
        ("1970-01-01T00:00:00Z", 0),
        (1_760_000_000, T),
        (1_760_000_000.123, T + 123_000),
        (1_760_000_000_123, T + 123_000),
        (99_999_999, 99_999_999_000_000),
        (0, 0),
    ],
)
def test_times_are_iso_texts_seconds_or_milliseconds(time: object, micros: int) -> None:
    assert batch(but(time=time)).times.tolist() == [micros]
    mixed = batch(but(time=time), but(time="2025-10-09T08:53:20Z"), but(time=5), without("time"))
    assert mixed.times.tolist() == [micros, T, 5_000_000, T]
    assert batch(but(rows=3, time=[time, None, 5])).times.tolist() == [micros, T, 5_000_000]


def test_times_of_many_layouts_agree_with_the_standard_library() -> None:
    from datetime import UTC, datetime, timedelta, timezone

    draw = random.Random(3)
    moments = [datetime.fromtimestamp(draw.randrange(4_000_000_000), UTC) + timedelta(microseconds=draw.randrange(10**6)) for _ in range(500)]
    zones = [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))]
    specs = ("seconds", "milliseconds", "microseconds")
    written = [each.astimezone(draw.choice(zones)).isoformat(timespec=draw.choice(specs)) for each in moments]
    read_back = [(datetime.fromisoformat(each) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for each in written]
    only = batch(*[but(time=each) for each in written], catalog=Catalog({"fraud": SCHEMA}))
    assert only.times.tolist() == read_back


def test_a_file_has_no_timestamp_to_fall_back_on_and_no_future() -> None:
    found = decoded(without("time"), but(time=T / 1e6 + 10_000), appended=-1)
    assert [(each.position, each.reason) for each in found.rejected] == [(100, Reason.BAD_TIME)]
    assert len(found.predictions[0]) == 1


def test_the_future_begins_at_the_smaller_of_timestamp_and_clock() -> None:
    early = replace(messages([json.dumps(but(time=T / 1e6 + 200)).encode()]), read_at=T - 200_000_000)
    assert [each.reason for each in WatchtowerJson().decode([early], CATALOG).rejected] == [Reason.TIME_IN_FUTURE]
    assert WatchtowerJson().decode([replace(early, read_at=T)], CATALOG).rejected == []


def test_numeric_features_are_numbers_and_everything_else_is_missing_with_a_mark() -> None:
    values = [1, 1.5, True, False, None, "12", [1], {"a": 1}, float("nan"), float("-inf"), 10**400, "x"]
    only = batch(*[but(features={"amount": value}) for value in values], without("features"))
    column = only.features["amount"]
    assert numbers(column) == [1.0, 1.5, 1.0, 0.0, *[None] * 9]
    assert marks(column) == [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 1, 0]


def test_categorical_features_are_texts_as_written() -> None:
    values = ["DE", 7, 7.5, True, None, "", "中国", [1], {"a": 1}, float("nan"), "true", 1, 1.0]
    column = batch(*[but(features={"country": value}) for value in values]).features["country"]
    assert texts(column) == ["DE", "7", "7.5", "true", None, "", "中国", None, None, None, "true", "1", "1.0"]
    assert marks(column) == [0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0]


def test_embeddings_are_rows_of_the_width_that_most_have() -> None:
    values = [[1, 2], [3, 4.5], None, [1], [1, "a"], [1, None], [1, float("inf")], 5]
    column = batch(*[but(features={"face": value}) for value in values]).features["face"]
    assert isinstance(column, VectorColumn)
    assert column.values[:2].tolist() == [[1, 2], [3, 4.5]]
    assert np.isnan(column.values[2:]).all()
    assert marks(column) == [0, 0, 0, 1, 1, 1, 2, 1]


def test_a_feature_that_no_row_has_is_left_out_and_those_that_nobody_wants_are_not_read() -> None:
    assert list(batch(but(features={"amount": 1, "unknown": [[{}]]})).features) == ["amount"]
    assert batch(GOOD, catalog=NOTHING).features == {}


def test_an_open_schema_reads_every_feature_by_what_the_batch_holds() -> None:
    rows = [{"a": 1, "b": "x", "c": [1, 2], "d": 1, "e": True, "bad\nname": 1}, {"a": 2.5, "b": "y", "c": [3, 4], "d": "z"}]
    found = batch(*[but(features=each) for each in rows], catalog=OPEN).features
    assert {name: type(column) for name, column in found.items()} == {"a": NumberColumn, "b": TextColumn, "c": VectorColumn, "d": TextColumn, "e": TextColumn}
    assert texts(found["d"]) == ["1", "z"]


def test_a_model_that_is_not_listed_is_read_openly_among_those_that_are() -> None:
    found = decoded(GOOD, but(model="other", features={"amount": "text", "x": 1}), but(rows=2, model="other", features={"amount": ["a", "b"], "x": 2}))
    first, second = found.predictions
    assert (first.model, second.model) == ("fraud", "other")
    assert (numbers(first.features["amount"]), texts(second.features["amount"]), numbers(second.features["x"])) == ([1.5], ["text", "a", "b"], [1, 2, 2])


def test_models_that_type_a_feature_differently_each_have_it_their_way() -> None:
    catalog = Catalog({"a": Schema({"x": FeatureType.NUMERIC}), "b": Schema({"x": FeatureType.CATEGORICAL})})
    rows = [{"model": model, "time": 1, "features": {"x": value}} for model in "ab" for value in (1, "12")]
    first, second = decoded(*rows, catalog=catalog).predictions
    assert (numbers(first.features["x"]), marks(first.features["x"]), texts(second.features["x"])) == ([1.0, None], [0, 1], ["1", "12"])


def test_more_features_than_a_struct_holds_are_read_too() -> None:
    catalog = Catalog({"fraud": Schema({f"f{i}": FeatureType.NUMERIC for i in range(300)})})
    found = batch(but(features={f"f{i}": i for i in range(300)}), catalog=catalog).features
    assert [numbers(found[f"f{i}"]) for i in range(300)] == [[i] for i in range(300)]


@pytest.mark.parametrize(
    ("kind", "values", "read_as", "marked"),
    [
        (PredictionKind.PROBABILITY, [0.5, 1, "0.5", None, float("nan"), [0.5]], [0.5, 1.0, None, None, None, None], [0, 0, 1, 0, 2, 1]),
        (PredictionKind.CLASS, [1, 1.0, "1", "spam", True, None, [1]], ["1", "1", "1", "spam", "true", None, None], [0, 0, 0, 0, 0, 0, 1]),
        (None, [0.5, 1], [0.5, 1.0], [0, 0]),
        (None, ["spam", 1], ["spam", "1"], [0, 0]),
    ],
)
def test_predictions_are_read_by_their_kind(kind: PredictionKind | None, values: list[object], read_as: list[object], marked: list[int]) -> None:
    column = batch(*[but(prediction=value) for value in values], catalog=Catalog({"fraud": Schema(prediction=kind)})).prediction
    assert column is not None
    assert (texts(column) if isinstance(column, TextColumn) else numbers(column)) == read_as
    assert marks(column) == marked


def test_a_vector_prediction_is_a_row_of_numbers_alone_and_in_rows() -> None:
    catalog = Catalog({"fraud": Schema(prediction=PredictionKind.VECTOR)})
    for column in (batch(but(prediction=[1, 2]), catalog=catalog).prediction, batch(but(rows=1, prediction=[[1, 2]]), catalog=catalog).prediction):
        assert isinstance(column, VectorColumn)
        assert column.values.tolist() == [[1, 2]]


def test_labels_are_told_from_predictions_wherever_they_arrive() -> None:
    labels = [
        {"model": "fraud", "id": "a", "label": 1.0, "time": 5},
        {"model": "x", "id": 7, "label": "spam"},
        {"rows": 2, "model": "y", "id": ["b", "c"], "label": [True, 2], "time": 6},
    ]
    found = decoded(GOOD, *labels, but(label=1)).labels
    assert found is not None
    assert (found.model, found.ids, found.labels) == (["fraud", "x", "y", "y"], ["a", "7", "b", "c"], ["1", "spam", "true", "2"])
    assert found.times.tolist() == [5_000_000, T, 6_000_000, 6_000_000]


def test_a_batch_has_one_row_for_each_and_scalars_for_all() -> None:
    only = batch(GOOD, but(rows=3, id=["a", None, 3], features={"amount": [1, None, True], "country": "FR"}, prediction=[0.1, 0.2, 0.3], latency_ms=5), GOOD)
    assert numbers(only.features["amount"]) == [1.5, 1, None, 1, 1.5]
    assert texts(only.features["country"]) == ["DE", "FR", "FR", "FR", "DE"]
    assert only.ids == ["r", "a", "", "3", "r"]
    assert (only.positions.tolist(), only.ordinals.tolist()) == ([100, 101, 101, 101, 102], [0, 0, 1, 2, 0])
    assert {str(only.ordinals.dtype), str(only.partition.dtype)} == {"int32"}


def test_rows_of_several_partitions_say_where_they_come_from() -> None:
    others = [Partition("t", number) for number in range(3)]
    raw = [json.dumps(GOOD).encode()]
    found = WatchtowerJson().decode(
        [messages(raw * 2, partition=others[0]), messages([b"x"], partition=others[1]), messages(raw, partition=others[2], first=7)], CATALOG
    )
    only = found.predictions[0]
    assert (only.partitions, only.partition.tolist(), only.positions.tolist()) == ((others[0], others[2]), [0, 0, 1], [100, 101, 7])
    assert [each.partition for each in found.rejected] == [others[1]]


def test_no_messages_are_no_predictions() -> None:
    assert WatchtowerJson().decode([], CATALOG).predictions == ()
    assert WatchtowerJson().decode([messages([])], CATALOG).predictions == ()


def test_the_schema_names_every_field() -> None:
    properties = schema_message()["properties"]
    assert isinstance(properties, dict)
    assert set(properties) == set(Single.__struct_fields__) | set(Many.__struct_fields__)


# ---------------------------------------------------------------------------------------------- generated


def drawn(draw: random.Random, *, wild: bool) -> dict[str, object]:
    """A prediction as somebody may log it; *wild* ones hold wrong types and literals that are no JSON."""
    odd: list[object] = [None, "12", True, [1], {}, float("nan"), float("inf"), 3, "", 10**30]
    message: dict[str, object] = {
        "model": draw.choice(["fraud", "Größe"]),
        "version": draw.choice(["1", 2, 7.5]) if wild else "1",
        "features": {
            "amount": draw.choice(odd) if wild else draw.random(),
            "age": draw.randrange(90),
            "country": draw.choice(odd) if wild else draw.choice(["DE", "FR", "中国"]),
            "face": draw.choice([[1, 2], None]),
            "unknown": draw.choice(odd if wild else [None, "12", [1]]),
        },
        "prediction": draw.choice([*odd, 0.5]) if wild else draw.random(),
    }
    extras = {
        "time": T / 1e6 - draw.random(),
        "id": f"r{draw.random()}",
        "latency_ms": draw.choice([None, 1.5]),
        "status": draw.choice(["ok", "timeout"]),
        "sampling": 0.5,
    }
    return message | {name: value for name, value in extras.items() if draw.random() < 0.7}


def same(first: PredictionBatch, second: PredictionBatch) -> None:
    """Equal columns; codes may be numbered differently."""
    for name in ("times", "latency", "queue", "compute", "sampling", "positions"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    for name in ("versions", "roles", "statuses", "instances", "prediction"):
        _same_column(getattr(first, name), getattr(second, name))
    assert first.features.keys() == second.features.keys()
    for name in first.features:
        _same_column(first.features[name], second.features[name])
    assert first.ids == second.ids


def _same_column(first: Column | None, second: Column | None) -> None:
    assert type(first) is type(second)
    if first is None or second is None:
        return
    assert marks(first) == marks(second)
    if isinstance(first, TextColumn):
        assert texts(first) == texts(second)
    elif not isinstance(second, TextColumn):
        np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize("catalog", CATALOGS)
@pytest.mark.parametrize("seed", range(5))
def test_the_fast_and_the_careful_reader_say_the_same(seed: int, catalog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    values = [json.dumps(drawn(draw, wild=i % 3 == 0)).encode() for i in range(200)]
    fast = WatchtowerJson().decode([messages(values)], CATALOGS[catalog])
    careful = [read(value, 10**7) for value in values]
    monkeypatch.setattr("watchtower.formats.watchtower_json.parsed", lambda *_: careful)
    slow = WatchtowerJson().decode([messages(values)], CATALOGS[catalog])
    assert fast.rejected == slow.rejected
    assert [each.model for each in fast.predictions] == [each.model for each in slow.predictions]
    for one, other in zip(fast.predictions, slow.predictions, strict=True):
        same(one, other)


def test_well_formed_messages_need_no_careful_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchtower.formats._parsing.read", lambda *_: Reason.EMPTY)
    draw = random.Random(1)
    values = [json.dumps(drawn(draw, wild=False)).encode() for _ in range(100)] + [json.dumps(but(rows=2, features={"amount": [1, 2]})).encode()]
    for catalog in CATALOGS.values():
        assert Reason.EMPTY not in parsed(values, decoders(catalog), 10**7)


@pytest.mark.parametrize("catalog", CATALOGS)
@pytest.mark.parametrize("wild", [False, True])
def test_rows_alone_and_rows_in_a_batch_make_the_same_columns(catalog: str, wild: bool) -> None:  # noqa: FBT001  a table's column
    draw = random.Random(7)
    singles = [
        {**drawn(draw, wild=wild), "model": "fraud", "version": "1", "id": "r", "time": 5 + i, "latency_ms": 1.5, "status": "ok", "sampling": 0.5}
        for i in range(50)
    ]
    features = [each["features"] for each in singles]
    assert all(isinstance(each, dict) for each in features)
    columns = {name: [each[name] for each in features if isinstance(each, dict)] for name in ("amount", "age", "country", "face", "unknown")}
    together = {**singles[0], "rows": 50, "time": [5 + i for i in range(50)], "features": columns, "prediction": [each["prediction"] for each in singles]}
    one, other = batch(*singles, catalog=CATALOGS[catalog]), batch(together, catalog=CATALOGS[catalog])
    same(replace(one, positions=other.positions), other)
    assert other.ordinals.tolist() == list(range(50))
