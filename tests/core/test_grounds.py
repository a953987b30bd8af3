"""Each ground by itself, and every rule of statistics.md that a verdict keeps to, on made trials."""

from dataclasses import replace

import numpy as np
import pytest

from tests.core.test_judging import MINUTE, SETTINGS, M, N, World, judged, said, sigmoid
from watchtower.core.evidence_errors import distance_of, error, loss, minimum_effect, paired, selected
from watchtower.core.evidence_predictions import cost_per_thousand, speed
from watchtower.core.judging import judge
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.evidence import Diagnosis, ReferenceRows, Trial, Verdict, VersionRun
from watchtower.nouns.settings import EvidenceSettings

CLASS, PROBABILITY, NUMBER = PredictionKind.CLASS, PredictionKind.PROBABILITY, PredictionKind.NUMBER
NAN = float("nan")


def test_losses_and_errors_by_hand() -> None:
    answers, labels = np.array([0.9, 0.2, NAN, 1.4]), np.array([1.0, 1.0, 0.0, 1.0])
    assert loss(PROBABILITY, answers, labels, 1.0).tolist() == pytest.approx([0.01, 0.64, 1.0, 1.0])
    assert error(PROBABILITY, answers, labels) == 0.5
    assert loss(CLASS, np.array([1.0, 2.0, NAN]), np.array([1.0, 1.0, 1.0]), 1.0).tolist() == [0, 1, 1]
    assert loss(NUMBER, np.array([3.0, 20.0, NAN]), np.array([1.0, 1.0, 1.0]), 2.0).tolist() == [0.25, 1, 1]
    assert error(NUMBER, np.array([3.0, 20.0, NAN]), np.array([1.0, 1.0, 1.0])) == 10.5


def test_the_minimum_effect_shrinks_with_what_a_probability_can_lose() -> None:
    rare = np.full(100, 0.02)
    assert minimum_effect(PROBABILITY, rare, 0.01) == pytest.approx(0.2 * 0.02 * 0.98)
    assert minimum_effect(PROBABILITY, np.full(100, 0.5), 0.01) == 0.01
    assert minimum_effect(CLASS, rare, 0.01) == minimum_effect(PROBABILITY, None, 0.01) == 0.01


def test_distances_and_their_p_values_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 400), rng.normal(0.3, 1, 700)
    theirs = stats.ks_2samp(a, b).statistic
    distance, log_p = distance_of(NUMBER, a, b)
    assert distance == pytest.approx(theirs)
    assert np.exp(log_p) == pytest.approx(stats.kstwobign.sf(theirs * np.sqrt(400 * 700 / 1_100)))
    x, y = np.repeat([0.0, 1.0, 2.0], [50, 30, 20]), np.repeat([0.0, 1.0, 2.0], [20, 60, 40])
    distance, log_p = distance_of(CLASS, x, y)
    assert distance == pytest.approx((abs(0.5 - 1 / 6) + abs(0.3 - 0.5) + abs(0.2 - 1 / 3)) / 2)
    assert np.exp(log_p) == pytest.approx(stats.chi2_contingency([[50, 30, 20], [20, 60, 40]], correction=False).pvalue)


def test_labels_of_classes_are_a_selection_whatever_the_order_of_the_codes() -> None:
    """Labelled rows answer 0 or 2 alike often, the others always 1: the middle of an order that means nothing."""
    answers = np.tile([0.0, 2.0, 1.0, 1.0], 200)
    labels = np.where(answers == 1, NAN, 0.0)
    assert selected(CLASS, labels, np.ones(800, dtype=np.bool_), answers, 0.001) == pytest.approx(1.0, abs=0.01)
    assert selected(CLASS, np.where(np.arange(800) % 2, NAN, 0.0), np.ones(800, dtype=np.bool_), np.repeat(answers[:400], 2), 0.001) is None


def test_a_loss_is_called_a_loss_where_the_errors_do_not_show_the_difference() -> None:
    """Live says 0.4, the candidate 0.1, of rows of which all are 0: nobody errs at ½, but (0.4)² is not (0.1)²."""
    pairs = paired(PROBABILITY, np.zeros(200), np.full(200, 0.4), np.full(200, 0.1), scale=1.0, minimum=0.01, once=False)
    assert pairs.effect == pytest.approx(0.15)
    assert pairs.compared("<").startswith("candidate loss 0.010 < live loss 0.160 (error 0 and 0, n=200, p=")


# ------------------------------------------------------------------------------------------------------------------ each rule


