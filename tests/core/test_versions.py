"""Which version is live, healthy, a candidate."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchtower.core.versions import Standing, aged, candidates, follow, natural
from watchtower.nouns.memory import Served
from watchtower.nouns.window import Window

START = datetime(2026, 5, 11, 6, tzinfo=UTC)
SIZE = timedelta(seconds=30)


def lives(*weights: dict[str, float]) -> list[str | None]:
    served, told = Served(), []
    for i, each in enumerate(weights):
        served = follow(served, each, Window(START + i * SIZE, START + (i + 1) * SIZE))
        told.append(served.live)
    return told


@pytest.mark.parametrize(
    ("weights", "live"),
    [
        ([{"3": 500}, {"4": 500}], ["3", "4"]),
        ([{"3": 500}, {"3": 200, "4": 300}, {"3": 150, "4": 350}, {"3": 450, "4": 50}], ["3", "3", "3", "3"]),
        ([{"3": 500}, {"3": 200, "4": 300}, {"3": 150, "4": 350}, {"3": 50, "4": 450}], ["3", "3", "3", "4"]),
        ([{"3": 500}, {}, {"3": 250, "4": 250}], ["3", "3", "3"]),
        ([{"3": 500}, {"3": 4, "4": 496}], ["3", "4"]),
    ],
)
def test_live_changes_at_once_when_the_old_one_is_gone_else_in_the_third_window_running(weights: list[dict[str, float]], live: list[str]) -> None:
    assert lives(*weights) == live


def test_the_change_remembers_the_version_before_and_counts_windows_since() -> None:
    served = follow(Served(), {"3": 1.0}, Window(START, START + SIZE))
    served = follow(served, {"4": 1.0}, Window(START + SIZE, START + 2 * SIZE))
    assert (served.previous, served.since_change, served.live_since) == ("3", 0, START + SIZE)
    assert follow(served, {}, Window(START + 2 * SIZE, START + 3 * SIZE)).since_change == 1


def test_candidates_are_healthy_versions_newest_first_and_never_the_condemned() -> None:
    first = {"9": START, "10": START + SIZE, "11": START + 2 * SIZE}
    served = Served(live="11", first_served=first)
    assert candidates(served, Standing(healthy=("9", "10"))) == ("10", "9")
    assert candidates(replace(served, rolled_back_from=("10",)), Standing(healthy=("9", "10"))) == ("9",)
    assert candidates(served, Standing(healthy=("9", "10"), unhealthy=("9",))) == ("10",)


def test_sixty_quiet_windows_make_a_version_healthy_and_a_page_starts_anew() -> None:
    served = Served(live="1", first_served={"1": START})
    for _ in range(60):
        served = aged(served, paged=False)
    assert candidates(replace(served, live="2"), Standing()) == ("1",)
    assert candidates(replace(aged(served, paged=True), live="2"), Standing()) == ()


def test_natural_order_reads_numbers_as_numbers() -> None:
    assert sorted(["10", "9", "2026.10", "2026.9"], key=natural) == ["9", "10", "2026.9", "2026.10"]
