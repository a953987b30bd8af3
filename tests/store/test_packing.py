"""Profiles, binnings and boards come back to the bit."""

import zlib
from dataclasses import fields
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from watchtower.nouns.batch import FeatureType
from watchtower.nouns.binning import Binning, CategoryBins, NumericBins
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.profile import LATENCY_CELLS, Durations, GpuReadings, Ids, Profile
from watchtower.nouns.score import Board, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.window import Partition, Span, Window
from watchtower.store.packing import pack_binning, pack_board, pack_profile, unpack_binning, unpack_board, unpack_profile

names = st.text(max_size=5)
floats = st.floats(allow_nan=False)
counts = st.integers(0, 2**62)
ints = st.one_of(st.just(0), st.integers(-(2**63), 2**63 - 1))
any_float = st.one_of(st.just(0.0), st.sampled_from([-0.0, 1.0, 2.0**53, float("nan")]), st.floats(), st.integers(0, 1000).map(float))
vectors = st.integers(0, 80)
durations = st.builds(Durations, arrays(np.float64, vectors, elements=any_float), floats, floats, floats, counts)
weights = st.dictionaries(names, floats, max_size=3)
spans = st.lists(st.builds(Span, st.builds(Partition, names, st.integers(0, 99), names), counts, counts), max_size=3).map(tuple)
profiles = st.builds(
    Profile,
    names,
    counts,
    floats,
    arrays(np.int64, vectors, elements=ints),
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=0), elements=any_float),
    arrays(np.int64, array_shapes(min_dims=2, max_dims=2, min_side=0), elements=ints),
    st.none() | durations,
    st.none() | durations,
    st.none() | durations,
    weights,
    st.dictionaries(names, counts, max_size=3),
    weights,
    st.dictionaries(names, st.builds(GpuReadings, counts, floats, floats, floats), max_size=2),
    spans,
    st.none(),
    st.none() | st.builds(Ids, counts, arrays(np.uint64, vectors), arrays(np.int64, vectors, elements=ints), st.booleans()),
    st.lists(names, max_size=3).map(tuple),
)


def same(one: object, other: object) -> bool:
    """Equal to the bit, through arrays and nested nouns."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))  # type: ignore[arg-type]
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


@given(profiles)
def test_a_profile_comes_back_as_it_was(profile: Profile) -> None:
    assert same(unpack_profile(pack_profile(profile)), profile)


def test_a_binning_comes_back_as_it_was() -> None:
    numeric = NumericBins(np.array([-0.5, 0.1, 1e300]), np.array([True, False]), 0.25, float("inf"), by_hand=True)
    category = CategoryBins(("DE", "ö"), frozenset({"FR", "IT"}))
    binning = Binning("b", ("amount", ""), (FeatureType.NUMERIC, FeatureType.CATEGORICAL), (numeric, category), (0, 5, 10), {"country": ("DE",), "x": ()})
    assert same(unpack_binning(pack_binning(binning)), binning)


def test_a_board_comes_back_as_it_was() -> None:
    window = Window(datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 20, 10, 1, tzinfo=UTC))
    need = Need(MeasureName("drift", "psi", (("bins", 20),)), Over(5, 100), "previous_window", 200, 3)
    scores = Scores(("a", ""), np.array([0.3, np.nan]), np.array([1e-300, np.nan]), np.array([500, 3]), (None, "3 of 200 rows"))
    board = Board(
        "fraud",
        window,
        None,
        {Slot("7", "c=DE", need): scores, Slot("", "", Need(MeasureName("traffic", "rate"))): scores},
        {"7": 0.25},
        frozenset({("a", "b", "c")}),
    )
    assert same(unpack_board(pack_board(board)), board)


def test_a_usual_profile_is_small() -> None:
    draw = np.random.default_rng(1)
    latency = Durations(draw.poisson(3, LATENCY_CELLS).astype(float), 1.0, 1.0, 1.0, 1)
    profile = Profile("b", 5000, 5000.0, draw.poisson(20, 11 * 67), draw.normal(size=(11, 5)), np.zeros((11, 2), dtype=np.int64), latency)
    assert len(pack_profile(profile)) < 2_500


def test_what_a_newer_version_wrote_is_refused_for_good() -> None:
    with pytest.raises(Unavailable) as caught:
        unpack_profile(b"W\x02whatever")
    assert caught.value.for_good


def test_what_an_earlier_release_wrote_is_read() -> None:
    """The frames of release 0.1 end before what was added since."""
    profile = Profile("b", 3, 3.0, np.array([1, 2]), np.zeros((1, 5)), np.zeros((1, 2), dtype=np.int64))
    binning = Binning("b", ("",), (FeatureType.CATEGORICAL,), (CategoryBins(("a",)),), (0, 4), {})
    assert same(unpack_profile(_shortened(pack_profile(profile), 12)), profile)
    assert same(unpack_binning(_shortened(pack_binning(binning), 6)), binning)


def _shortened(blob: bytes, fields_: int) -> bytes:
    frame = msgspec.msgpack.decode(zlib.decompress(blob[2:]))
    assert len(frame) > fields_
    return blob[:2] + zlib.compress(msgspec.msgpack.encode(frame[:fields_]))
