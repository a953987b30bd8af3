"""Which earlier scores conditions see."""

from datetime import datetime, timedelta

from watchtower.core.remembering import PastScores, lookback, with_history
from watchtower.nouns.score import Board, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.window import EPOCH, Window

MINUTE = timedelta(minutes=1)
PSI, RATE = Need(MeasureName("drift", "psi")), Need(MeasureName("traffic", "rate"))


def at(n: int) -> datetime:
    return EPOCH + n * MINUTE


def past(n: int, live: str = "7") -> PastScores:
    return PastScores(at(n), at(n + 1), live, {Slot(live, "", PSI): Scores.one(float(n), 9, "a"), Slot("", "", RATE): Scores.one(float(n), 9)})


def seen(board: Board, need: Need, version: str = "7") -> list[float | None]:
    return [float(each[slot].values[0]) if (slot := Slot(version, "", need)) in each else None for each in board.history]


def board(n: int, live: str = "7") -> Board:
    return Board("fraud", Window(at(n), at(n + 1)), live, {})


def test_it_reaches_back_without_a_gap() -> None:
    assert seen(with_history(board(5), [past(1), past(3), past(4)], EPOCH), PSI) == [3.0, 4.0]
    assert with_history(board(6), [past(3), past(4)], EPOCH).history == ()


def test_it_begins_again_where_the_live_version_changes() -> None:
    assert seen(with_history(board(5), [past(3, "6"), past(4)], EPOCH), PSI) == [4.0]
    assert with_history(board(5, "8"), [past(3), past(4)], EPOCH).history == ()


def test_scores_of_other_cells_are_left_out_and_the_rest_is_kept() -> None:
    found = with_history(board(5), [past(2), past(3), past(4)], at(4))
    assert seen(found, PSI) == [None, None, 4.0]
    assert seen(found, RATE, "") == [2.0, 3.0, 4.0]


def test_each_need_is_asked_for_as_far_back_as_somebody_looks() -> None:
    needs = [Need(PSI.measure, Over(), history=3), Need(PSI.measure, Over(), history=9), RATE]
    assert lookback(needs) == {PSI: 9}
    assert {Need(PSI.measure, Over(), history=3), Need(PSI.measure, Over(), history=9)} == {PSI}
