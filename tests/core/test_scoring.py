"""Boards: who is scored, against what, and why somebody is not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.measures.views import folded, served, told
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.merging import empty
from watchtower.core.naming import known, names
from watchtower.core.scoring import automatic, score
from watchtower.nouns.batch import Column, NumberColumn, PredictionKind, TextColumn
from watchtower.nouns.labels import Labelled
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Board, Closed, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.window import Window

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=1))
RNG = np.random.default_rng(99)


def columns(rows: int, shift: float = 0.0) -> dict[str, Column]:
    return {
        "amount": NumberColumn(RNG.normal(shift, 1, rows)),
        "country": TextColumn(RNG.integers(0, 4, rows).astype(np.int32), ("DE", "FR", "IT", "PL")),
        "new": TextColumn(RNG.integers(0, 2, rows).astype(np.int32), ("no", "yes")),
        "": NumberColumn(RNG.random(rows)),
    }


REFERENCE = columns(4_000)
BINNING = make_binning(REFERENCE, {}, PredictionKind.PROBABILITY, ("country",))
WHOLE = make_reference_profile(BINNING, REFERENCE, 4_000)
NOW = folded(BINNING, columns(600), 600)
SHIFTED = folded(BINNING, columns(600, shift=2.0), 600)
PSI = Need(MeasureName.parse("drift.psi"))


def closed(profiles: Mapping[tuple[str, str, Over], Profile], **changes: object) -> Closed:
    plain = Closed("m", WINDOW, "1", profiles, {("", Over()): 1}, {("", ""): WHOLE}, {}, BINNING, "")
    return replace(plain, **changes)  # type: ignore[arg-type]


def one(measure: str, **more: object) -> Need:
    return replace(Need(MeasureName.parse(measure)), **more)  # type: ignore[arg-type]


def only(board: Board, need: Need, version: str = "1", segment: str = "") -> Scores:
    return board.scores[Slot(version, segment, need)]


def scored(need: Need, at: Closed, version: str = "1", segment: str = "") -> dict[str, float | str]:
    return told(only(score(at, frozenset({need})), need, version, segment))


def test_drift_is_of_every_feature_and_prediction_statistics_of_the_prediction() -> None:
    at = closed({("1", "", Over()): SHIFTED})
    drift = scored(PSI, at)
    assert list(drift) == ["amount", "country", "new"]
    assert float(drift["amount"]) > 1
    assert float(drift["country"]) < 0.1
    assert list(scored(one("prediction.psi"), at)) == ["", "prediction.confidence", "prediction.entropy", "prediction.positive"]
    assert MeasureName.parse("prediction.psi").subjects == ""
    assert scored(one("prediction.mean"), at)[""] == pytest.approx(0.5, abs=0.05)


def test_a_numeric_statistic_says_of_categories_that_it_is_not_for_them() -> None:
    found = scored(one("drift.wasserstein"), closed({("1", "", Over()): SHIFTED}))
    assert (found["country"], found["new"]) == ("numeric features only", "numeric features only")


def test_parameters_reach_the_statistic() -> None:
    at = closed({("1", "", Over()): SHIFTED})
    assert float(scored(one("drift.psi(bins=2)"), at)["amount"]) < float(scored(PSI, at)["amount"])


def test_auto_picks_by_feature() -> None:
    at = closed({("1", "", Over()): SHIFTED})
    found = scored(one("drift.auto"), at)
    picked = {"amount": "wasserstein", "country": "jensen_shannon", "new": "chi_square"}
    assert found == {name: scored(one(f"drift.{kind}"), at)[name] for name, kind in picked.items()}
    scores = only(score(at, frozenset({one("drift.auto")})), one("drift.auto"))
    assert [scores.more(i) for i in range(3)] == [{"note": kind} for kind in picked.values()]


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0.0, 1.0] * 50, "chi_square"), ([0.0, 1.0, 2.0] * 50, "wasserstein"), ([7.0] * 50, "wasserstein"), (list(range(100)), "wasserstein")],
)
def test_auto_takes_two_numbers_for_two_categories(values: list[float], kind: str) -> None:
    assert automatic(make_binning({"x": NumberColumn(np.array(values, dtype=float))}, {}, None, ()), 0) == kind


def test_every_version_that_served_is_scored_and_the_live_one_even_if_it_did_not() -> None:
    board = score(closed({("2", "", Over()): NOW}), frozenset({PSI, one("errors.share")}))
    assert told(only(board, PSI)) == dict.fromkeys(("amount", "country", "new"), "no rows")
    assert told(only(board, one("errors.share"))) == {"": "no rows"}
    assert only(board, PSI, "2").reasons == (None, None, None)
    assert board.versions == {"2": 1.0}
    assert next(slot.version for slot in board.scores if slot.need == PSI) == "1"


def test_a_version_that_serves_no_more_is_scored_by_its_labels_alone() -> None:
    met = replace(empty(BINNING), labelled=Labelled(PredictionKind.CLASS, rows=4, weight=4.0, weight2=4.0, correct=3.0))
    at = closed({("1", "", Over()): met, ("2", "", Over()): NOW}, live="2")
    latency, share, accuracy = (one(name) for name in ("latency.p99", "traffic.share", "performance.accuracy"))
    board = score(at, frozenset({latency, share, accuracy}))
    assert {slot.need for slot in board.scores if slot.version == "1"} == {accuracy}
    assert scored(accuracy, at, "1") == {"": 0.75}


def test_the_rate_is_told_once_for_the_whole_model_and_an_empty_window_has_zero() -> None:
    need = one("traffic.rate")
    board = score(closed({("1", "", Over()): served(60), ("2", "", Over()): served(30, 60.0)}), frozenset({need}))
    assert [(slot.version, told(each)) for slot, each in board.scores.items() if not slot.segment] == [("", {"": 2.0})]
    assert scored(need, closed({}), version="") == {"": 0.0}


def test_a_rate_is_per_second_of_the_windows_that_were_merged() -> None:
    over = Over(windows=5)
    need = one("traffic.rate", over=over)
    assert scored(need, closed({("1", "", over): served(360)}, spans={("", over): 3}), version="") == {"": 2.0}


def test_the_rate_over_several_windows_reads_the_models_own_merge_where_there_is_one() -> None:
    over = Over(windows=5)
    profiles = {("1", "", over): served(60), ("2", "", over): served(600), ("", "", over): served(90)}
    board = score(closed(profiles, spans={("", over): 1}), frozenset({one("traffic.rate", over=over)}))
    assert {slot.version: told(each) for slot, each in board.scores.items() if not slot.segment} == {"": {"": 1.5}}


def test_segments_compare_with_the_segments_own_reference() -> None:
    german = make_reference_profile(BINNING, columns(900, shift=2.0), 900)
    at = closed(
        {("1", "", Over()): NOW, ("1", "country=DE", Over()): SHIFTED, ("1", "country=XX", Over()): NOW},
        references={("", ""): WHOLE, ("", "country=DE"): german},
    )
    assert float(scored(PSI, at, segment="country=DE")["amount"]) < 0.1
    assert scored(PSI, at, segment="country=FR")["amount"] == "no rows"
    assert scored(PSI, at, segment="country=XX")["amount"] == "no rows in the reference"


def test_a_version_compares_with_its_own_reference_before_the_models() -> None:
    own = make_reference_profile(BINNING, columns(900, shift=2.0), 900)
    at = closed({("1", "", Over()): SHIFTED}, references={("", ""): WHOLE, ("1", ""): own})
    assert float(scored(PSI, at)["amount"]) < 0.1


def test_relative_to_the_previous_version_reads_its_frozen_windows() -> None:
    need = replace(PSI, against="previous_version")
    at = closed({("1", "", Over()): SHIFTED})
    assert set(scored(need, replace(at, compared={("1", "", Over(), "previous_version"): "no previous version"})).values()) == {"no previous version"}
    assert float(scored(need, replace(at, compared={("1", "", Over(), "previous_version"): folded(BINNING, columns(600, shift=2.0), 600)}))["amount"]) < 0.1


def test_without_a_reference_traffic_is_scored_and_the_rest_says_why() -> None:
    at = closed({("1", "", Over()): served(60)}, binning=None, references={}, reason="reference: 7 of 15 windows")
    for measure in ("drift.psi", "drift.auto", "prediction.psi", "prediction.mean", "quality.missing_share"):
        assert scored(one(measure), at) == {"": "reference: 7 of 15 windows"}
    assert scored(one("traffic.share"), at) == {"": 1.0}


def test_a_window_folded_before_the_reference_was_complete_has_no_drift() -> None:
    at = closed({("1", "", Over()): served(60)})
    reason = "folded before the reference was complete"
    assert set(scored(PSI, at).values()) == set(scored(one("quality.missing_share"), at).values()) == {reason}


def test_a_window_of_another_binning_is_not_compared() -> None:
    at = closed({("1", "", Over()): replace(NOW, binning="another")})
    assert set(scored(PSI, at).values()) == {"folded under another binning"}
    assert scored(one("traffic.share"), at) == {"": 1.0}


def test_an_incomplete_window_compares_nothing() -> None:
    at = closed({("1", "", Over()): NOW}, incomplete="partition 3 missing")
    for measure in ("drift.psi", "prediction.psi", "prediction.mean", "quality.constant"):
        assert set(scored(one(measure), at).values()) == {"partition 3 missing"}


def test_min_rows_of_a_rule_holds_for_every_measure() -> None:
    profile = replace(served(60), statuses={"ok": 30.0, "error": 30.0})
    at = closed({("1", "", Over()): profile})
    assert scored(one("errors.share", min_rows=100), at) == {"": "60 of 100 rows", "error": "60 of 100 rows"}
    assert scored(one("errors.share", min_rows=60), at)[""] == 0.5
    assert scored(one("traffic.rate", min_rows=100), at, version="") == {"": 1.0}
    assert set(scored(one("drift.psi", min_rows=1_000), closed({("1", "", Over()): NOW})).values()) == {"600 of 1,000 rows"}


@pytest.mark.parametrize("measure", [*names(), "drift.psi(bins=20)", "prediction.jensen_shannon(bins=5)"])
def test_known_measures_can_be_scored(measure: str) -> None:
    assert known(MeasureName.parse(measure)) is None
    board = score(closed({("1", "", Over()): NOW}), frozenset({one(measure)}))
    assert any(not slot.segment and slot.version in ("", "1") and len(each.subjects) for slot, each in board.scores.items())


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        ("drift.psy", "did you mean drift.psi?"),
        ("latency.p98", "did you mean latency.p9"),
        ("prediction.auto", "unknown measure 'prediction.auto'"),
        ("zz.qqqqq", "known families: capacity, cost, drift, errors"),
        ("drift.psi(bin=3)", "its parameters: bins"),
        ("drift.psi(bins=1)", "bins: Input should be greater than or equal to 2"),
        ("drift.wasserstein(bins=3)", "its parameters: none"),
        ("latency.p99(bins=3)", "takes no parameters"),
    ],
)
def test_unknown_measures_are_named_with_what_was_meant(measure: str, says: str) -> None:
    assert says in str(known(MeasureName.parse(measure)))


def test_a_status_that_occurred_lately_and_does_not_now_has_a_share_of_zero() -> None:
    seen = frozenset({("errors.share", "", "timeout"), ("errors.share", "", ""), ("latency.p99", "", "")})
    at = closed({("1", "", Over()): NOW}, seen=seen)
    assert scored(one("errors.share"), at) == {"": 0.0, "timeout": 0.0}
    assert scored(one("errors.share"), closed({}, seen=seen)) == {"": "no rows"}
