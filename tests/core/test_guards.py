"""Reasons not to roll back now."""

from datetime import UTC, datetime, timedelta

import pytest

from watchtower.core.guards import holding
from watchtower.nouns.plan import Plan
from watchtower.nouns.settings import AtMost, GuardSettings
from watchtower.nouns.step import Step

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
PLAN = Plan("p1", "fraud", "i1", Step.ON_TRIAL, "2", ("1",), NOW - timedelta(minutes=5))
SETTINGS = GuardSettings(cooldown=timedelta(hours=1), at_most=AtMost(times=3, per=timedelta(days=1)), max_age=timedelta(minutes=15))


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


@pytest.mark.parametrize(
    ("rollbacks", "age", "live", "target", "frozen", "reasons"),
    [
        ([], 0, "2", "2", False, []),
        ([], 0, "2", None, False, []),
        ([ago(hours=1)], 0, "2", "2", False, []),
        ([ago(minutes=12)], 0, "2", "2", False, ["cooldown: 12m since the last rollback < 1h"]),
        ([ago(hours=9), ago(hours=5)], 0, "2", "2", False, []),
        ([ago(hours=9), ago(hours=5), ago(hours=2)], 0, "2", "2", False, ["at_most: 3 rollbacks in the last 1d >= 3"]),
        ([ago(hours=24), ago(hours=5), ago(hours=2)], 0, "2", "2", False, []),
        ([], 900, "2", "2", False, []),
        ([], 901, "2", "2", False, ["max_age: the evidence is 15m 1s old > 15m"]),
        ([], 0, "3", "2", False, ["live version unclear: the traffic shows 3, the trial judged 2"]),
        ([], 0, None, "2", False, ["live version unclear: the traffic shows none, the trial judged 2"]),
        ([], 0, "2", "3", False, ["live version unclear: the target names 3, the traffic shows 2"]),
        ([], 0, "2", "2", True, ["frozen: somebody froze actions; thaw to act again"]),
    ],
)
def test_a_guard_says_its_name_and_its_arithmetic(
    rollbacks: list[datetime],
    age: int,
    live: str | None,
    target: str | None,
    frozen: bool,  # noqa: FBT001  a column of the table
    reasons: list[str],
) -> None:
    end = ago(seconds=age)
    moved = [each - (NOW - end) for each in rollbacks]
    assert holding(PLAN, settings=SETTINGS, rollbacks=moved, now=NOW, evidence_end=end, live=live, target_current=target, frozen=frozen) == reasons


def test_no_cooldown_never_holds() -> None:
    free = SETTINGS.model_copy(update={"cooldown": timedelta(0)})
    assert holding(PLAN, settings=free, rollbacks=[NOW], now=NOW, evidence_end=NOW, live="2", target_current="2", frozen=False) == []


def test_all_guards_that_hold_are_named() -> None:
    found = holding(
        PLAN,
        settings=SETTINGS,
        rollbacks=[ago(hours=1), ago(hours=1), ago(hours=1)],
        now=NOW,
        evidence_end=ago(minutes=30),
        live="3",
        target_current="4",
        frozen=True,
    )
    assert [each.partition(":")[0] for each in found] == ["frozen", "live version unclear", "live version unclear", "max_age", "cooldown", "at_most"]