def test_invalid_answers_of_one_window_are_no_verdict_yet() -> None:
    world = World()
    live = world.run("2")
    trial = world.trial(replace(live, outputs=np.full(N, NAN)), world.run("1"), labelled_reference=False)
    one = judged(replace(trial, windows=np.zeros(N, dtype=np.int64)))
    two = judged(replace(trial, windows=np.repeat([0, MINUTE], N // 2)))
    assert (one.verdict, two.verdict) == (Verdict.INCONCLUSIVE, Verdict.ACCEPT)


def test_what_is_still_needed_is_said_of_invalid_answers_too() -> None:
    world = World()
    live = world.run("2")
    assert live.outputs is not None
    bad = np.where(np.arange(N) % 89 == 0, NAN, live.outputs)
    trial = replace(world.trial(replace(live, outputs=bad), world.run("1", slope=2.01), labelled_reference=False), ended="the alert resolved")
    judgement = judged(trial)
    assert (judgement.verdict, judgement.rows_needed is not None) == (Verdict.INCONCLUSIVE, True)
    assert "candidate's invalid outputs 0.000 < live's 0.011 (n=800, p=" in judgement.reason
    assert f"about {judgement.rows_needed:,} rows would tell, {(judgement.rows_needed or 0) - N:,} more" in judgement.reason


def test_labelled_reference_rows_that_do_not_suffice_say_how_many_would() -> None:
    world = World()
    few = np.where(np.arange(M) < 150, world.reference_y, NAN)
    trial = world.trial(world.run("2", noise=1.5), world.run("1"))
    judgement = judged(replace(trial, reference=ReferenceRows(own=True, labels=few, predictions=None, file_version="2")))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert f"about {judgement.rows_needed:,} labelled reference rows would tell" in judgement.reason


def test_too_few_rows_and_too_few_labels_say_a_hundred() -> None:
    world = World()
    trial = world.trial(world.run("2", noise=3), world.run("1"))
    runs = [replace(run, outputs=None if run.outputs is None else run.outputs[:40]) for run in (trial.live, *trial.candidates)]
    few = judged(replace(trial, live=runs[0], candidates=(runs[1],), rows=40, logged=trial.logged[:40], windows=trial.windows[:40]))
    assert (few.verdict, few.rows_needed) == (Verdict.INCONCLUSIVE, 100)
    assert "40 of at least 100 rows" in few.reason
    unlabelled = judged(replace(world.trial(*runs_of(trial), labelled_reference=False), labels=np.full(N, NAN)))
    assert (unlabelled.rows_needed, unlabelled.reason.startswith("0 of 100 labelled rows")) == (100, True)


def runs_of(trial: Trial) -> tuple[VersionRun, ...]:
    return (trial.live, *trial.candidates)


def slow(trial: Trial, labels: Floats | None) -> Trial:
    return replace(trial, fired=(("Latency", "latency.p50"),), latency_fired=True, labels=labels)


def test_labels_that_show_no_gain_do_not_stop_what_speed_accepts() -> None:
    """Both answer the same: labels say that going back does not lower the loss, and a latency rule asked for less time."""
    world = World()
    live, fast = world.run("2", seconds=0.01), world.run("1")
    trial = slow(world.trial(live, replace(fast, outputs=live.outputs, reference_outputs=live.reference_outputs)), world.y)
    assert said(judged(trial)) == (Verdict.ACCEPT, Diagnosis.INFRASTRUCTURE)


def test_a_faster_candidate_that_does_harm_is_not_accepted() -> None:
    world = World()
    trial = slow(world.trial(world.run("2", seconds=0.01), world.run("1", slope=-2), labelled_reference=False), world.y)
    assert judged(trial).verdict is not Verdict.ACCEPT


def test_a_faster_candidate_that_answers_otherwise_is_accepted_once_labels_show_no_harm() -> None:
    world = World()
    live = world.run("2", seconds=0.01)
    assert live.outputs is not None
    other = replace(world.run("1"), outputs=np.clip(live.outputs + 0.001, 0, 1))
    trial = slow(world.trial(live, other, labelled_reference=False), world.y)
    assert judged(trial).verdict is Verdict.ACCEPT
    assert judged(replace(trial, labels=None)).verdict is not Verdict.ACCEPT


def test_rejection_waits_for_labels_where_they_are_configured() -> None:
    world = World(drift=1.5)
    trial = replace(world.trial(world.run("2", slope=1.9), world.run("1"), labelled_reference=False), drifted={"amount": 1.2})
    assert judged(trial).verdict is Verdict.REJECT
    assert judged(replace(trial, labels=np.full(N, NAN))).verdict is Verdict.INCONCLUSIVE


def test_an_older_candidate_wins_only_if_it_is_better_by_evidence_that_counts() -> None:
    """By labels; reference rows that are not the live version's own choose nobody."""
    world = World()
    live, newer, older = world.run("3", slope=-2), world.run("2", noise=3), world.run("1")
    by_labels = replace(world.trial(live, newer, older, labelled_reference=False), labels=world.y)
    assert judged(by_labels).candidate == "1"
    assert judged(replace(by_labels, candidates=(replace(older, version="2"), replace(newer, version="1")))).candidate == "2"
    invalid = world.trial(replace(live, outputs=np.full(N, NAN)), newer, older)
    own = ReferenceRows(own=False, labels=world.reference_y, predictions=None, file_version="1")
    assert judged(replace(invalid, reference=own)).candidate == "2"
    assert judged(replace(invalid, reference=replace(own, own=True))).candidate == "1"


def test_equal_versions_are_never_accepted_not_even_identical_ones() -> None:
    world = World()
    live = world.run("2")
    trial = world.trial(live, replace(live, version="1"))
    assert judged(trial).verdict is Verdict.REJECT
    assert judged(replace(trial, labels=world.y)).verdict is Verdict.REJECT


# ------------------------------------------------------------------------------------------------------------------ models that do not repeat themselves


def fickle(jitter: float, settings: EvidenceSettings, *, candidate: bool = False) -> tuple[Verdict, str]:
    world = World()
    live, other = world.run("2", noise=3), world.run("1")
    live, other = (live, replace(other, deterministic=False, jitter=jitter)) if candidate else (replace(live, deterministic=False, jitter=jitter), other)
    judgement = judge(world.trial(live, other), settings)
    return judgement.verdict, judgement.reason


def test_a_model_that_is_not_deterministic_is_broken_unless_a_tolerance_is_declared() -> None:
    verdict, reason = fickle(2e-5, SETTINGS)
    assert (verdict, "differ by up to 2e-05" in reason) == (Verdict.BROKEN, True)
    assert "tolerance" in reason
    assert fickle(2e-5, EvidenceSettings(tolerance=1e-4))[0] is Verdict.ACCEPT
    verdict, reason = fickle(0.3, EvidenceSettings(tolerance=1e-4), candidate=True)
    assert (verdict, "0.3 > 0.0001, the declared tolerance" in reason) == (Verdict.BROKEN, True)


# ------------------------------------------------------------------------------------------------------------------ every number is kept


def test_all_five_parts_of_the_evidence_are_kept() -> None:
    world = World()
    live, candidate = world.run("2", noise=3), world.run("1")
    live = replace(live, batch_seconds=np.full(4, 0.25), timed_rows=1_000, memory_bytes=300)
    candidate = replace(candidate, batch_seconds=np.full(4, 0.125), timed_rows=1_000, memory_bytes=150, usage={"power_mean_watts": 70.0})
    reference = ReferenceRows(own=True, labels=world.reference_y, predictions=sigmoid(2 * world.reference_z), file_version="2")
    trial = replace(world.trial(live, candidate), reference=reference, labels=world.y, device_hour=3.6, drifted={"age": 0.31})
    found = judged(trial).evidence
    assert found["integrity"] == {"rests_on": "re-run", "rows": N, "wanted": 0.99, "tolerance": 1e-4, "logged": True}
    assert (found["agreement"], found["minimum_effect"], found["drifted"], found["features"]) == (1.0, 0.01, {"age": 0.31}, 6)
    candidates = found["candidates"]
    assert isinstance(candidates, dict)
    of = candidates["1"]
    assert {"verdict", "reason", "labels", "reference", "invalid", "moved", "predictions", "speed"} == {*of}
    assert (of["labels"]["n"], of["labels"]["of"], of["labels"]["coverage"]) == (N, N, 1.0)
    assert {"live_error", "candidate_error", "live_loss", "candidate_loss", "log_e_plus", "log_e_minus", "p", "needed"} <= {*of["labels"]}
    assert {"differ", "live_from_reference", "candidate_from_reference"} == {*of["predictions"]}
    assert (of["speed"]["ratio"], of["speed"]["batches"], of["speed"]["memory_ratio"]) == (2.0, 4, 2.0)
    assert (of["speed"]["live_rows_per_second"], of["speed"]["candidate_rows_per_second"]) == (1_000.0, 2_000.0)
    assert (of["speed"]["live_cost_per_thousand"], of["speed"]["candidate_cost_per_thousand"]) == (0.001, 0.0005)


def test_a_candidate_that_is_broken_stands_among_the_verdicts() -> None:
    world = World()
    found = judged(world.trial(world.run("3", noise=3), VersionRun("2", failure="does not load"), world.run("1"))).evidence["candidates"]
    assert isinstance(found, dict)
    assert (found["2"], found["1"]["verdict"]) == ({"verdict": "broken", "reason": "does not load"}, "accept")


def test_speed_and_cost_by_hand() -> None:
    found = speed(np.array([2.0, 3.0, 1.0]), np.array([1.0, 1.0, 1.0]))
    assert found is not None
    assert (found.ratio, found.batches, found.slower) == (2.0, 3, 2)
    assert speed(np.array([1.0]), np.array([1.0, 2.0])) is None
    assert cost_per_thousand(VersionRun("1", batch_seconds=np.array([1.0, 1.0]), timed_rows=500), 1.8) == pytest.approx(0.002)
    assert cost_per_thousand(VersionRun("1"), 1.8) is None
