"""The waiting room: who meets when, what counts once, and what the store is told to change."""

from datetime import timedelta

import numpy as np
import pytest

from watchtower.core.joining import hashes_of, values_of
from watchtower.core.meeting import Room, Terms, come_in, meet
from watchtower.nouns.batch import PredictionKind
from watchtower.nouns.labels import Joined, LabelHalf, PredictionHalf, Waiting
from watchtower.nouns.settings import PredictionSettings

SECOND = 1_000_000
MINUTE = 60 * SECOND
KIND = PredictionSettings(kind=PredictionKind.CLASS)
TERMS = Terms(timedelta(minutes=10), timedelta(0), 1000)
EMPTY = Room(Waiting("m"))


def predictions(*rows: tuple[str, float, str], places: tuple[tuple[str, tuple[str, ...]], ...] = (("1", ()),), weight: float | None = None) -> PredictionHalf:
    """(id, minute, class) of each."""
    times = np.array([int(minute * MINUTE) for _, minute, _ in rows])
    codes = np.arange(len(rows), dtype=np.int32) % len(places)
    weights = None if weight is None else np.full(len(rows), weight)
    return PredictionHalf(hashes_of([each for each, _, _ in rows]), times, places, codes, values_of([value for _, _, value in rows]), weights)


def labels(*rows: tuple[str, float, str]) -> LabelHalf:
    """(id, minute, class) of each."""
    times = np.array([int(minute * MINUTE) for _, minute, _ in rows])
    return LabelHalf(hashes_of([each for each, _, _ in rows]), times, values_of([value for _, _, value in rows]))


def rows_of(joined: Joined, version: str = "1", segment: str = "") -> tuple[int, float]:
    found = joined.profiles.get((version, segment))
    return (0, 0.0) if found is None else (found.rows, found.correct)


def at(room: Room, minute: int, terms: Terms = TERMS, segments: dict[str, tuple[str, ...]] | None = None) -> tuple[Joined, Room]:
    return meet(room, minute * MINUTE, terms, KIND, segments or {})


def test_a_pair_meets_in_the_window_of_its_label_and_only_there() -> None:
    room = come_in(EMPTY, [(1, predictions(("a", 0.5, "x"), ("b", 0.5, "x")))], [(1, labels(("a", 2.5, "x"), ("b", 1.5, "y")))])
    found = []
    for minute in range(1, 5):
        joined, room = at(room, minute)
        found.append(rows_of(joined))
    assert found == [(0, 0.0), (1, 0.0), (1, 1.0), (0, 0.0)]


def test_a_label_that_comes_first_waits_and_one_that_comes_late_counts_in_the_open_window() -> None:
    _, room = at(come_in(EMPTY, [], [(1, labels(("a", 0.5, "x")))]), 1)
    joined, room = at(come_in(room, [(1, predictions(("a", 1.5, "x"), ("b", 0.5, "x")))], []), 2)
    assert rows_of(joined) == (1, 1.0)
    _, room = at(room, 3)
    joined, _ = at(come_in(room, [], [(2, labels(("b", 0.9, "x")))]), 4)
    assert rows_of(joined) == (1, 1.0)


def test_the_first_prediction_and_the_last_label_before_the_join_count() -> None:
    twice = predictions(("a", 0.1, "first"), ("a", 0.2, "second"))
    relabelled = labels(("a", 0.9, "first"), ("a", 0.5, "second"), ("a", 1.5, "second"))
    joined, room = at(come_in(EMPTY, [(1, twice)], [(1, relabelled)]), 1)
    assert rows_of(joined) == (1, 1.0)
    joined, room = at(come_in(room, [(2, predictions(("a", 1.1, "second")))], []), 2)
    assert rows_of(joined) == (0, 0.0)
    assert len(room.labels.times) == 0


def test_a_prediction_waits_no_longer_than_it_may() -> None:
    room = come_in(EMPTY, [(1, predictions(("a", 0.5, "x"), ("b", 0.6, "x"), ("c", 5.0, "x")))], [(1, labels(("a", 10.6, "x"), ("b", 10.55, "x")))])
    joined, room = at(room, 11)
    assert rows_of(joined) == (1, 1.0)
    assert joined.profiles["1", ""].expired == 1
    assert joined.now == Waiting("m", predictions=1, labels=2, joined=1, expired=1)
    assert room.predictions.hashes.tolist() == hashes_of(["c"]).tolist()


