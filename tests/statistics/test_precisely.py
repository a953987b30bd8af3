"""What docs/statistics.md says of cells and scores, sentence by sentence."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.statistics.pairs import counts, every_statistic, only, pair
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.nouns.batch import FeatureType, TextColumn, VectorColumn
from watchtower.nouns.score import Pair
from watchtower.nouns.settings import FeatureSettings
from watchtower.statistics import Statistic
from watchtower.statistics.psi import Psi

ON_CELLS = [each for each in every_statistic() if FeatureType.CATEGORICAL in each.types]
ON_NUMBERS = [each for each in every_statistic() if FeatureType.CATEGORICAL not in each.types]
RNG = np.random.default_rng(12)
NORMAL = RNG.normal(size=4_000)


def name(statistic: Statistic) -> str:
    return statistic.kind_name()


def test_every_statistic_is_of_one_of_both_manners() -> None:
    assert sorted(map(name, ON_CELLS)) == ["chi_square", "hellinger", "jensen_shannon", "psi", "total_variation"]
    assert sorted(map(name, ON_NUMBERS)) == ["anderson_darling", "cramer_von_mises", "kolmogorov_smirnov", "mean_shift", "wasserstein"]


@pytest.mark.parametrize("statistic", ON_CELLS, ids=name)
@pytest.mark.parametrize("sides", [(["a"] * 300, ["a"] * 300), ([5.0] * 300, [5.0] * 300)], ids=["a category", "a number"])
def test_one_cell_is_value_0_and_p_1(statistic: Statistic, sides: tuple[list[float], list[float]]) -> None:
    assert only(statistic.score(pair(*sides))) == (0.0, 1.0)


@pytest.mark.parametrize("statistic", ON_CELLS, ids=name)
def test_missing_rows_are_a_cell_and_count(statistic: Statistic) -> None:
    scores = statistic.score(pair(NORMAL, np.where(np.arange(1_000) < 100, math.nan, NORMAL[:1_000])))
    assert scores.n.tolist() == [1_000]
    assert scores.values[0] > 0.01
    assert scores.p_values[0] < 1e-6


@pytest.mark.parametrize("statistic", ON_NUMBERS, ids=name)
def test_or_they_are_left_out_and_do_not_count(statistic: Statistic) -> None:
    with_gaps = statistic.score(pair(NORMAL, np.concatenate([NORMAL[:900], np.full(500, math.nan)])))
    assert with_gaps.n.tolist() == [900]
    assert only(with_gaps) == only(statistic.score(pair(NORMAL, NORMAL[:900])))


@pytest.mark.parametrize("kind", ["psi", "jensen_shannon", "hellinger", "total_variation", "chi_square"])
def test_bins_are_of_numbers_and_do_not_touch_categories(kind: str) -> None:
    few, many = (Statistic.member(kind).model_validate({"bins": bins}) for bins in (2, 40))
    names = pair(counts(a=300, b=200, c=100), counts(a=100, b=200, c=300))
    assert only(few.score(names)) == only(many.score(names))
    numbers = pair(NORMAL, NORMAL[:1_000] * 3)
    assert only(few.score(numbers)) != only(many.score(numbers))


def test_at_most_thirteen_cells_of_a_number() -> None:
    sides = pair(
        np.concatenate([NORMAL, np.full(400, math.nan)]), np.concatenate([NORMAL[:1_000], np.full(300, 99.0), np.full(300, -99.0), np.full(100, math.nan)])
    )
    scores = Psi().score(sides)
    assert scores.excess is not None
    there, here = 4_400, 1_700
    k = 1 + (scores.values[0] - scores.excess[0]) / (1 / there + 1 / here)
    assert k == pytest.approx(13)


def test_a_new_cell_weighs_more_the_larger_the_reference() -> None:
    """2 % of nulls where there were none: 0.12 of 10,000 rows on both sides, 0.26 of 10 million."""
    found = []
    for times in (1, 1_000):
        reference = np.repeat(np.arange(100.0), 100)
        sides = pair(reference, np.concatenate([reference[:9_800], np.full(200, math.nan)]))
        cells = [profile.cells * times for profile in (sides.reference, sides.current)]
        larger = replace(sides, reference=replace(sides.reference, cells=cells[0]), current=replace(sides.current, cells=cells[1]), memo={})
        found.append(only(Psi().score(larger))[0])
    assert found == [pytest.approx(0.12, abs=0.01), pytest.approx(0.26, abs=0.01)]


@pytest.mark.parametrize("statistic", every_statistic(), ids=name)
@pytest.mark.parametrize("kind", [FeatureType.TEXT, FeatureType.EMBEDDING])
def test_texts_and_vectors_have_no_cells(statistic: Statistic, kind: FeatureType) -> None:
    column = TextColumn(np.zeros(300, dtype=np.int32), ("some words",)) if kind is FeatureType.TEXT else VectorColumn(np.ones((300, 4)))
    binning = make_binning({"x": column}, {"x": FeatureSettings(type=kind)}, None, ())
    profile = make_reference_profile(binning, {"x": column}, 300)
    place = binning.subjects.index("x")
    (reason,) = statistic.score(Pair(binning, profile, profile, (place,))).reasons
    assert reason is not None
    assert reason.endswith(" features only")
