"""References: the first, what is added to it, what a person puts in its place, and the audit of that."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from watchtower.nouns.batch import FeatureType
from watchtower.nouns.binning import Binning, CategoryBins
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Board
from watchtower.nouns.window import Window
from watchtower.store import Store
from watchtower.store._reference_tables import reference_changes
from watchtower.store.database import Database
from watchtower.store.references import Accepted, StoredReference

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
ELEVEN = datetime(2026, 11, 20, 11, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BINNING = Binning("b1", ("country",), (FeatureType.CATEGORICAL,), (CategoryBins(("DE",)),), (0, 4), {"country": ("DE",)})
BY = Accepted("ann@host", TEN, "week.csv", 500)
Make = Callable[..., Profile]


def said(stored: StoredReference | None) -> tuple[str, datetime, Mapping[tuple[str, str], int], bool] | None:
    return None if stored is None else (stored.binning.id, stored.valid_from, {key: each.rows for key, each in stored.profiles.items()}, stored.accepted)


def test_a_first_reference_comes_back_and_a_second_first_one_is_too_late(store: Store, profile: Make) -> None:
    assert (store.references.load("fraud"), store.references.ids(), store.references.all("fraud")) == (None, {}, [])
    store.references.begin("fraud", StoredReference(BINNING, TEN, {("", ""): profile(1), ("7", "c=DE"): profile(2)}))
    late = store.references.begin("fraud", StoredReference(replace(BINNING, id="b2"), TEN, {("", ""): profile(3)}))
    assert said(late) == said(store.references.load("fraud")) == ("b1", TEN, {("", ""): 1, ("7", "c=DE"): 2}, False)
    assert store.references.ids() == {"fraud": ("b1", TEN)}


def test_a_versions_profiles_are_added_and_only_to_the_reference_they_were_made_for(store: Store, profile: Make) -> None:
    first = store.references.begin("fraud", StoredReference(BINNING, TEN, {("", ""): profile(1)}))
    grown = store.references.add("fraud", first, {("7", ""): profile(2)})
    assert said(grown) == said(store.references.load("fraud"))
    store.references.add("fraud", first, {("7", ""): profile(4)})
    store.references.accept("fraud", StoredReference(replace(BINNING, id="b2"), ELEVEN, {("", ""): profile(9)}), BY)
    store.references.add("fraud", first, {("8", ""): profile(3)})
    assert said(store.references.load("fraud")) == ("b2", ELEVEN, {("", ""): 9}, True)
    assert said(store.references.load("fraud", TEN)) == ("b1", TEN, {("", ""): 1, ("7", ""): 4}, False)


def test_windows_that_began_before_keep_the_reference_that_was(store: Store, profile: Make) -> None:
    store.references.begin("fraud", StoredReference(BINNING, TEN, {("", ""): profile(1)}))
    store.references.accept("fraud", StoredReference(replace(BINNING, id="b2"), ELEVEN, {("", ""): profile(2)}), BY)
    at = {when: store.references.load("fraud", when) for when in (TEN - MINUTE, TEN, ELEVEN - MINUTE, ELEVEN)}
    assert [each and each.binning.id for each in at.values()] == [None, "b1", "b1", "b2"]
    assert store.references.ids() == {"fraud": ("b2", ELEVEN)}


def test_accepted_twice_before_the_window_begins_the_last_one_counts(store: Store, profile: Make) -> None:
    store.references.begin("fraud", StoredReference(BINNING, TEN, {("", ""): profile(1)}))
    for name in ("b2", "b3"):
        store.references.accept("fraud", StoredReference(replace(BINNING, id=name), ELEVEN, {("", ""): profile(2)}), BY)
    assert [each.binning.id for each in store.references.all("fraud")] == ["b3", "b1"]


def test_of_many_accepted_ones_the_last_few_stay(store: Store, profile: Make) -> None:
    for n in range(9):
        store.references.accept("fraud", StoredReference(replace(BINNING, id=f"b{n}"), TEN + n * MINUTE, {("", ""): profile(1)}), BY)
    assert [each.binning.id for each in store.references.all("fraud")] == ["b8", "b7", "b6", "b5", "b4", "b3"]
    assert len(store.references.changes("fraud")) == 9


def test_the_audit_says_who_when_from_what_and_notices_a_changed_line(store: Store, url: str, profile: Make) -> None:
    store.references.begin("fraud", StoredReference(BINNING, TEN, {("", ""): profile(1)}))
    for n in (2, 3):
        store.references.accept("fraud", StoredReference(replace(BINNING, id=f"b{n}"), ELEVEN, {("", ""): profile(2)}), BY)
    first, second = store.references.changes("fraud")
    assert first == {
        "model": "fraud",
        "seq": 1,
        "at": "2026-11-20T10:00:00Z",
        "who": "ann@host",
        "from": "week.csv",
        "rows": 500,
        "valid_from": "2026-11-20T11:00:00Z",
        "before": "b1",
        "after": "b2",
        "intact": True,
    }
    assert (second["before"], second["after"], second["intact"]) == ("b2", "b3", True)
    with Database.open(url, read_only=False).writing() as tx:
        tx.execute(sa.text("DROP TRIGGER reference_changes_no_update"))
        tx.execute(sa.update(reference_changes).where(reference_changes.c.seq == 1).values(body=b'{"after":"b2","valid_from":"x","who":"bob"}'))
    assert [each["intact"] for each in store.references.changes("fraud")] == [False, False]


@pytest.mark.parametrize(("limit", "ends"), [(9, [2, 4]), (1, [2])])
def test_a_versions_first_windows_are_those_it_had_rows_in(store: Store, profile: Make, window: Callable[[int], Window], limit: int, ends: list[int]) -> None:
    for n in range(6):
        rows = {("7", ""): profile(n), ("7", "c=DE"): profile(1)} if n in {1, 3} else {("6", ""): profile(1)}
        store.evaluations.commit("fraud", window(n), rows, Evaluation(Board("fraud", window(n), "7", {}), (), Memory("fraud"), ()), now=TEN)
    found = store.references.windows_of("fraud", "7", since=window(0).start, before=window(5).end, limit=limit)
    assert [end for end, _ in found] == [window(n).start for n in ends]
    assert {segment: each.rows for segment, each in found[0][1].items()} == {"": 1, "c=DE": 1}
    assert store.references.windows_of("fraud", "7", since=window(4).start, before=window(5).end, limit=limit) == []