def test_coverage_is_settled_once_a_window_began_after_a_whole_wait() -> None:
    room = come_in(EMPTY, [(1, predictions(("a", 0.5, "x"), ("b", 2.5, "x")))], [])
    unsettled = {}
    for minute in (10, 11, 12, 13):
        joined, room = at(room, minute)
        unsettled[minute] = [each.unsettled for each in joined.profiles.values()]
    assert unsettled == {10: [], 11: [1], 12: [], 13: [0]}


def test_segments_are_those_that_the_window_is_folded_by() -> None:
    places = (("1", ("country=DE",)), ("1", ("country=FR",)), ("1", ("country=XX",)))
    waiting = predictions(("a", 0.1, "x"), ("b", 0.1, "x"), ("c", 0.1, "y"), places=places)
    room = come_in(EMPTY, [(1, waiting)], [(1, labels(("a", 0.5, "x"), ("b", 0.5, "x"), ("c", 0.5, "x")))])
    joined, _ = at(room, 1, segments={"country": ("DE", "FR")})
    assert {segment: rows_of(joined, segment=segment) for _, segment in joined.profiles} == {
        "": (3, 2.0),
        "country=DE": (1, 1.0),
        "country=FR": (1, 1.0),
        "country=other": (1, 0.0),
    }
    assert set(at(room, 1)[0].profiles) == {("1", "")}


def test_too_many_halve_the_share_that_is_kept_and_weights_make_up_for_it() -> None:
    ids = [f"r{i}" for i in range(4000)]
    room = come_in(EMPTY, [(1, predictions(*((each, 0.5, "x") for each in ids)))], [])
    joined, room = at(room, 1)
    assert joined.now.halvings in {2, 3}
    assert 300 < joined.now.predictions <= 1000
    room = come_in(room, [], [(1, labels(*((each, 1.5, "x") for each in ids)))])
    joined, _ = at(room, 2)
    share = 0.5**joined.now.halvings
    assert joined.profiles["1", ""].rows == joined.now.joined == len(room.owners)
    assert joined.profiles["1", ""].weight == len(room.owners) / share == pytest.approx(4000, rel=0.1)


def test_what_is_empty_goes_and_what_is_worn_is_written_anew() -> None:
    whole = predictions(*((f"a{i}", 0.5, "x") for i in range(400)))
    done = predictions(*((f"b{i}", 0.5, "x") for i in range(10)))
    told = labels(*((f"a{i}", 0.6, "x") for i in range(300)), *((f"b{i}", 0.6, "x") for i in range(10)))
    joined, room = at(come_in(EMPTY, [(1, whole), (2, done)], [(1, told)]), 1)
    assert joined.predictions == (2,)
    assert {piece: len(half.times) for piece, half in joined.rewritten.items()} == {1: 100}
    assert sorted(room.pieces) == [1]
    assert len(joined.hashes) == 310


def test_joins_are_remembered_while_they_matter() -> None:
    small = Terms(timedelta(minutes=10), timedelta(0), 20)
    room, through = EMPTY, []
    for minute in range(1, 8):
        ids = [f"{minute}-{i}" for i in range(10)]
        at_minute = minute - 0.5
        pieces = [(minute, predictions(*((each, at_minute, "x") for each in ids), (f"{minute}-kept", at_minute, "x")))]
        room = come_in(room, pieces, [(minute, labels(*((each, at_minute, "x") for each in ids)))])
        joined, room = at(room, minute, small)
        through.append(joined.through)
    assert len(room.met) <= 40
    assert max(through) > 1
    assert all(piece.rows == 1 for piece in list(room.pieces.values())[:4])


def test_a_room_keeps_no_texts_and_places_of_rows_that_left() -> None:
    room = EMPTY
    for minute in range(1, 31):
        ids = [f"{minute}-{i}" for i in range(4)]
        came = predictions(*((each, minute - 0.5, f"answer {each}") for each in ids), places=((str(minute), ()),))
        _, room = at(come_in(room, [(minute, came)], [(minute, labels(*((each, minute - 0.4, f"truth {each}") for each in ids[:3])))]), minute)
    assert len(room.predictions.times) == 10
    assert len(room.predictions.values.texts) == 10
    assert len(room.predictions.places) == 10
    assert room.labels.values.texts == ()
