"""Which scores a model's page draws."""

from watchtower.web.curves import BoardRow, ScoreRow, curves

OVER = {"windows": 1, "rows": 0}


def row(measure: str, segment: str, reason: str | None) -> ScoreRow:
    return ScoreRow("7", segment, measure, OVER, "reference", "", None if reason else 0.5, None, 300, reason)


def board(*scores: ScoreRow) -> BoardRow:
    return BoardRow("fraud", {"start": "a", "end": "b"}, "7", {"7": 1.0}, list(scores))


def drawn(*boards: BoardRow) -> list[tuple[str, str]]:
    return [(each.measure, each.segment) for each in curves(boards)]


def test_a_segment_that_repeats_why_the_whole_has_no_score_is_not_drawn() -> None:
    assert drawn(board(row("gpu.power", "", "no device logged"), row("gpu.power", "country=DE", "no device logged"))) == [("gpu.power", "")]


def test_a_segment_is_not_drawn_for_what_compares_segments() -> None:
    measure = "fairness.disparate_impact_ratio"
    assert drawn(board(row(measure, "", None), row(measure, "country=DE", "the whole only: it compares segments"))) == [(measure, "")]


def test_a_segment_with_a_reason_of_its_own_or_an_earlier_value_is_drawn() -> None:
    few = board(row("drift.psi", "", None), row("drift.psi", "country=DE", "60 of 200 rows"))
    assert drawn(few) == [("drift.psi", ""), ("drift.psi", "country=DE")]
    before = board(row("labels.delay", "", None), row("labels.delay", "country=DE", None))
    now = board(row("labels.delay", "", "no labels"), row("labels.delay", "country=DE", "no labels"))
    assert drawn(before, now) == [("labels.delay", ""), ("labels.delay", "country=DE")]
