"""What meters read, in the store."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.store.conftest import TEN
from watchtower.edges.clock import ManualClock
from watchtower.nouns.readings import Metered, Readings, Summary
from watchtower.nouns.window import Window, micros
from watchtower.store import Store
from watchtower.store.readings import expire

Minute = Callable[[int], Window]
FINE = {"kind": "nvml", "last": "2026-11-20T10:00:00Z", "error": None}


def metered(window: Window, *values: float | str, subject: str = "0", meter: str = "nvml", measure: str = "gpu.power") -> Metered:
    whole = Summary()
    for value in values:
        whole = whole.then(Summary.of(value))
    return Metered(window, meter, measure, subject, whole)


@pytest.mark.parametrize(
    ("first", "second"), [((3.0, 1.0), (7.0,)), (("away",), (2.0, 4.0)), ((5.0,), ("away",)), (("away",), ("gone",)), ((5.0, "away"), (1.0,)), ((), (1.0,))]
)
def test_the_store_adds_up_as_the_noun_does(store: Store, window: Minute, first: tuple[float | str, ...], second: tuple[float | str, ...]) -> None:
    for values in (first, second):
        store.readings.add([metered(window(0), *values)], "nvml", TEN, FINE)
    (found,) = store.readings.within(TEN, TEN + timedelta(minutes=1), {"nvml"})
    assert found == metered(window(0), *first, *second)


def test_a_summary_has_count_sum_extremes_first_and_last(window: Minute) -> None:
    assert metered(window(0), 3.0, 1.0, 8.0, "away").summary == Summary(4 - 1, 12.0, 1.0, 8.0, 3.0, 8.0, "away")


def test_only_the_windows_and_meters_asked_for_are_found_oldest_first(store: Store, window: Minute) -> None:
    rows = [metered(window(n), float(n)) for n in (3, 0, 2, 1)] + [metered(window(2), 9.0, meter="other")]
    store.readings.add(rows, "nvml", TEN, FINE)
    found = store.readings.within(window(1).start, window(2).end, {"nvml"})
    assert [(row.window, row.summary.last) for row in found] == [(window(1), 1.0), (window(2), 2.0)]
    assert Readings(found).since(window(2).start).of("gpu.power")["0"].whole.mean == 2.0


def test_status_says_how_each_configured_meter_does(store: Store) -> None:
    store.readings.add([], "nvml", TEN, {"kind": "nvml", "last": None, "error": "no driver"})
    store.readings.add([], "old", TEN, FINE)
    store.readings.keep_only(["nvml"])
    assert store.status()["meters"] == [{"name": "nvml", "kind": "nvml", "last": None, "error": "no driver", "tried": "2026-11-20T10:00:00Z"}]


def test_readings_expire_by_the_ends_of_their_windows(store: Store, window: Minute, clock: ManualClock) -> None:
    store.readings.add([metered(window(n), 1.0) for n in range(3)], "nvml", TEN, FINE)
    clock.set(window(1).end + timedelta(days=1))
    store.retention.expire(windows_for=timedelta(days=9), scores_for=timedelta(days=9), readings_for=timedelta(days=1))
    assert [row.window for row in store.readings.within(TEN, TEN + timedelta(hours=1), {"nvml"})] == [window(1), window(2)]


def test_a_call_deletes_no_more_than_about_so_many(store: Store, window: Minute) -> None:
    store.readings.add([metered(window(n), 1.0, subject=str(device)) for n in range(4) for device in range(3)], "nvml", TEN, FINE)
    with store._database.writing() as tx:
        gone = expire(tx, micros(window(3).end), 5)
    assert gone == 6, "the sixth row is of the second window, which goes whole"
    assert {row.window for row in store.readings.within(TEN, window(3).end, {"nvml"})} == {window(2), window(3)}


def test_a_store_of_an_earlier_release_gets_the_tables_that_it_lacks(url: str, clock: ManualClock, window: Minute) -> None:
    Store.open(url, now=clock.now).close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as old:
        old.execute("DROP TABLE readings")
    old.close()
    again = Store.open(url, now=clock.now)
    again.readings.add([metered(window(0), 1.0)], "nvml", TEN, FINE)
    assert len(again.readings.within(TEN, window(0).end, {"nvml"})) == 1
    again.close()


def test_of_more_readings_than_one_look_takes_the_newest_windows_stay(store: Store, window: Minute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchtower.store.readings._MOST", 5)
    store.readings.add([metered(window(n), float(n), subject=str(i)) for n in range(4) for i in range(2)], "nvml", TEN, FINE)
    found = store.readings.within(window(0).start, window(3).end, {"nvml"})
    assert [(row.window, row.subject) for row in found] == [(window(2), "0"), (window(2), "1"), (window(3), "0"), (window(3), "1")]
