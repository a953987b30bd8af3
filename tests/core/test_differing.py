"""Measures relative to something: the difference, its test, and why there is none."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from tests.measures.views import durations, folded, served
from watchtower.core.binning import make_binning
from watchtower.core.merging import empty
from watchtower.core.scoring import score
from watchtower.core.sketching import IdTally
from watchtower.nouns.batch import Column, NumberColumn, PredictionKind, TextColumn
from watchtower.nouns.profile import GpuReadings, Ids, Profile
from watchtower.nouns.readings import NOTHING, Metered, Readings, Summary
from watchtower.nouns.score import Closed, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.window import Window

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=1))
RNG = np.random.default_rng(5)
AGO = "1d"


def closed(here: Profile, there: Profile | str, whole: Profile | str | None = None, binning: object = None, **more: object) -> Closed:
    compared = {("1", "", Over(), AGO): there, ("", "", Over(), AGO): there if whole is None else whole}
    at = Closed("m", WINDOW, "1", {("1", "", Over()): here}, {("", Over()): 1}, {}, compared, binning, "no reference yet")  # type: ignore[arg-type]
    return replace(at, compared_windows={("1", Over(), AGO): 1, ("", Over(), AGO): 1}, **more)  # type: ignore[arg-type]


def scored(measure: str, at: Closed, **more: object) -> Scores:
    need = replace(Need(MeasureName.parse(measure), against=AGO), **more)  # type: ignore[arg-type]
    board = score(at, frozenset({need}))
    return next(each for slot, each in board.scores.items() if slot in (Slot("1", "", need), Slot("", "", need)))


def failing(**rows: int) -> Profile:
    total = sum(rows.values())
    return replace(served(total), statuses={name: float(n) for name, n in rows.items()}, status_rows=rows)


def by_subject(scores: Scores) -> Mapping[str, tuple[float, float]]:
    return {subject: (float(value), float(p)) for subject, value, p in zip(scores.subjects, scores.values, scores.p_values, strict=True)}


def test_a_share_is_compared_as_two_proportions_and_a_status_of_one_side_counts_as_none_on_the_other() -> None:
    found = by_subject(scored("errors.share", closed(failing(ok=900, timeout=100), failing(ok=1_950, error=50))))
    assert found[""][0] == pytest.approx(0.1 - 0.025)
    assert found[""][1] == pytest.approx(stats.chi2_contingency([[100, 900], [50, 1_950]], correction=False).pvalue)
    assert found["timeout"][0] == pytest.approx(0.1)
    assert found["error"][0] == pytest.approx(-0.025)
    assert found["error"][1] < 1e-5


def test_the_note_says_what_was_taken_from_what() -> None:
    assert scored("errors.share", closed(failing(ok=900, error=100), failing(ok=975, error=25))).more(0) == {"note": "0.1 - 0.025"}


def test_shares_of_a_sampled_log_are_tested_on_logged_rows() -> None:
    sampled = replace(failing(ok=90, error=10), weight=1_000.0, statuses={"ok": 900.0, "error": 100.0})
    value, p_value = by_subject(scored("errors.share", closed(sampled, failing(ok=970, error=30))))[""]
    assert value == pytest.approx(0.07)
    assert p_value == pytest.approx(stats.fisher_exact([[10, 90], [30, 970]]).pvalue)


def slow(seconds: np.ndarray) -> Profile:
    return replace(served(len(seconds)), latency=durations(seconds.tolist()))


@pytest.mark.parametrize(("measure", "sure"), [("latency.p50", True), ("latency.mean", True), ("latency.p99", True), ("latency.max", None)])
def test_latencies_are_compared_by_ranks(measure: str, sure: bool | None) -> None:  # noqa: FBT001  a table's column
    here, there = RNG.lognormal(-3, 0.4, 900), RNG.lognormal(-3.3, 0.4, 1_100)
    scores = scored(measure, closed(slow(here), slow(there)))
    assert scores.values[0] > 0
    if sure is None:
        assert np.isnan(scores.p_values[0])
    else:
        expected = stats.mannwhitneyu(here, there, method="asymptotic").pvalue
        assert scores.p_values[0] == pytest.approx(expected * (2 if measure == "latency.p99" else 1), rel=0.5)


def test_a_tail_that_grew_alone_is_seen_by_the_tail_quantile() -> None:
    here, there = (np.concatenate([np.full(980, 0.02), np.full(20, tail)]) for tail in (1.0, 0.02))
    assert scored("latency.p99", closed(slow(here), slow(there))).p_values[0] < 1e-4
    assert scored("latency.p50", closed(slow(here), slow(there))).p_values[0] > 1e-6


def test_a_rate_is_compared_with_the_models_own_rate_as_poisson() -> None:
    found = scored("traffic.rate", closed(served(60), served(1), whole=served(120)))
    assert (found.values[0], found.p_values[0]) == (-1.0, pytest.approx(stats.binomtest(60, 180, 0.5).pvalue))
    silent = scored("traffic.rate", closed(empty(None), served(1), whole=served(120)))
    assert (silent.values[0], silent.p_values[0] < 1e-9, silent.reasons[0]) == (-2.0, True, None)


def test_a_versions_share_is_of_all_that_was_served_there() -> None:
    found = scored("traffic.share", closed(served(60), served(30), whole=served(120)))
    assert found.values[0] == 1 - 0.25
    assert np.isnan(found.p_values[0])


def columns(rows: int, shift: float) -> dict[str, Column]:
    return {
        "amount": NumberColumn(np.where(RNG.random(rows) < 0.1 + shift, np.nan, RNG.normal(shift, 1, rows))),
        "": NumberColumn(np.clip(RNG.normal(0.4 + shift, 0.1, rows), 0, 1)),
    }


def test_means_are_compared_by_welch_and_missing_shares_as_proportions() -> None:
    here, there = columns(700, 0.05), columns(900, 0.0)
    binning = make_binning(there, {}, PredictionKind.PROBABILITY, ())
    at = closed(folded(binning, here, 700), folded(binning, there, 900), binning=binning)
    one, other = (each[""].values for each in (here, there))  # type: ignore[union-attr]
    found = scored("prediction.mean", at)
    assert found.values[0] == pytest.approx(one.mean() - other.mean())
    assert found.p_values[0] == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue, rel=1e-6)
    gaps = [int(np.isnan(each["amount"].values).sum()) for each in (here, there)]  # type: ignore[union-attr]
    expected = stats.chi2_contingency([[gaps[0], 700 - gaps[0]], [gaps[1], 900 - gaps[1]]], correction=False).pvalue
    assert by_subject(scored("quality.missing_share", at))["amount"] == pytest.approx((gaps[0] / 700 - gaps[1] / 900, expected))


def test_confidence_is_compared_by_welch_and_what_machines_said_not_at_all() -> None:
    here, there = columns(700, 0.05), columns(900, 0.0)
    binning = make_binning(there, {}, PredictionKind.PROBABILITY, ())
    at = closed(folded(binning, here, 700), folded(binning, there, 900), binning=binning)
    one, other = (np.maximum(each[""].values, 1 - each[""].values) for each in (here, there))  # type: ignore[union-attr]
    found = scored("prediction.confidence", at)
    assert found.values[0] == pytest.approx(one.mean() - other.mean())
    assert found.p_values[0] == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue, rel=1e-6)
    assert found.low is not None
    assert found.low[0] < found.values[0]
    assert scored("version.age", at).reasons[0] is not None


def test_class_shares_are_compared_class_by_class() -> None:
    here, there = ({"": TextColumn(np.repeat([0, 1], sizes).astype(np.int32), ("no", "yes"))} for sizes in ([600, 400], [900, 100]))
    binning = make_binning(there, {}, PredictionKind.CLASS, ())
    found = by_subject(scored("prediction.class_share", closed(folded(binning, here, 1_000), folded(binning, there, 1_000), binning=binning)))
    assert {subject: round(value, 6) for subject, (value, _) in found.items()} == {"no": -0.3, "yes": 0.3}
    assert found["yes"][1] < 1e-20


@pytest.mark.parametrize(
    ("there", "reason"),
    [("no windows 1d ago", "no windows 1d ago"), (replace(served(9), latency=None), "no latency logged 1d ago"), (empty(None), "no rows 1d ago")],
)
def test_where_the_other_side_has_no_score_there_is_none_and_it_says_so(there: Profile | str, reason: str) -> None:
    found = scored("latency.p50", closed(slow(np.full(50, 0.1)), there))
    assert found.reasons == (reason,)
    assert np.isnan([*found.values, *found.p_values]).all()


def test_the_own_sides_reason_comes_first_and_min_rows_holds_for_both_sides() -> None:
    assert scored("latency.p50", closed(served(40), slow(np.full(50, 0.1)))).reasons == ("no latency logged",)
    few = closed(slow(np.full(90, 0.1)), slow(np.full(50, 0.1)))
    assert scored("latency.p50", few, min_rows=60).reasons == ("50 of 60 rows 1d ago",)
    assert scored("latency.p50", few, min_rows=100).reasons[0] is not None
    assert scored("latency.p50", few, min_rows=50).values[0] == 0


def test_a_models_share_of_a_device_is_compared_as_rows_log_it_on_both_sides() -> None:
    """The device was read as half busy now, and nothing is known of then: 6 of 60 seconds on both sides are no difference."""
    busy = replace(served(60), compute=durations([0.1] * 60), gpu={"cuda:0": GpuReadings(0, 0.0, 0.0, 1.0)})
    read = Readings([Metered(WINDOW, "nvml", "gpu.utilization", "0", Summary.of(0.5))], NOTHING)
    at = closed(busy, busy, readings=read)
    assert by_subject(scored("gpu.model_share", at))["cuda:0"][0] == 0.0
    assert scored("gpu.utilization", at).reasons == ("no utilization logged",)


def test_duplicates_that_are_estimated_are_compared_by_their_intervals() -> None:
    """Every id comes twice on both sides; 2,048 ids stand for 200,000 rows, whose own number would make any chance difference sure."""
    sides = []
    for side in ("a", "b"):
        tally = IdTally()
        tally.add([f"{side}{i // 2 if i % 3 else i}" for i in range(200_000)])
        sides.append(tally.frozen())
    binning = make_binning(columns(50, 0.0), {}, PredictionKind.PROBABILITY, ())
    one, other = (replace(folded(binning, columns(50, 0.0), 50), ids=ids) for ids in sides)
    found = scored("quality.duplicate_share", closed(one, other, binning=binning))
    assert found.values[0] != 0.0
    assert found.p_values[0] > 0.01
    few = replace(one, ids=Ids(40, np.arange(30, dtype=np.uint64), np.ones(30, dtype=np.int64), is_whole=True))
    assert scored("quality.duplicate_share", closed(few, other, binning=binning)).p_values[0] < 0.05
