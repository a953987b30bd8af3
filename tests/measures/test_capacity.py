"""How many instances the traffic needs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.measures.views import durations, served, told, view
from watchtower.measures.capacity import Capacity, instances
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import View
from watchtower.nouns.settings import CapacitySettings, Watched

FIFTY = CapacitySettings(per_instance=10)
LIMIT = CapacitySettings(p99_limit=timedelta(milliseconds=100))


@pytest.mark.parametrize(("rate", "each", "expected"), [(100, 10, 12), (101, 10, 14), (35, 1, 42), (1, 50, 2), (50, 50, 2), (3000, 50, 72)])
def test_the_formula(rate: float, each: float, expected: int) -> None:
    assert instances(rate, each) == expected


def window(rows: int, seconds: float, *names: str) -> Profile:
    return replace(served(rows), latency=durations([seconds] * rows), instances={name: rows / len(names) for name in names})


def over(settings: CapacitySettings | None, *windows: Profile) -> View:
    return replace(view(windows[-1]), run=tuple({("1", ""): each} for each in windows), settings=Watched(capacity=settings))


def test_the_peak_of_the_windows_counts_not_the_last_one() -> None:
    scores = Capacity().score("instances", over(FIFTY, served(600), served(6000), served(60)))
    assert told(scores) == {"": 12.0}
    assert scores.n.tolist() == [6660]


def test_all_versions_and_what_was_not_sampled_count() -> None:
    both = {("1", ""): served(30, 3000.0), ("2", ""): served(3000), ("2", "country=DE"): served(3000)}
    assert told(Capacity().score("instances", replace(over(FIFTY, served(1)), run=(both,)))) == {"": 12.0}


def test_an_instances_rate_is_estimated_where_p99_kept_the_limit() -> None:
    """1,200 rows a minute on two pods is 10 a second each within 100 ms; 40 a second each was too much; the peak of 80 a second needs 8 + 2."""
    its = over(LIMIT, window(1200, 0.05, "a", "b"), window(4800, 0.4, "a", "b"), window(60, 0.01, "a"))
    assert told(Capacity().score("instances", its)) == {"": 10.0}


def test_what_cannot_be_known_says_why() -> None:
    assert told(Capacity().score("instances", over(LIMIT, window(1200, 0.4, "a")))) == {"": "P99 stayed within 0.1 s in none of 1 windows"}
    assert told(Capacity().score("instances", over(LIMIT, window(99, 0.01, "a")))) == {"": "no window of at least 100 rows with a latency"}
    assert told(Capacity().score("instances", over(LIMIT, replace(window(200, 0.01, "a"), instances={})))) == {"": "no instances logged"}
    assert told(Capacity().score("instances", over(FIFTY, served(0)))) == {"": "no rows"}
    assert told(Capacity().score("instances", over(None, served(9)))) == {"": "no capacity configured: say capacity: {per_instance: …} or {p99_limit: …}"}


def test_settings_say_one_of_the_two() -> None:
    with pytest.raises(ValueError, match="say per_instance, or p99_limit"):
        CapacitySettings()


def test_what_a_sum_of_weights_is_off_by_needs_no_instance() -> None:
    """1,800 rows of a log that holds three of ten stand for 6,000, and a little more as floats add up."""
    off = sum([1 / 0.3] * 900) + sum([1 / 0.3] * 900)
    assert told(Capacity().score("instances", over(FIFTY, served(1800, max(off, 6000.000000000001))))) == {"": 12.0}
