"""Whatever a feature holds, each statistic has a number or a reason, and the features beside it keep theirs."""

import functools
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.statistics.hostile import CASES, SOUND, column, features
from tests.statistics.pairs import every_statistic
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.merging import empty
from watchtower.nouns.batch import Floats
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Pair, Scores
from watchtower.statistics import Statistic

STATISTICS = every_statistic()
REASONS = {"constant reference", "no rows", "no rows in the reference", "numeric features only", "values too large"}


def name(statistic: Statistic) -> str:
    return statistic.kind_name()


def assert_sound(scores: Scores) -> None:
    """Each subject has finite numbers or a known reason; tested ones have a p-value."""
    for i, reason in enumerate(scores.reasons):
        value, p_value = float(scores.values[i]), float(scores.p_values[i])
        if reason is None:
            assert np.isfinite(value), scores.subjects[i]
            assert value >= 0, scores.subjects[i]
            assert 0 <= p_value <= 1, scores.subjects[i]
            assert all(isinstance(each, str) or np.isfinite(each) for each in scores.more(i).values())
        else:
            assert np.isnan(value), scores.subjects[i]
            assert np.isnan(p_value), scores.subjects[i]
            assert scores.more(i) == {}
            assert reason in REASONS or reason.endswith(" rows"), reason


@functools.cache
def everything() -> Pair:
    return features(dict(CASES))


@functools.cache
def beside(case: str) -> Pair:
    return features({"bad": CASES[case], "good": SOUND, "worse": CASES[case]} if case else {"good": SOUND}, 1)


def quiet(statistic: Statistic, pair: Pair) -> Scores:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return statistic.score(pair)


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
@pytest.mark.parametrize("case", CASES)
def test_a_number_or_a_reason_and_the_neighbour_is_not_moved(case: str, statistic: Statistic) -> None:
    together = quiet(statistic, replace(beside(case), memo={}))
    assert_sound(together)
    alone = quiet(statistic, replace(beside(""), memo={}))
    assert together.reasons[1] is None
    assert together.values[1] == alone.values[0]
    assert together.p_values[1] == pytest.approx(alone.p_values[0], rel=1e-9)
    assert together.reasons[0] == together.reasons[2]
    assert together.values[0] == pytest.approx(together.values[2], nan_ok=True)


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
def test_all_of_them_at_once(statistic: Statistic) -> None:
    assert_sound(quiet(statistic, replace(everything(), memo={})))


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
@pytest.mark.parametrize("times", [5_000, 5_000_000])
def test_ten_million_rows_and_more(times: int, statistic: Statistic) -> None:
    sides = replace(everything(), memo={})

    def larger(profile: Profile) -> Profile:
        with np.errstate(over="ignore"):
            return replace(profile, rows=profile.rows * times, cells=profile.cells * times, moments=profile.moments * times)

    many = quiet(statistic, replace(sides, reference=larger(sides.reference), current=larger(sides.current)))
    assert_sound(many)
    few = quiet(statistic, replace(sides, min_rows=1))
    good = [
        i
        for i, reason in enumerate(many.reasons)
        if reason is None and few.reasons[i] is None and sides.binning.subjects[i] in ("ties", "integers", "booleans")
    ]
    assert len(good) == 3
    if name(statistic) != "psi":  # its half counts weigh less
        assert many.values[good] == pytest.approx(few.values[good], rel=0.2, abs=0.05)


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
def test_profiles_of_no_rows(statistic: Statistic) -> None:
    sides = replace(everything(), min_rows=0)
    nothing = empty(sides.binning)
    for pair in (replace(sides, current=nothing), replace(sides, reference=nothing, memo={}), replace(sides, reference=nothing, current=nothing, memo={})):
        scores = quiet(statistic, replace(pair, memo={}))
        assert_sound(scores)
        assert None not in scores.reasons


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
def test_one_row_has_a_number_where_a_rule_asks_for_no_more(statistic: Statistic) -> None:
    binning = make_binning({"x": column(SOUND[0])}, {}, None, ())
    reference, one = make_reference_profile(binning, {"x": column(SOUND[0])}, len(SOUND[0])), make_reference_profile(binning, {"x": column([0.5])}, 1)
    assert quiet(statistic, Pair(binning, reference, one, (0,))).reasons == ("1 of 200 rows",)
    scores = quiet(statistic, Pair(binning, reference, one, (0,), 1))
    assert scores.reasons == (None,)
    assert_sound(scores)


@pytest.mark.parametrize("kind", ["wasserstein", "mean_shift"])
@pytest.mark.parametrize("case", ["constant reference", "constant on both sides", "one reference row"])
def test_a_reference_that_never_varies_is_told(kind: str, case: str) -> None:
    assert quiet(Statistic.member(kind)(), features({"x": CASES[case]})).reasons == ("constant reference",)


def test_numbers_too_large_for_a_p_value_have_no_score_rather_than_no_significance() -> None:
    assert quiet(Statistic.member("mean_shift")(), features({"x": CASES["too large for their squares"]})).reasons == ("values too large",)


NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64), st.sampled_from([0.0, 1.0, -1.0, 1e308, -1e308, 5e-324]), st.integers(-3, 3).map(float)
)


@settings(max_examples=60, deadline=None)
@given(reference=arrays(np.float64, st.integers(1, 60), elements=NUMBERS), current=arrays(np.float64, st.integers(1, 60), elements=NUMBERS))
def test_any_numbers(reference: Floats, current: Floats) -> None:
    there, here = column(reference), column(current)
    binning = make_binning({"x": there}, {}, None, ())
    sides = Pair(binning, make_reference_profile(binning, {"x": there}, len(reference)), make_reference_profile(binning, {"x": here}, len(current)), (0,), 1)
    for statistic in STATISTICS:
        assert_sound(quiet(statistic, sides))
    same = replace(sides, current=sides.reference, memo={})
    for statistic in STATISTICS:
        scores = quiet(statistic, same)
        if scores.reasons == (None,):
            assert scores.values[0] == pytest.approx(0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    reference=st.lists(st.integers(0, 10**9), min_size=2, max_size=40), current=st.lists(st.integers(0, 10**9), min_size=2, max_size=40), seed=st.integers(0, 9)
)
def test_any_counts_of_categories(reference: list[int], current: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"n{i}" for i in range(max(len(reference) - 3, 1))]
    binning = make_binning({"x": column(names)}, {}, None, ())

    def counted(counts: list[int]) -> Profile:
        cells = np.zeros(binning.size, dtype=np.int64)
        np.add.at(cells, rng.integers(0, binning.size, len(counts)), np.array(counts))
        return replace(empty(binning), rows=int(cells.sum()), cells=cells)

    sides = Pair(binning, counted(reference), counted(current), (0,))
    for statistic in STATISTICS:
        assert_sound(quiet(statistic, sides))
