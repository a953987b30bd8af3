"""Which rows a trial takes, and what it keeps between looks."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.measures.views import folded
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.keeping import Kept, KeptRun, extended, packed, unpacked
from watchtower.core.trialling import ALL, chosen, drift, row_hash, sample, scale_of, threshold
from watchtower.nouns.batch import Column, NumberColumn, PredictionBatch, PredictionKind, TextColumn
from watchtower.nouns.window import Partition, micros

TEN = micros(datetime(2026, 11, 20, 10, tzinfo=UTC))


def batch(n: int, *, ids: list[str] | None = None, versions: list[str] | None = None, positions: list[int] | None = None) -> PredictionBatch:
    names = tuple(dict.fromkeys(versions or ["2"]))
    codes = np.array([names.index(each) for each in versions or ["2"] * n], dtype=np.int32)
    nothing = np.zeros(n, dtype=np.int32)
    return PredictionBatch(
        model="fraud",
        times=TEN + np.arange(n) * 1_000,
        versions=TextColumn(codes, names),
        roles=TextColumn(nothing, ("served",)),
        statuses=TextColumn(nothing, ("ok",)),
        features={"amount": NumberColumn(np.arange(n, dtype=float))},
        prediction=NumberColumn(np.linspace(0, 1, n)),
        latency=None,
        queue=None,
        compute=None,
        sampling=None,
        instances=None,
        gpu=None,
        ids=ids,
        partition=nothing,
        partitions=(Partition("predictions"),),
        positions=np.array(positions if positions is not None else range(n), dtype=np.int64),
        ordinals=nothing,
    )


def test_hashes_are_even_and_the_same_every_time() -> None:
    positions = np.arange(100_000)
    hashes = row_hash(3, positions, np.zeros(100_000, dtype=np.int32))
    assert np.array_equal(hashes, row_hash(3, positions, np.zeros(100_000, dtype=np.int32)))
    assert len(np.unique(hashes)) == 100_000
    assert np.mean(hashes < np.uint64(ALL // 4)) == pytest.approx(0.25, abs=0.005)
    assert not np.array_equal(hashes, row_hash(4, positions, np.zeros(100_000, dtype=np.int32)))


def test_little_traffic_takes_all_and_much_is_spread_over_eight_windows() -> None:
    assert threshold(8192, 400) == ALL
    assert threshold(8192, 0) == ALL
    assert threshold(8192, 102_400) / ALL == pytest.approx(0.01)


def test_rows_are_taken_in_position_order_once_an_id_and_up_to_the_limit() -> None:
    rows = batch(6, ids=["a", "b", "a", "c", "d", ""], positions=[50, 40, 30, 20, 10, 0])
    index, keys = chosen(rows, "2", Kept("p", 0, ALL, 4))
    assert index.tolist() == [5, 4, 3, 2]
    again, _ = chosen(rows, "2", replace(Kept("p", 0, ALL, 40), keys=keys))
    assert again.tolist() == [1]


def test_only_what_the_live_version_answered_is_taken() -> None:
    rows = batch(4, versions=["1", "2", "1", "2"])
    rows = replace(rows, statuses=TextColumn(np.array([0, 0, 0, 1], dtype=np.int32), ("ok", "error")))
    assert chosen(rows, "2", Kept("p", 0, ALL, 10))[0].tolist() == [1]
    assert chosen(rows, "3", Kept("p", 0, ALL, 10))[0].tolist() == []


def test_a_threshold_takes_its_share() -> None:
    index, _ = chosen(batch(20_000), "2", Kept("p", 0, ALL // 10, 20_000))
    assert len(index) == pytest.approx(2_000, rel=0.1)


def test_a_sample_prefers_labelled_rows_and_keeps_their_order() -> None:
    labelled = np.arange(1_000) % 10 == 0
    rows = sample(1_000, 150, labelled)
    assert len(rows) == 150
    assert np.isin(np.flatnonzero(labelled), rows).all()
    assert (np.diff(rows) > 0).all()
    assert sample(5, 10, None).tolist() == [0, 1, 2, 3, 4]


def test_scales() -> None:
    assert scale_of(PredictionKind.PROBABILITY, None, np.array([0.1, 0.9])) == 1.0
    assert scale_of(PredictionKind.NUMBER, None, np.array([1.0, 3.0, np.nan])) == 1.0
    assert scale_of(PredictionKind.NUMBER, None, np.array([0.0, 10.0])) == 5.0
    assert scale_of(PredictionKind.NUMBER, None, None) == 1.0


def test_what_is_kept_survives_as_bytes() -> None:
    run = extended(KeptRun("2", "ab", "CPUExecutionProvider", 7, reference=np.array([0.5, np.nan])), np.array([0.1, np.nan]), [0.001])
    kept = Kept(
        "p", 5, ALL, 8192, scale=1.0, classes=("a", "b"), keys=np.array([1, ALL], dtype=np.uint64), runs=(run, KeptRun("1", failure="gone")), ids=("x", "")
    )
    again = unpacked(packed(kept))
    assert again is not None
    assert (again.plan, again.through, again.threshold, again.classes, again.ids, again.rows) == ("p", 5, ALL, ("a", "b"), ("x", ""), 2)
    assert again.keys.tolist() == [1, ALL]
    assert again.labels is None
    assert np.array_equal(again.runs[0].answers, [0.1, np.nan], equal_nan=True)
    assert again.runs[0].reference is not None
    assert (again.runs[1].failure, again.runs[1].reference) == ("gone", None)


def test_broken_bytes_begin_anew() -> None:
    assert unpacked(b"rubbish") is None
    assert unpacked(packed(Kept("p", 0, 0, 0))[:-40]) is None


def test_more_missing_values_are_upstream_trouble_although_the_feature_hardly_drifted() -> None:
    def amounts(missing: float) -> dict[str, Column]:
        return {"amount": NumberColumn(np.where(np.arange(2_000) % 1_000 < missing * 1_000, np.nan, np.linspace(0, 1, 2_000)))}

    binning = make_binning(amounts(0.02), {}, PredictionKind.PROBABILITY, ())
    reference = make_reference_profile(binning, amounts(0.02), 2_000)
    found = drift(binning, reference, folded(binning, amounts(0.1), 2_000), 0.001)
    assert (dict(found.drifted), found.features) == ({}, 1)
    assert found.missing == {"amount": pytest.approx(0.1, abs=0.001)}
    assert drift(binning, reference, folded(binning, amounts(0.06), 2_000), 0.001).missing == {}
