"""What moved behind an alert: features, a segment, cells, and rows beyond the reference."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.measures.views import folded
from watchtower.core.attributing import CELLS, IDS, Distances, attributed, attribution, outside, words
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.slicing import column_at
from watchtower.nouns.alert import Alert, AlertChange, AlertId, AlertState
from watchtower.nouns.attribution import Attribution, Outside
from watchtower.nouns.batch import Column, NumberColumn, PredictionBatch, PredictionKind, TextColumn
from watchtower.nouns.incident import Incident
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.score import Board, Closed, Over
from watchtower.nouns.window import Partition, Window

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=1))
RNG = np.random.default_rng(7)
ROWS = 2_000


def columns(*, moved: bool) -> dict[str, Column]:
    """`amount` moves by two sd in DE alone; `age` by a third of one everywhere; `calm` never."""
    country = RNG.integers(0, 2, ROWS).astype(np.int32)
    amount = RNG.normal(0, 1, ROWS) + (2.0 * (country == 0) if moved else 0)
    return {
        "amount": NumberColumn(amount),
        "age": NumberColumn(RNG.normal(0.35 if moved else 0, 1, ROWS)),
        "calm": NumberColumn(RNG.normal(0, 1, ROWS)),
        "country": TextColumn(country, ("DE", "FR")),
    }


REFERENCE, NOW = columns(moved=False), columns(moved=True)
BINNING = make_binning(REFERENCE, {}, None, ("country",))


def part(of: dict[str, Column], code: int) -> dict[str, Column]:
    country = of["country"]
    assert isinstance(country, TextColumn)
    rows = np.flatnonzero(country.codes == code)
    return {name: column_at(column, rows) for name, column in of.items()}


def size(of: dict[str, Column]) -> int:
    column = of["amount"]
    assert isinstance(column, NumberColumn)
    return len(column.values)


def closed() -> Closed:
    profiles = {("7", "", Over()): folded(BINNING, NOW, ROWS)}
    references = {("", ""): make_reference_profile(BINNING, REFERENCE, ROWS)}
    for code, name in enumerate(("DE", "FR")):
        mine, theirs = part(NOW, code), part(REFERENCE, code)
        profiles["7", f"country={name}", Over()] = folded(BINNING, mine, size(mine))
        references["", f"country={name}"] = make_reference_profile(BINNING, theirs, size(theirs))
    return Closed("fraud", WINDOW, "7", profiles, {("", Over()): 1}, references, {}, BINNING, "")


def found(subject: str | None = "amount", weights: dict[str, float] | None = None) -> Attribution:
    return attribution(Distances(closed()), "7", "", Over(), subject, weights or {})


def test_features_are_ranked_by_how_far_they_moved_and_their_shares_add_up() -> None:
    ranked = found().features
    assert [each.subject for each in ranked[:2]] == ["amount", "age"]
    assert sum(each.share for each in ranked) == pytest.approx(1)
    assert ranked[0].share > 0.5


def test_a_feature_that_the_model_does_not_lean_on_ranks_last() -> None:
    ranked = found(weights={"amount": 0.001, "age": 0.9, "calm": 0.05, "country": 0.049}).features
    assert ranked[0].subject == "age"
    assert {each.subject: each.weight for each in ranked}["amount"] == 0.001


def test_the_segment_that_moved_is_named() -> None:
    segment = found().segment
    assert segment is not None
    assert (segment.segment, segment.subject) == ("country=DE", "amount")


def test_the_cells_that_moved_most_are_told_with_both_shares() -> None:
    cells = found().cells
    assert 0 < len(cells) <= CELLS
    assert cells[0].subject == "amount"
    moves = [abs(each.now - each.before) for each in cells if each.subject == "amount"]
    assert moves == sorted(moves, reverse=True)
    assert all(move >= 0.01 for move in moves)


def test_an_alert_on_nothing_in_particular_is_told_about_the_feature_that_moved_most() -> None:
    assert found(subject=None).cells[0].subject == "amount"


def test_about_all_features_is_not_about_the_prediction() -> None:
    prediction: dict[str, Column] = {"": NumberColumn(RNG.normal(0, 1, ROWS))}
    binning = make_binning(REFERENCE | prediction, {}, PredictionKind.NUMBER, ())
    moved: dict[str, Column] = {"": NumberColumn(RNG.normal(1, 1, ROWS))}
    whole = Closed(
        "fraud",
        WINDOW,
        "7",
        {("7", "", Over()): folded(binning, NOW | moved, ROWS)},
        {},
        {("", ""): make_reference_profile(binning, REFERENCE | prediction, ROWS)},
        {},
        binning,
        "",
    )
    assert [attribution(Distances(whole), "7", "", Over(), each, {}).cells[0].subject for each in (None, "")] == ["amount", ""]


def test_distances_are_made_once_however_many_alerts_begin_to_fire() -> None:
    distances = Distances(closed())
    one, other = distances.of("7", "country=DE", Over()), distances.of("7", "country=DE", Over())
    assert one is other
    assert one is not None
    assert distances.of("8", "", Over()) is None


def test_without_a_reference_the_reason_is_told() -> None:
    bare = Closed("fraud", WINDOW, "7", {}, {}, {}, {}, None, "reference: 7 of 15 windows")
    assert attribution(Distances(bare), "7", "", Over(), "amount", {}) == Attribution(reason="reference: 7 of 15 windows")


def batch(of: dict[str, Column], ids: list[str]) -> PredictionBatch:
    n = len(ids)
    text = TextColumn(np.zeros(n, dtype=np.int32), ("7",))
    nothing = np.zeros(n, dtype=np.int32)
    where = Partition("log", 0)
    return PredictionBatch(
        "fraud", np.zeros(n, dtype=np.int64), text, text, text, of, None, None, None, None, None, None, None, ids, nothing, (where,), np.arange(n), nothing
    )


def test_rows_beyond_the_references_range_or_categories_are_counted_and_the_first_ids_listed() -> None:
    rows = 30
    amount = np.zeros(rows)
    amount[:25] = 1e9
    country = TextColumn(np.r_[np.zeros(29), 1].astype(np.int32), ("DE", "XX"))
    seen = outside(BINNING, batch({"amount": NumberColumn(amount), "country": country}, [f"r{i}" for i in range(rows)]))
    assert (seen.rows, seen.count) == (rows, 26)
    assert seen.ids == tuple(f"r{i}" for i in range(IDS))


def test_missing_values_are_beyond_no_range() -> None:
    column: dict[str, Column] = {"amount": NumberColumn(np.array([np.nan, 0.0])), "country": TextColumn(np.array([-1, 0], dtype=np.int32), ("DE",))}
    assert outside(BINNING, batch(column, ["a", "b"])).count == 0


def test_what_moved_stands_on_the_alert_and_once_in_the_timeline() -> None:
    alerts = [Alert(AlertId(rule, "fraud", "", "amount"), "7", AlertState.FIRING, WINDOW.end) for rule in ("Drift", "AlsoDrift")]
    incident = Incident("fraud-1", "fraud", WINDOW.end, revision=3)
    evaluation = Evaluation(
        Board("fraud", WINDOW, "7", {}), tuple(AlertChange(each, WINDOW.end) for each in alerts), Memory("fraud", tuple(alerts), incident), ()
    )
    one = found()
    after = attributed(evaluation, {each.id: one for each in alerts})
    assert [each.attribution for each in after.memory.alerts] == [one, one]
    assert [each.alert.attribution for each in after.changes] == [one, one]
    assert after.memory.incident is not None
    assert [each.text for each in after.memory.incident.timeline] == [f"Drift[amount]: {words(one)}"]
    assert after.memory.incident.revision == 3


def test_the_words_say_what_where_and_how_much() -> None:
    text = words(Attribution(features=found().features, segment=found().segment, cells=found().cells, outside=Outside(200, 13, ("a",))))
    assert text.startswith("most moved: amount 0.")
    assert "most in country=DE" in text
    assert text.endswith("6.5 % of 200 rows beyond the reference's range or categories")
