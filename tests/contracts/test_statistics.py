"""What every drift statistic must do; a new kind is tested before its author writes a test."""

from dataclasses import replace

import numpy as np
import pytest

from tests.statistics.pairs import Values, counts, every_statistic, pair
from watchtower.core.merging import merge
from watchtower.nouns.batch import FeatureType
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Pair
from watchtower.statistics import Statistic

STATISTICS = every_statistic()
MONOTONE = [each for each in STATISTICS if each.kind_name() in {"kolmogorov_smirnov", "wasserstein", "mean_shift"}]
RNG = np.random.default_rng(71)
NORMAL, SKEWED, NAMES = RNG.normal(10, 3, 2_000), RNG.lognormal(size=2_000), [f"n{i}" for i in RNG.integers(0, 9, 2_000)]


def name(statistic: Statistic) -> str:
    return statistic.kind_name()


def three(rows: slice) -> dict[str, Values]:
    return {"names": NAMES[rows], "normal": NORMAL[rows], "skewed": SKEWED[rows]}


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
def test_identical_profiles_score_zero(statistic: Statistic) -> None:
    sides = pair(three(slice(None)), three(slice(None)))
    scores = statistic.score(sides)
    fits = np.array([kind in statistic.types for kind in sides.binning.types])
    assert scores.subjects == ("names", "normal", "skewed")
    assert scores.values[fits] == pytest.approx(0.0, abs=1e-7)
    assert (scores.p_values[fits] > 0.99).all()
    assert all((reason is None) == fit for reason, fit in zip(scores.reasons, fits, strict=True))


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
@pytest.mark.parametrize("current", [[5.0] * 300, [-1e9] * 300, [1e9, -1e9] * 200, list(range(400)), [np.nan] * 200 + [3.0] * 200])
def test_scores_are_finite_and_not_negative_with_empty_bins(statistic: Statistic, current: list[float]) -> None:
    scores = statistic.score(pair(NORMAL, current))
    assert scores.reasons == (None,)
    assert np.isfinite(scores.values).all()
    assert (scores.values >= 0).all()
    assert ((scores.p_values >= 0) & (scores.p_values <= 1)).all()


@pytest.mark.parametrize("statistic", [each for each in STATISTICS if FeatureType.CATEGORICAL in each.types], ids=name)
@pytest.mark.parametrize("current", [counts(n1=300), counts(new=300), [None] * 300, counts(n1=1, n2=299)])
def test_categories_too(statistic: Statistic, current: list[str]) -> None:
    reference = pair({"x": NAMES}, {"x": current}) if any(current) else pair({"x": [*NAMES, None]}, {"x": ["n1", *current]})
    scores = statistic.score(reference)
    assert scores.reasons == (None,)
    assert np.isfinite(scores.values).all()
    assert (scores.values > 0).all()
    assert (scores.p_values < 1e-6).all()


@pytest.mark.parametrize("statistic", MONOTONE, ids=name)
def test_a_larger_location_shift_scores_higher(statistic: Statistic) -> None:
    values = [float(statistic.score(pair(NORMAL, NORMAL[:500] + shift)).values[0]) for shift in (0.5, 1.0, 2.0, 4.0, 8.0)]
    assert values == sorted(values)
    assert values[0] < values[-1]


def parts() -> tuple[Pair, list[Profile]]:
    first, second = pair(three(slice(None)), three(slice(0, 300))), pair(three(slice(None)), three(slice(300, 1_000)))
    return pair(three(slice(None)), three(slice(0, 1_000))), [first.current, second.current]


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
def test_the_score_of_a_merge_is_the_score_of_the_rows_folded_together(statistic: Statistic) -> None:
    whole, halves = parts()
    merged = statistic.score(replace(whole, current=merge(halves), memo={}))
    assert merged.values == pytest.approx(statistic.score(whole).values, nan_ok=True)
    assert merged.p_values == pytest.approx(statistic.score(whole).p_values, nan_ok=True)


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
def test_few_rows_are_a_reason_that_counts_them(statistic: Statistic) -> None:
    assert statistic.score(pair(NORMAL, NORMAL[:112])).reasons == ("112 of 200 rows",)
    assert statistic.score(pair(NORMAL, NORMAL[:1_112], min_rows=5_000)).reasons == ("1,112 of 5,000 rows",)
    assert statistic.score(pair(NORMAL, NORMAL[:50], min_rows=20)).reasons == (None,)
    assert statistic.score(pair(NORMAL, [])).reasons == ("no rows",)


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
def test_nothing_in_the_reference_is_a_reason(statistic: Statistic) -> None:
    sides = pair(NORMAL, NORMAL[:300])
    bare = replace(sides.reference, rows=0, cells=np.zeros_like(sides.reference.cells), moments=np.zeros_like(sides.reference.moments))
    assert statistic.score(replace(sides, reference=bare, memo={})).reasons == ("no rows in the reference",)


@pytest.mark.parametrize("statistic", STATISTICS, ids=name)
def test_any_choice_of_subjects_keeps_its_order(statistic: Statistic) -> None:
    sides = pair(three(slice(None)), three(slice(0, 900)))
    everything = statistic.score(sides)
    for indexes in ((), (2,), (2, 0), (0,), (1, 2)):
        scores = statistic.score(replace(sides, indexes=indexes, memo={}))
        assert scores.subjects == tuple(everything.subjects[i] for i in indexes)
        assert scores.values == pytest.approx(everything.values[list(indexes)], nan_ok=True)
