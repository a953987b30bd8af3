"""Scoring stays vectorised over features: loose bounds, a few times what `python -m tests.benchmarks.scoring` measures on a quiet machine."""

from tests.benchmarks.scoring import by_statistic, sides, window


def test_eight_statistics_of_a_thousand_features() -> None:
    """Asked are 50 ms; a loop over features takes seconds."""
    found = sides(900, 100, 1_000)
    assert min(sum(by_statistic(found).values()) for _ in range(5)) < 150


def test_a_windows_board() -> None:
    """Asked are 5 ms."""
    found = sides(40, 10, 1_000)
    assert min(window(found) for _ in range(5)) < 20
