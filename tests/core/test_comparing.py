"""What a score compares with: which windows of which version, and why there are none."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.measures.views import folded, served
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.closing import Comparison, close
from watchtower.core.comparing import ago, windows_ago
from watchtower.core.scoring import score
from watchtower.core.spanning import Earlier, Past, Profiles, reach, together
from watchtower.nouns.batch import Column, NumberColumn
from watchtower.nouns.memory import Memory, Served
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, MeasureName, Need, Over, Slot
from watchtower.nouns.settings import FirstWindows, Watched
from watchtower.nouns.window import Window

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RATE = MeasureName("traffic", "rate")
PSI = MeasureName("drift", "psi")


def window(n: int) -> Window:
    return Window(START + n * MINUTE, START + (n + 1) * MINUTE)


def past(n: int, live: str | None, **rows: int) -> Past:
    """Window *n* with so many rows of each version (``v7=30``)."""
    return Past(window(n), live, {(name[1:], ""): served(count) for name, count in rows.items()})


def closed(
    windows: Sequence[Past], needs: set[Need], *, live: str = "7", before: Sequence[Past] = (), old: Mapping[str, Sequence[Past]] | None = None
) -> Closed:
    """The last of *windows* closed."""
    *earlier, base = windows
    memory = Memory("m", served=Served(live=live, previous="6"))
    return close("m", base.window, base.profiles, Earlier(earlier, before, old or {}), memory, Comparison(), frozenset(needs))


def rows(at: Closed, need: Need, version: str = "7") -> int | str:
    found = at.compared[version, "", need.over, need.against]
    return found if isinstance(found, str) else found.rows


def test_the_windows_before_are_those_right_before_the_rules_own() -> None:
    need = Need(RATE, Over(2), "previous_window")
    at = closed([past(n, "7", v7=2**n, v6=100) for n in range(6)], {need})
    assert rows(at, need) == 2**2 + 2**3
    assert rows(at, need, "") == 2**2 + 2**3 + 200
    assert at.profiles["7", "", Over(2)].rows == 2**4 + 2**5
    assert at.compared_windows["7", Over(2), "previous_window"] == 2


def test_before_there_are_enough_windows_fewer_are_compared_and_at_first_none() -> None:
    need = Need(RATE, Over(2), "previous_window")
    assert rows(closed([past(n, "7", v7=2**n) for n in range(3)], {need}), need) == 1
    assert rows(closed([past(n, "7", v7=2**n) for n in range(2)], {need}), need) == "no windows before"
    assert rows(closed([past(n, "7", v7=5) if n else past(n, "7", v6=5) for n in range(3)], {need}), need) == "no rows in the windows before"


def test_at_least_so_many_rows_are_taken_from_before_as_from_now() -> None:
    need = Need(RATE, Over(rows=25), "previous_window")
    at = closed([past(n, "7", v7=10) for n in range(9)], {need})
    assert (at.profiles["7", "", need.over].rows, rows(at, need)) == (30, 30)


def test_twice_as_many_windows_are_loaded_where_a_need_looks_before_its_own() -> None:
    assert reach({Need(RATE, Over(5))}) == 4
    assert reach({Need(RATE, Over(5), "previous_window"), Need(RATE, Over(7))}) == 9
    assert reach({Need(RATE, Over(rows=10), "previous_window")}) == 239


def test_a_duration_ago_is_what_was_live_then_in_as_many_windows() -> None:
    need = Need(RATE, Over(2), "1h")
    then = [past(n, "6", v6=2 ** (n + 60), v7=1) for n in range(-60, -54)]
    at = closed([past(n, "7", v7=100) for n in range(3)], {need}, old={"1h": then})
    assert rows(at, need) == 2**1 + 2**2
    assert rows(at, need, "") == 2**1 + 2**2 + 2
    assert rows(closed([past(n, "7", v7=100, v8=3) for n in range(3)], {need}, old={"1h": then}), need, "8") == "no rows 1h ago"
    assert rows(closed([past(n, "7", v7=100) for n in range(3)], {need}), need) == "no windows 1h ago"


@pytest.mark.parametrize(
    ("against", "size", "count"), [("1d", MINUTE, 1440), ("90s", MINUTE, 2), ("1h", timedelta(minutes=45), 2), ("1m", timedelta(hours=1), 1)]
)
def test_durations_are_rounded_up_to_windows(against: str, size: timedelta, count: int) -> None:
    assert windows_ago(against, size) == count


def test_only_durations_are_loaded_each_as_far_as_its_longest_over() -> None:
    needs = frozenset({Need(RATE, Over(5), "1d"), Need(RATE, Over(2), "1d"), Need(RATE, against="version:*"), Need(RATE, against="previous_window")})
    assert ago(needs) == {"1d": 5}


def test_the_previous_versions_last_windows_are_frozen_at_the_change() -> None:
    need = Need(RATE, Over(2), "previous_version")
    before = [past(n, "6", v6=2 ** (n + 9), v7=1) for n in range(-4, 0)]
    at = closed([past(0, "7", v7=5, v6=50)], {need}, before=before)
    assert (rows(at, need), rows(at, need, "")) == (2**7 + 2**8, 2**7 + 2**8 + 2)
    assert rows(closed([past(0, "7", v7=5)], {need}), need) == "no previous version"


def test_another_version_is_the_busiest_that_serves_now_and_ties_are_natural() -> None:
    need = Need(RATE, Over(2), "version:canary*")
    windows = [past(0, "7", v7=100, vcanary9=500), past(1, "7", v7=100, vcanary9=3, vcanary10=4)]
    assert rows(closed(windows, {need}), need) == 4
    assert rows(closed(windows, {need}), need, "canary10") == 503
    tied = [past(0, "7", v7=100, vcanary9=3, vcanary10=3)]
    assert closed(tied, {need}).compared["7", "", need.over, need.against] is tied[0].profiles["canary9", ""]
    gone = [past(0, "7", v7=1, vcanary9=3), past(1, "7", v7=1)]
    assert rows(closed(gone, {need}), need) == "no other version that serves now matches canary*"


def test_of_mixed_binnings_the_cells_are_of_the_wanted_one() -> None:
    first, second = (make_binning({"x": NumberColumn(np.arange(n, dtype=float))}, {}, None, ()) for n in (300, 400))
    parts = [folded(each, {"x": NumberColumn(np.arange(n, dtype=float))}, n) for each, n in ((first, 10), (second, 20))] + [served(5)]
    assert (together(parts).binning, together(parts).rows, int(together(parts).cells.sum())) == (second.id, 35, 20)
    assert (together(parts, first.id).binning, int(together(parts, first.id).cells.sum())) == (first.id, 10)
    assert together(parts[:1]) is parts[0]


# ---------------------------------------------------------------------------------------------- statistics

RNG = np.random.default_rng(3)


def columns(count: int, shift: float = 0.0) -> dict[str, Column]:
    return {"amount": NumberColumn(RNG.normal(shift, 1, count))}


BINNING = make_binning(columns(4_000), {}, None, ())
OTHER = make_binning(columns(3_000), {}, None, ())


def drifted(n: int, shift: float, live: str = "7", binning: object = BINNING) -> Past:
    return Past(window(n), live, {(live, ""): folded(binning, columns(800, shift), 800)})  # type: ignore[arg-type]


def drift(at: Closed, need: Need) -> float | str:
    scores = score(at, frozenset({need})).scores[Slot("7", "", need)]
    return scores.reasons[0] or float(scores.values[0])


def with_reference(windows: Sequence[Past], need: Need, old: Mapping[str, Sequence[Past]]) -> Closed:
    *earlier, base = windows
    comparison = Comparison(BINNING, {("", ""): make_reference_profile(BINNING, columns(4_000), 4_000)})
    return close("m", base.window, base.profiles, Earlier(earlier, (), old), Memory("m", served=Served(live="7")), comparison, frozenset({need}))


def test_a_rhythm_is_no_drift_against_the_same_time_of_the_day_before() -> None:
    need = Need(PSI, against="1h")
    windows = [drifted(0, 1.0)]
    assert float(drift(with_reference(windows, need, {"1h": [drifted(-60, 1.0)]}), need)) < 0.1
    assert float(drift(with_reference(windows, Need(PSI), {}), Need(PSI))) > 0.5
    assert float(drift(with_reference(windows, need, {"1h": [drifted(-60, 0.0)]}), need)) > 0.5


def test_windows_of_another_binning_are_not_compared() -> None:
    need = Need(PSI, against="1h")
    assert drift(with_reference([drifted(0, 1.0)], need, {"1h": [drifted(-60, 1.0, binning=OTHER)]}), need) == "1h ago under another binning"


def test_a_version_that_waits_for_its_own_reference_is_not_compared_with_the_models() -> None:
    profiles: Profiles = {("7", ""): folded(BINNING, columns(800), 800)}
    whole = make_reference_profile(BINNING, columns(4_000), 4_000)
    settings = Watched(reference=FirstWindows(kind="first_windows", per="version"))

    def at(references: Mapping[tuple[str, str], Profile], waiting: Mapping[str, str]) -> Closed:
        comparison = Comparison(BINNING, references, waiting=waiting)
        return close("m", window(0), profiles, Earlier(), Memory("m", served=Served(live="7")), comparison, frozenset({Need(PSI)}), settings)

    assert drift(at({("", ""): whole}, {"7": "reference of version 7: 3 of 15 windows"}), Need(PSI)) == "reference of version 7: 3 of 15 windows"
    assert float(drift(at({("", ""): whole, ("7", ""): whole}, {}), Need(PSI))) < 0.1
