"""Halves: what is kept of predictions and labels, and that the same ids are kept on both sides."""

import numpy as np
import pytest

from watchtower.core.joining import HalvesTally, hashes_of, joined_predictions, kept, values_of
from watchtower.core.labelled import spelling
from watchtower.nouns.batch import Labels, NumberColumn, PredictionBatch, TextColumn
from watchtower.nouns.labels import PredictionHalf
from watchtower.nouns.window import Partition

ZERO = np.zeros(0, dtype=np.int64)


def batch(ids: list[str], predictions: list[float] | TextColumn, countries: list[str] | None = None, sampling: list[float] | None = None) -> PredictionBatch:
    n = len(ids)
    column = NumberColumn(np.array(predictions)) if isinstance(predictions, list) else predictions
    names = tuple(dict.fromkeys(countries or ()))
    country = {"country": TextColumn(np.array([names.index(each) for each in countries], dtype=np.int32), names)} if countries else {}
    return PredictionBatch(
        model="m",
        times=np.arange(n) * 1_000_000,
        versions=TextColumn(np.zeros(n, dtype=np.int32), ("1",)),
        roles=TextColumn(np.zeros(n, dtype=np.int32), ("served",)),
        statuses=TextColumn(np.zeros(n, dtype=np.int32), ("ok",)),
        features=country,
        prediction=column,
        latency=None,
        queue=None,
        compute=None,
        sampling=None if sampling is None else np.array(sampling),
        instances=None,
        gpu=None,
        ids=ids,
        partition=np.zeros(n, dtype=np.int32),
        partitions=(Partition("t"),),
        positions=np.arange(n),
        ordinals=np.zeros(n, dtype=np.int32),
    )


def taken(tally: HalvesTally) -> PredictionHalf:
    return tally.take().predictions["m"]


def test_a_hash_is_the_same_in_every_batch_and_process() -> None:
    assert hashes_of(["r-1"]).tolist() == [10395473210380348270]
    alone = hashes_of(["r-1", "", "12345678", "ü" * 20])
    among = hashes_of(["r-1", "", "12345678", "ü" * 20, "x" * 90, "y" * 400])
    assert alone.tolist() == among[:4].tolist()
    assert len(set(hashes_of([f"{i}" for i in range(20_000)] + ["a", "a\0", "x" * 256, "x" * 257]).tolist())) == 20_004


def test_hashes_are_even() -> None:
    hashes = hashes_of([f"request-{i}" for i in range(64_000)])
    for halvings in range(4):
        assert kept(hashes, halvings).mean() == pytest.approx(0.5**halvings, abs=0.01)


def test_rows_without_an_id_or_a_value_wait_for_nothing() -> None:
    tally = HalvesTally(every=True)
    tally.add(batch(["a", "", "c", "d"], [0.1, 0.2, np.nan, np.inf]), None)
    assert taken(tally).hashes.tolist() == hashes_of(["a"]).tolist()


def test_a_first_label_makes_predictions_wait() -> None:
    tally = HalvesTally()
    tally.add(batch(["a"], [0.1]), None)
    assert not tally.take()
    tally.add_labels(Labels(["m"], ["a"], ["1"], np.array([5])))
    tally.add(batch(["b"], [0.1]), None)
    halves = tally.take()
    assert halves.labels["m"].times.tolist() == [5]
    assert halves.predictions["m"].hashes.tolist() == hashes_of(["b"]).tolist()


def test_both_sides_keep_the_same_ids() -> None:
    ids = [f"r{i}" for i in range(1000)]
    tally = HalvesTally(halvings={"m": 3})
    tally.add(batch(ids, [0.5] * 1000), None)
    tally.add_labels(Labels(["m"] * 1000, ids, ["1"] * 1000, np.zeros(1000, dtype=np.int64)))
    halves = tally.take()
    assert set(halves.predictions["m"].hashes.tolist()) == set(halves.labels["m"].hashes.tolist())
    assert 80 < len(halves.predictions["m"].times) < 170


def test_before_a_binning_segments_are_kept_by_their_values() -> None:
    tally = HalvesTally(every=True, segments=lambda _: ("country",))
    tally.add(batch(["a", "b", "c"], [0.1, 0.2, 0.3], ["DE", "FR", "DE"], [0.5, 0.5, 1.0]), None)
    half = taken(tally)
    assert [half.places[code] for code in half.codes] == [("1", ("country=DE",)), ("1", ("country=FR",)), ("1", ("country=DE",))]
    assert half.weights is not None
    assert half.weights.tolist() == [2.0, 2.0, 1.0]


def test_halves_one_after_the_other_keep_places_and_weights() -> None:
    tally = HalvesTally(every=True, segments=lambda _: ("country",))
    tally.add(batch(["a"], [0.1], ["DE"]), None)
    tally.add(batch(["b"], [0.2], ["FR"], [0.25]), None)
    whole = taken(tally)
    assert [whole.places[code][1] for code in whole.codes] == [("country=DE",), ("country=FR",)]
    assert whole.weights is not None
    assert whole.weights.tolist() == [1.0, 4.0]
    assert joined_predictions([whole]) is whole


def test_values_are_spelled_once() -> None:
    assert spelling(values_of(["1", "1.0", "true", "cat", "0.10", "", "007", "1e400"])) == ["1", "1", "1", "cat", "0.1", None, "7", "inf"]


def test_classes_wait_as_they_are_spelled() -> None:
    tally = HalvesTally(every=True)
    tally.add(batch(["a", "b", "c"], TextColumn(np.array([0, 1, -1], dtype=np.int32), ("True", "cat"))), None)
    assert spelling(taken(tally).values) == ["1", "cat"]


def test_a_label_that_is_not_known_yet_is_none() -> None:
    tally = HalvesTally(every=True)
    tally.add_labels(Labels(["m"] * 3, ["a", "b", "c"], ["", "1", " "], np.array([5, 6, 7])))
    assert tally.take().labels["m"].times.tolist() == [6]


def test_a_tiny_sampling_fraction_gives_a_weight_whose_square_is_a_number() -> None:
    tally = HalvesTally(every=True)
    tally.add(batch(["a", "b", "c"], [0.1, 0.2, 0.3], sampling=[1e-300, 0.5, np.nan]), None)
    weights = taken(tally).weights
    assert weights is not None
    assert weights.tolist() == [pytest.approx(1e9), 2.0, 1.0]
