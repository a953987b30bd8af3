"""What is loaded beside a window: as far back as its scores look, and no more."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.measures.views import served
from tests.workers._acting import MINUTE, at
from watchtower.edges.clock import ManualClock
from watchtower.nouns.memory import Evaluation, Memory, Served
from watchtower.nouns.score import Board, MeasureName, Need, Over
from watchtower.nouns.window import Window
from watchtower.store import Store
from watchtower.workers.earlier import earlier

RATE = MeasureName("traffic", "rate")
LAST = 300


def window(n: int) -> Window:
    return Window(at(n), at(n + 1))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(at(0)).now)
    for n in range(LAST):
        live = "6" if n < 290 else "7"
        evaluation = Evaluation(Board("fraud", window(n), live, {}), (), Memory("fraud", evaluated_through=window(n).end), ())
        opened.evaluations.commit("fraud", window(n), {(live, ""): served(n + 1)}, evaluation, now=window(n).end)
    yield opened
    opened.close()


def loaded(store: Store, *needs: Need) -> tuple[list[int], list[int], dict[str, list[int]]]:
    found = earlier(store, "fraud", window(LAST), Served(live="7", previous="6", live_since=at(290)), frozenset(needs))

    def numbers(past: object) -> list[int]:
        return [(each.window.start - at(0)) // MINUTE for each in past]  # type: ignore[attr-defined]

    return numbers(found.past), numbers(found.before_change), {against: numbers(past) for against, past in found.ago.items()}


def test_only_the_rules_own_windows_are_loaded_where_it_compares_with_the_reference(store: Store) -> None:
    assert loaded(store, Need(RATE, Over(3))) == ([298, 299], [], {})


def test_of_hours_ago_only_the_windows_that_are_compared_are_loaded(store: Store) -> None:
    """Window 300 ends at minute 301; 4 hours before is minute 61: the window 60."""
    assert loaded(store, Need(RATE, Over(2), "4h"), Need(RATE, Over(3), "4h"), Need(RATE, against="10h"))[2] == {"4h": [58, 59, 60], "10h": []}


def test_the_windows_before_the_rules_own_are_loaded_too(store: Store) -> None:
    assert loaded(store, Need(RATE, Over(2), "previous_window"))[0] == [297, 298, 299]


def test_the_windows_before_the_live_version_began(store: Store) -> None:
    before = loaded(store, Need(RATE, Over(2), "previous_version"))[1]
    assert before[-2:] == [288, 289]
    assert len(before) <= 2 + 3


def test_what_is_loaded_is_what_was_live_then(store: Store) -> None:
    found = earlier(store, "fraud", window(LAST), Served(live="7"), frozenset({Need(RATE, against="1h")}))
    (then,) = found.ago["1h"]
    assert (then.live, then.profiles["6", ""].rows, then.window.end) == ("6", 241, window(LAST).end - timedelta(hours=1))
