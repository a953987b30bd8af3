"""Machines on a board: which windows' readings a score sees, whose it is, and what has no rows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.measures.machines import TEN, Told, minute, read
from tests.measures.views import durations, served, told
from watchtower.core.scoring import score
from watchtower.nouns.profile import GpuReadings, Profile
from watchtower.nouns.score import Closed, MeasureName, Need, Over, Slot
from watchtower.nouns.settings import CapacitySettings, Watched

WINDOWS: list[Told] = [{("gpu.power", "0"): (100.0 * (n + 1),), ("resource.queue", "a"): (float(n),)} for n in range(3)]
WINDOW = minute(2)
RUN = tuple({("1", ""): served(rows)} for rows in (600, 60, 6))


def closed(over: Over, span: int = 1, **changes: object) -> Closed:
    profiles: Mapping[tuple[str, str, Over], Profile] = {("1", "", over): served(6), ("1", "", Over()): served(6)}
    plain = Closed("m", WINDOW, "1", profiles, {("", over): span, ("", Over()): 1}, {}, {}, None, "no reference", readings=read(*WINDOWS), run=RUN)
    return replace(plain, **changes)  # type: ignore[arg-type]


def found(at: Closed, need: Need, version: str = "1") -> dict[str, float | str]:
    return told(score(at, frozenset({need})).scores[Slot(version, "", need)])


@pytest.mark.parametrize(("over", "span", "power"), [(Over(), 1, 300.0), (Over(3), 2, 250.0), (Over(3), 3, 200.0)])
def test_a_score_sees_the_readings_of_the_windows_that_its_rows_are_of(over: Over, span: int, power: float) -> None:
    assert found(closed(over, span), Need(MeasureName.parse("gpu.power"), over)) == {"0": power}


def test_what_machines_do_is_told_once_for_the_whole_model() -> None:
    other = {("2", "", Over()): served(9), ("1", "", Over()): served(6)}
    need = Need(MeasureName.parse("resource.queue"))
    board = score(closed(Over(), profiles=other), frozenset({need}))
    assert set(board.scores) == {Slot("", "", need)}
    assert told(board.scores[Slot("", "", need)]) == {"a": 2.0}


def test_the_peak_is_of_the_windows_before_a_change_of_version_too() -> None:
    """600 in a minute is 10 a second: 10 + 2; the last window alone needs 1 + 1."""
    settings = Watched(capacity=CapacitySettings(per_instance=1))
    need = Need(MeasureName.parse("capacity.instances"), Over(3))
    assert found(closed(Over(3), 1, settings=settings), need, "") == {"": 12.0}
    assert found(closed(Over(), 1, settings=settings), replace(need, over=Over()), "") == {"": 2.0}


def test_a_models_share_is_of_all_its_versions() -> None:
    each = replace(served(6), compute=durations([6.0]), gpu={"0": GpuReadings(6, 3.0, 0.0, 0.0)})
    whole = replace(served(12), compute=durations([6.0, 6.0]), gpu={"0": GpuReadings(12, 6.0, 0.0, 0.0)})
    profiles = {("1", "", Over()): each, ("2", "", Over()): each, ("", "", Over()): whole}
    assert found(closed(Over(), profiles=profiles), Need(MeasureName.parse("gpu.model_share")), "") == {"0": pytest.approx(0.4)}


def test_min_rows_counts_rows_and_machines_have_none() -> None:
    assert found(closed(Over()), Need(MeasureName.parse("gpu.power"), min_rows=200)) == {"0": 300.0}
    assert found(closed(Over()), Need(MeasureName.parse("traffic.share"), min_rows=200)) == {"": "6 of 200 rows"}


def test_a_version_is_as_old_as_its_first_window() -> None:
    need = Need(MeasureName.parse("version.age"))
    assert found(closed(Over(), began={"1": TEN}), need) == {"": 180.0}
    assert timedelta(seconds=180) == WINDOW.end - TEN
