"""Reasons not to roll back now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchtower.core.guards import Busy, Freeze, Seen, changing, holding
from watchtower.nouns.freezing import FreezeWindow, MinimumTraffic
from watchtower.nouns.plan import Plan
from watchtower.nouns.settings import AtMost, GuardSettings
from watchtower.nouns.step import Step

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
PLAN = Plan("p1", "fraud", "i1", Step.ON_TRIAL, "2", ("1",), NOW - timedelta(minutes=5))
SETTINGS = GuardSettings(cooldown=timedelta(hours=1), at_most=AtMost(times=3, per=timedelta(days=1)), max_age=timedelta(minutes=15))
SEEN = Seen(SETTINGS, NOW, NOW, "2", "2")
FREEZE = Freeze("fraud", "ana@host", NOW - timedelta(minutes=12), reason="migration")


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


@pytest.mark.parametrize(
    ("seen", "reasons"),
    [
        (SEEN, []),
        (replace(SEEN, target_current=None), []),
        (replace(SEEN, rollbacks=[ago(hours=1)]), []),
        (replace(SEEN, rollbacks=[ago(minutes=12)]), ["cooldown: 12m since the last rollback < 1h"]),
        (replace(SEEN, rollbacks=[ago(hours=9), ago(hours=5)]), []),
        (replace(SEEN, rollbacks=[ago(hours=9), ago(hours=5), ago(hours=2)]), ["at_most: 3 rollbacks in the last 1d >= 3"]),
        (replace(SEEN, rollbacks=[ago(hours=24), ago(hours=5), ago(hours=2)]), []),
        (replace(SEEN, evidence_end=ago(seconds=900)), []),
        (replace(SEEN, evidence_end=ago(seconds=901)), ["max_age: the evidence is 15m 1s old > 15m"]),
        (replace(SEEN, live="3"), ["live version unclear: the traffic shows 3, the trial judged 2"]),
        (replace(SEEN, live=None), ["live version unclear: the traffic shows none, the trial judged 2"]),
        (replace(SEEN, target_current="3"), ["live version unclear: the target names 3, the traffic shows 2"]),
        (replace(SEEN, freeze=FREEZE), ["frozen: ana@host froze fraud until it is thawed (migration), 12m ago"]),
        (
            replace(SEEN, freeze=replace(FREEZE, model="", reason="", until=NOW + timedelta(hours=1))),
            ["frozen: ana@host froze every model until 2026-11-20 11:00:00 UTC, 12m ago"],
        ),
        (replace(SEEN, busy=Busy("c-p1", "churn", "verifying")), ["one at a time: plan c-p1 of churn acts on the same target, it is verifying"]),
        (replace(SEEN, artefact="version 1 has no model.onnx"), ["artefact: version 1 has no model.onnx"]),
    ],
)
def test_a_guard_says_its_name_and_its_arithmetic(seen: Seen, reasons: list[str]) -> None:
    assert holding(PLAN, seen) == reasons


def test_no_cooldown_never_holds() -> None:
    free = SETTINGS.model_copy(update={"cooldown": timedelta(0)})
    assert holding(PLAN, replace(SEEN, settings=free, rollbacks=[NOW])) == []


def test_all_guards_that_hold_are_named_and_some_are_looked_at_again_before_the_call() -> None:
    seen = replace(SEEN, rollbacks=[ago(hours=1)] * 3, evidence_end=ago(minutes=30), live="3", target_current="4", freeze=FREEZE, artefact="gone")
    expected = ["frozen", "live version unclear", "live version unclear", "max_age", "cooldown", "at_most", "artefact"]
    assert [each.partition(":")[0] for each in holding(PLAN, seen)] == expected
    assert [each.partition(":")[0] for each in changing(PLAN, seen)] == expected[:4]


@pytest.mark.parametrize(
    ("least", "rows", "reasons"),
    [
        (MinimumTraffic(rows=200), 200, []),
        (MinimumTraffic(rows=200), 199, ["minimum_traffic: 199 rows in the last 5 windows < 200"]),
        (MinimumTraffic(per_second=0.5), 150, []),
        (MinimumTraffic(per_second=0.5), 39, ["minimum_traffic: 0.13 predictions per second in the last 5 windows < 0.5"]),
        (MinimumTraffic(rows=1, windows=1), 0, ["minimum_traffic: 0 rows in the last window < 1"]),
    ],
)
def test_the_least_traffic_is_counted_over_the_last_windows(least: MinimumTraffic, rows: int, reasons: list[str]) -> None:
    settings = SETTINGS.model_copy(update={"minimum_traffic": least})
    assert holding(PLAN, replace(SEEN, settings=settings, traffic=(rows, 300.0))) == reasons


WEEKEND = {"days": ["fri"], "from": "16:00", "to": "23:59", "timezone": "Europe/Berlin"}
NIGHT = {"from": "22:00", "to": "06:00"}
HOLIDAYS = {"from": "2026-12-20", "to": "2027-01-02", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("window", "at", "held"),
    [
        (WEEKEND, "2026-11-20T14:59:59Z", False),  # a Friday; 15:59:59 in Berlin
        (WEEKEND, "2026-11-20T15:00:00Z", True),
        (WEEKEND, "2026-11-20T22:59:59Z", True),  # 23:59:59: the minute is inside
        (WEEKEND, "2026-11-20T23:00:00Z", False),  # Saturday there
        (WEEKEND, "2026-11-19T16:00:00Z", False),
        (WEEKEND, "2026-07-03T14:00:00Z", True),  # 16:00 in summer time
        (WEEKEND, "2026-07-03T13:59:00Z", False),
        (NIGHT, "2026-11-20T21:59:00Z", False),
        (NIGHT, "2026-11-20T22:00:00Z", True),
        (NIGHT, "2026-11-20T06:00:30Z", True),
        (NIGHT, "2026-11-20T06:01:00Z", False),
        (NIGHT | {"days": ["sat"]}, "2026-11-22T05:00:00Z", True),  # Sunday morning belongs to Saturday's night
        (NIGHT | {"days": ["sat"]}, "2026-11-21T05:00:00Z", False),
        ({"days": ["sun"]}, "2026-11-22T23:59:59Z", True),
        ({"days": ["sun"]}, "2026-11-23T00:00:00Z", False),
        (HOLIDAYS, "2026-12-19T22:59:00Z", False),
        (HOLIDAYS, "2026-12-19T23:00:00Z", True),  # the 20th has begun in Berlin
        (HOLIDAYS, "2027-01-02T22:59:59Z", True),
        (HOLIDAYS, "2027-01-02T23:00:00Z", False),
        ({"from": "2026-12-20T18:00", "to": "2026-12-20T20:00"}, "2026-12-20T19:00:00Z", True),
        ({"from": "2026-12-20T18:00", "to": "2026-12-20T20:00"}, "2026-12-20T20:00:00Z", False),
    ],
)
def test_a_freeze_window_holds_in_its_own_time_zone(window: dict[str, object], at: str, held: bool) -> None:  # noqa: FBT001  a column of the table
    now = datetime.fromisoformat(at)
    settings = SETTINGS.model_copy(update={"freeze": (FreezeWindow.model_validate(window),)})
    found = holding(PLAN, replace(SEEN, settings=settings, now=now, evidence_end=now))
    assert bool(found) is held
    assert all(each.startswith("freeze_window: ") and each.endswith("there lies in it") for each in found)


def test_a_freeze_window_says_which_and_what_time_it_is_there() -> None:
    settings = SETTINGS.model_copy(update={"freeze": (FreezeWindow.model_validate(WEEKEND),)})
    now = datetime(2026, 11, 20, 16, 12, tzinfo=UTC)
    found = holding(PLAN, replace(SEEN, settings=settings, now=now, evidence_end=now))
    assert found == ["freeze_window: fri 16:00 to 23:59 Europe/Berlin: fri 17:12 there lies in it"]


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"timezone": "Mars/Olympus"}, "'Mars/Olympus' is no time zone"),
        ({"from": "16:00", "to": "2026-12-20"}, "write two times of day"),
        ({"from": "2026-12-20"}, "write two times of day"),
        ({"from": "2026-12-20", "to": "2026-12-19"}, "ends before it begins"),
        ({"from": "25:00", "to": "26:00"}, "write two times of day"),
    ],
)
def test_a_freeze_window_that_cannot_be_read_is_an_error(window: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FreezeWindow.model_validate(window)


def test_least_traffic_is_written_as_people_say_it() -> None:
    assert GuardSettings.model_validate({"minimum_traffic": "0.5 per second"}).minimum_traffic == MinimumTraffic(per_second=0.5)
    assert GuardSettings.model_validate({"minimum_traffic": "1,200 rows in 3 windows"}).minimum_traffic == MinimumTraffic(rows=1200, windows=3)
    with pytest.raises(ValueError, match="200 rows in 5 windows"):
        GuardSettings.model_validate({"minimum_traffic": "some"})


def test_a_canary_is_judged_beside_the_stable_version_whatever_the_target_names() -> None:
    canary = replace(PLAN, canary=True)
    assert holding(canary, replace(SEEN, live="1", target_current="7")) == []
    assert holding(canary, SEEN) == ["live version unclear: the traffic shows 2, the trial judged 1"]
