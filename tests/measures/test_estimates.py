"""Intervals, against published or hand-computed ones and their coverage."""

import numpy as np
import pytest
from scipy import stats

from watchtower.measures._estimates import Estimate, joined_scores, newcombe, ratio, student, told, wilson
from watchtower.nouns.score import Scores


def bounds(it: Estimate) -> tuple[float, float]:
    return it.low, it.high


def test_wilson_is_scipys() -> None:
    for count, n in ((0, 20), (3, 20), (81, 263), (20, 20)):
        expected = stats.binomtest(count, n).proportion_ci(method="wilson")
        assert bounds(wilson(count / n, n)) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_newcombe_is_the_papers_example() -> None:
    """56/70 and 48/80: Newcombe (1998), table II (a), method 10."""
    assert bounds(newcombe((56 / 70, 70), (48 / 80, 80))) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_student_is_scipys_of_the_rows() -> None:
    rows = np.array([1.0, 2.0, 4.0, 9.0])
    expected = stats.ttest_1samp(rows, 0).confidence_interval()
    assert bounds(student(4.0, float(rows.var()), 4)) == pytest.approx((expected.low, expected.high))
    assert student(0.5, 0.0, 1).low == -np.inf
    assert bounds(student(0.9, 0.25, 4, 0.0, 1.0))[1] == 1.0


def test_a_ratio_is_bounded_by_its_logarithm() -> None:
    """60/100 over 80/100: ln(60.5/80.5) ± 1.96 √(1/60.5 - 1/100.5 + 1/80.5 - 1/100.5)."""
    found = ratio((0.6, 100), (0.8, 100))
    assert found.value == pytest.approx(0.75)
    assert bounds(found) == pytest.approx((0.6237, 0.9056), abs=5e-5)
    assert bounds(ratio((0.0, 50), (0.5, 50)))[0] == 0.0


def test_a_ratio_holds_the_true_one_in_most_samples() -> None:
    rng = np.random.default_rng(5)
    pairs = rng.binomial(200, [0.3, 0.4], (2_000, 2)) / 200
    held = [low <= 0.75 <= high for low, high in (bounds(ratio((a, 200), (b, 200))) for a, b in pairs.tolist())]
    assert 0.93 <= np.mean(held) <= 0.975


def test_what_has_no_bounds_shows_none() -> None:
    scores = told(["a", "b", "c"], [(wilson(0.5, 4), 4), (1.0, 4), ("no rows", 0)])
    assert sorted(scores.more(0)) == ["high", "low"]
    assert (scores.more(1), scores.reasons) == ({}, (None, None, "no rows"))
    both = joined_scores(Scores.one(1.0, 3), scores)
    assert (both.subjects, both.more(0), sorted(both.more(1))) == (("", "a", "b", "c"), {}, ["high", "low"])
