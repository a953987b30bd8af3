"""A classifier that tells windows from the reference."""

import numpy as np
import pytest

from watchtower.analyses.domain_classifier import DomainClassifier, area_and_p

pytest.importorskip("sklearn")


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    # pairs (first, second): (1,2) (1,3) right, (2,2) tied, (2,3) right: 3.5 of 4
    assert area_and_p(np.array([1.0, 2.0]), np.array([2.0, 3.0]))[0] == pytest.approx(3.5 / 4)


def test_its_p_value_is_scipys_without_the_continuity_correction() -> None:
    from scipy.stats import mannwhitneyu

    random = np.random.default_rng(5)
    first, second = random.integers(0, 8, 90).astype(float), random.integers(1, 9, 110).astype(float)
    expected = mannwhitneyu(second, first, alternative="greater", use_continuity=False, method="asymptotic").pvalue
    assert area_and_p(first, second)[1] == pytest.approx(expected, rel=1e-9)


def test_all_scores_alike_say_nothing() -> None:
    assert area_and_p(np.ones(4), np.ones(3)) == (0.5, 1.0)


def test_what_only_a_combination_of_features_shows_is_seen() -> None:
    random = np.random.default_rng(2)
    plain, tied = random.normal(size=(600, 2)), random.normal(size=(600, 2))
    tied[:, 1] = tied[:, 0] * 0.9 + tied[:, 1] * np.sqrt(1 - 0.81)
    found = DomainClassifier(trees=20).score(plain, tied, 1)
    assert found.value > 0.3
    assert found.p_value < 1e-6


def test_a_wide_table_is_narrowed_without_a_look_at_which_row_is_whose() -> None:
    random = np.random.default_rng(4)
    table = random.normal(size=(400, 80))
    found = DomainClassifier(trees=10).score(table[:200], table[200:], 1)
    assert found.p_value > 0.001
