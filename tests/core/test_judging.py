"""Every row of the table of scenarios in statistics.md, on made trials."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from watchtower.core.judging import judge
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.evidence import Diagnosis, Judgement, ReferenceRows, Trial, Verdict, VersionRun
from watchtower.nouns.settings import EvidenceSettings

SETTINGS = EvidenceSettings()
N, M = 800, 3_000
MINUTE = 60_000_000
ACCEPTED = re.compile(r"candidate error [\d.]+ < live error [\d.]+ \(n=[\d,]+, p=[^)]*\)")


class World:
    """Rows, what is true of them, and versions that are right to some degree."""

    def __init__(self, *, seed: int = 3, drift: float = 0.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.z = self.rng.normal(drift, 1, N)
        self.reference_z = self.rng.normal(0, 1, M)
        self.y = (self.rng.random(N) < sigmoid(2 * self.z)).astype(float)
        self.reference_y = (self.rng.random(M) < sigmoid(2 * self.reference_z)).astype(float)

    def run(self, version: str, slope: float = 2.0, noise: float = 0.0, seconds: float = 0.001) -> VersionRun:
        def answers(z: Floats) -> Floats:
            return sigmoid(slope * z + noise * self.rng.normal(0, 1, len(z)))

        return VersionRun(version, "CPUExecutionProvider", answers(self.z), answers(self.reference_z), np.full(16, seconds) * self.rng.uniform(0.95, 1.05, 16))

    def trial(self, live: VersionRun, *candidates: VersionRun, labelled_reference: bool = True) -> Trial:
        assert live.outputs is not None
        return Trial(
            model="fraud",
            live=live,
            candidates=candidates,
            kind=PredictionKind.PROBABILITY,
            classes=(),
            rows=N,
            asked=N,
            found=N,
            windows=np.repeat(np.arange(4) * MINUTE, N // 4),
            logged=live.outputs.copy(),
            has_logged=bool(np.isfinite(live.outputs).any()),
            labels=None,
            reference=ReferenceRows(own=True, labels=self.reference_y if labelled_reference else None, predictions=None, file_version=live.version),
            drifted={},
            features=6,
            input_missing={},
            fired=(("PredictionDrift", "prediction.psi"),),
            latency_fired=False,
            scale=1.0,
        )


def sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))


def judged(trial: Trial) -> Judgement:
    judgement = judge(trial, SETTINGS)
    json.dumps(dict(judgement.evidence), allow_nan=False)
    return judgement


def said(judgement: Judgement) -> tuple[Verdict, Diagnosis]:
    return judgement.verdict, judgement.diagnosis


def test_damaged_weights_are_accepted_by_labelled_reference_rows_with_their_arithmetic() -> None:
    world = World()
    judgement = judged(world.trial(world.run("2", noise=3), world.run("1")))
    assert said(judgement) == (Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION)
    assert ACCEPTED.fullmatch(judgement.reason)
    assert (judgement.candidate, judgement.final) == ("1", True)


def test_equal_versions_are_rejected_by_labelled_reference_rows() -> None:
    world = World()
    judgement = judged(world.trial(world.run("2"), world.run("1")))
    assert said(judgement) == (Verdict.REJECT, Diagnosis.UNKNOWN)
    assert "going back would not help" in judgement.reason


def test_labelled_rows_of_another_versions_making_are_for_a_person() -> None:
    world = World()
    trial = world.trial(world.run("2", noise=3), world.run("1"))
    assert trial.reference is not None
    trial = replace(trial, reference=replace(trial.reference, own=False, file_version="1"))
    assert (judged(trial).verdict, judged(trial).final) == (Verdict.INCONCLUSIVE, False)
    ended = judged(replace(trial, ended="the input ended"))
    assert (ended.verdict, ended.approval_asked, ended.final) == (Verdict.INCONCLUSIVE, True, True)
    assert "version 1's, not version 2's" in ended.reason


def test_where_nothing_is_labelled_different_is_not_worse() -> None:
    world = World()
    trial = replace(world.trial(world.run("2", slope=-2), world.run("1"), labelled_reference=False), ended="all 8,192 rows are used")
    judgement = judged(trial)
    assert (judgement.verdict, judgement.final, judgement.approval_asked) == (Verdict.INCONCLUSIVE, True, True)
    assert "label" in judgement.reason


def test_wrong_preprocessing_in_serving_is_skew_and_never_a_rollback() -> None:
    world = World()
    trial = world.trial(world.run("2", noise=3), world.run("1"))
    judgement = judged(replace(trial, logged=sigmoid(0.5 * world.z)))
    assert said(judgement) == (Verdict.BROKEN, Diagnosis.SERVING_SKEW)


def test_logs_of_five_decimals_are_no_skew() -> None:
    world = World()
    trial = world.trial(world.run("2", noise=3), world.run("1"))
    assert judged(replace(trial, logged=np.round(trial.logged, 5))).verdict is Verdict.ACCEPT


def test_drifted_inputs_that_move_every_version_are_data_drift() -> None:
    world = World(drift=1.5)
    trial = replace(world.trial(world.run("2", slope=1.9), world.run("1")), drifted={"amount": 1.2})
    judgement = judged(trial)
    assert said(judgement) == (Verdict.REJECT, Diagnosis.DATA_DRIFT)
    assert judgement.reason.startswith("data drift: going back would not help: 1 of 6 features drifted (amount PSI 1.20)")


def test_drift_is_upstream_trouble_where_values_are_missing() -> None:
    world = World(drift=1.5)
    trial = replace(world.trial(world.run("2"), world.run("1")), drifted={"amount": 1.2}, input_missing={"amount": 0.4})
    assert said(judged(trial)) == (Verdict.REJECT, Diagnosis.UPSTREAM_DATA_QUALITY)
    assert "amount is missing in 40%" in judged(trial).reason


def test_drift_is_no_excuse_for_an_artefact_that_no_longer_answers_as_its_reference_says() -> None:
    world = World(drift=1.5)
    trial = world.trial(world.run("2", slope=-2), world.run("1"), labelled_reference=False)
    trial = replace(
        trial, drifted={"amount": 1.2}, reference=ReferenceRows(own=True, labels=None, predictions=sigmoid(2 * world.reference_z), file_version="2")
    )
    assert judged(trial).verdict is Verdict.INCONCLUSIVE


def test_where_half_of_the_features_drifted_reference_rows_do_not_accept() -> None:
    world = World()
    trial = replace(world.trial(world.run("2", noise=3), world.run("1", slope=-0.001)), drifted={"a": 1.0, "b": 1.0, "c": 1.0})
    assert judged(trial).verdict is not Verdict.ACCEPT


@pytest.mark.parametrize("spoilt", [lambda x: x * np.nan, lambda x: x * 0 + 0.3, lambda x: x + 1.5])
def test_invalid_or_constant_outputs_are_accepted_without_any_label(spoilt: Callable[[Floats], Floats]) -> None:
    world = World()
    live = world.run("2")
    assert live.outputs is not None
    bad = replace(live, outputs=spoilt(live.outputs))
    judgement = judged(world.trial(bad, world.run("1"), labelled_reference=False))
    assert said(judgement) == (Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION)
    assert judgement.reason.startswith("candidate's invalid outputs 0.000 < live's 1.000 (n=800, p=")


def test_versions_that_drifted_inputs_saturate_are_not_told_apart_by_the_last_digit() -> None:
    world = World(drift=9.0)
    runs = [replace(run, outputs=run.outputs.astype(np.float32).astype(float)) for run in (world.run("2", slope=5), world.run("1")) if run.outputs is not None]
    assert [len(np.unique(run.outputs)) > 1 for run in runs if run.outputs is not None] == [False, True]
    trial = replace(world.trial(*runs, labelled_reference=False), drifted={"amount": 5.0})
    assert said(judged(trial)) == (Verdict.REJECT, Diagnosis.DATA_DRIFT)


def test_a_version_that_drifted_inputs_make_constant_is_for_a_person_unless_it_is_constant_anyway() -> None:
    world = World(drift=4.0)
    live, candidate = world.run("2"), world.run("1", slope=0.1)
    live = replace(live, outputs=np.full(N, 0.5))
    trial = replace(world.trial(live, candidate, labelled_reference=False), drifted={"amount": 5.0})
    judgement = judged(replace(trial, candidates=(replace(candidate, reference_outputs=candidate.outputs),)))
    assert (judgement.verdict, judgement.approval_asked) == (Verdict.INCONCLUSIVE, True)
    assert "nothing shows that live answers the same to other inputs too" in judgement.reason
    assert said(judged(replace(trial, live=replace(live, reference_outputs=np.full(M, 0.5))))) == (Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION)


def test_few_missing_answers_do_not_take_back_a_version_that_reference_rows_show_to_be_better() -> None:
    world = World()
    live = world.run("2")
    assert live.outputs is not None
    nan = replace(live, outputs=np.where(np.arange(N) % 20 == 0, np.nan, live.outputs))
    assert judged(world.trial(nan, world.run("1"))).verdict is Verdict.ACCEPT
    assert said(judged(world.trial(nan, world.run("1", slope=-2)))) == (Verdict.REJECT, Diagnosis.MODEL_REGRESSION)


def test_a_constant_class_is_nothing_where_the_candidate_hardly_varies_either() -> None:
    world = World()
    rare = np.zeros(N)
    rare[:2] = 1
    runs = [VersionRun(version, "CPUExecutionProvider", outputs, None, None) for version, outputs in (("2", np.zeros(N)), ("1", rare))]
    trial = replace(world.trial(*runs, labelled_reference=False), kind=PredictionKind.CLASS, classes=("no", "yes"))
    assert judged(trial).verdict is Verdict.INCONCLUSIVE


def test_a_slower_version_that_answers_alike_is_accepted_only_if_a_latency_rule_fired() -> None:
    world = World()
    slow, fast = world.run("2", seconds=0.01), world.run("1")
    trial = replace(world.trial(slow, replace(fast, outputs=slow.outputs)), fired=(("Latency", "latency.p50"),), latency_fired=True)
    assert said(judged(trial)) == (Verdict.ACCEPT, Diagnosis.INFRASTRUCTURE)
    assert judged(trial).reason.startswith("live takes ")
    assert judged(replace(trial, latency_fired=False)).verdict is not Verdict.ACCEPT


def test_a_saturated_device_makes_every_version_slow() -> None:
    world = World()
    trial = replace(world.trial(world.run("2"), world.run("1")), fired=(("Latency", "latency.p50"),), latency_fired=True)
    assert said(judged(trial)) == (Verdict.REJECT, Diagnosis.INFRASTRUCTURE)


def test_labels_that_arrived_decide() -> None:
    world = World()
    trial = replace(world.trial(world.run("2", noise=3), world.run("1"), labelled_reference=False), labels=world.y)
    assert ACCEPTED.fullmatch(judged(trial).reason)
    assert judged(replace(trial, labels=np.full(N, np.nan))).verdict is Verdict.INCONCLUSIVE
    one_window = replace(trial, windows=np.zeros(N, dtype=np.int64))
    assert judged(one_window).reason.startswith("800 of 100 labelled rows, 1 of 2 windows")


def test_only_rows_logged_after_the_alert_began_firing_are_paired() -> None:
    world = World()
    trial = replace(world.trial(world.run("2", noise=3), world.run("1"), labelled_reference=False), labels=world.y)
    assert judged(replace(trial, usable=np.arange(N) >= N - 50)).verdict is Verdict.INCONCLUSIVE


def test_selected_labels_are_for_a_person() -> None:
    world = World()
    trial = world.trial(world.run("2", noise=3), world.run("1"), labelled_reference=False)
    judgement = judged(replace(trial, labels=np.where(world.z > 0, world.y, np.nan), ended="the input ended"))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "selection" in judgement.reason


def test_a_candidate_that_is_worse_is_rejected_by_labels() -> None:
    world = World()
    trial = replace(world.trial(world.run("2", noise=1), world.run("1", slope=-2), labelled_reference=False), labels=world.y)
    assert said(judged(trial)) == (Verdict.REJECT, Diagnosis.MODEL_REGRESSION)


def test_labels_that_changed_their_meaning_are_concept_drift() -> None:
    world = World()
    trial = replace(world.trial(world.run("2"), world.run("1")), labels=1 - world.y)
    assert said(judged(trial)) == (Verdict.REJECT, Diagnosis.CONCEPT_DRIFT)


def test_inputs_that_move_every_version_are_no_concept_drift_although_no_feature_drifted_alone() -> None:
    world = World(drift=-0.7)
    worse = np.where(world.rng.random(N) < 0.3, 1 - world.y, world.y)
    trial = replace(world.trial(world.run("2"), world.run("1")), labels=worse)
    assert said(judged(trial)) == (Verdict.REJECT, Diagnosis.DATA_DRIFT)


def test_too_few_labelled_rows_say_how_many_would_do() -> None:
    world = World()
    trial = replace(world.trial(world.run("2", noise=1.2), world.run("1"), labelled_reference=False), ended="the input ended")
    judgement = judged(replace(trial, labels=np.where(np.arange(N) % 6 == 0, world.y, np.nan)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.rows_needed is not None
    assert f"about {judgement.rows_needed:,} labelled rows would tell" in judgement.reason


def test_no_candidate_no_live_and_no_working_candidate_are_broken() -> None:
    world = World()
    live, candidate = world.run("2"), world.run("1")
    missing = replace(candidate, outputs=None, failure="version 1 has no artefact")
    for trial, says in (
        (world.trial(live), "no earlier healthy version"),
        (world.trial(live, missing), "version 1 has no artefact"),
        (replace(world.trial(live, candidate), live=replace(live, outputs=None, failure="gone")), "live version 2: gone"),
        (replace(world.trial(live, candidate), shadow_device="cuda"), "it ran on CPUExecutionProvider"),
    ):
        judgement = judged(trial)
        assert said(judgement) == (Verdict.BROKEN, Diagnosis.UNKNOWN)
        assert judgement.final
        assert says in judgement.reason


def test_a_broken_candidate_does_not_take_a_good_older_one_along() -> None:
    world = World()
    broken = VersionRun("2", failure="does not load")
    judgement = judged(world.trial(world.run("3", noise=3), broken, world.run("1")))
    assert (judgement.verdict, judgement.candidate) == (Verdict.ACCEPT, "1")


def test_of_two_good_candidates_the_newest_wins_unless_the_older_is_better() -> None:
    world = World()
    live = world.run("3", slope=-2)
    alike = judged(world.trial(live, world.run("2"), world.run("1")))
    better = judged(world.trial(live, world.run("2", noise=3), world.run("1")))
    assert (alike.candidate, better.candidate) == ("2", "1")


def test_a_person_is_asked_of_the_candidate_that_they_may_want_not_of_the_newest_undecided_one() -> None:
    world = World()
    trial = world.trial(world.run("3", noise=3), world.run("2", noise=3), world.run("1"))
    assert trial.reference is not None
    trial = replace(trial, reference=replace(trial.reference, own=False, file_version="1"), ended="the input ended")
    judgement = judged(trial)
    assert (judgement.verdict, judgement.candidate, judgement.approval_asked) == (Verdict.INCONCLUSIVE, "1", True)


def test_all_candidates_must_be_rejected_for_a_rejection() -> None:
    world = World()
    undecided = judged(world.trial(world.run("3", noise=0.5), world.run("2", slope=-2), world.run("1")))
    rejected = judged(world.trial(world.run("3"), world.run("2", slope=-2), world.run("1")))
    assert (undecided.verdict, undecided.candidate) == (Verdict.INCONCLUSIVE, "1")
    assert rejected.verdict is Verdict.REJECT


def test_no_logged_predictions_and_expired_inputs_decide_nothing() -> None:
    world = World()
    trial = world.trial(world.run("2", noise=3), world.run("1"))
    silent = judged(replace(trial, logged=np.full(N, np.nan), has_logged=False))
    assert (silent.verdict, silent.reason) == (Verdict.INCONCLUSIVE, "no logged predictions: what live served cannot be compared with its re-run")
    empty = np.zeros(0)
    runs = [replace(run, outputs=empty) for run in (trial.live, *trial.candidates)]
    expired = replace(
        trial,
        live=runs[0],
        candidates=(runs[1],),
        rows=0,
        logged=empty,
        windows=np.zeros(0, dtype=np.int64),
        expired="inputs expired: retention took them",
        has_logged=False,
    )
    assert judged(expired).reason == "inputs expired: retention took them"


def test_class_answers_are_compared_as_codes_by_mcnemar_on_reference_rows() -> None:
    rng = np.random.default_rng(2)
    truth, reference = rng.integers(0, 3, N).astype(float), rng.integers(0, 3, M).astype(float)

    def run(version: str, wrong: float) -> VersionRun:
        def spoilt(y: Floats) -> Floats:
            return np.where(rng.random(len(y)) < wrong, (y + 1) % 3, y)

        return VersionRun(version, "CPUExecutionProvider", spoilt(truth), spoilt(reference), None)

    world = World()
    trial = replace(world.trial(run("2", 0.3), run("1", 0.1)), kind=PredictionKind.CLASS, classes=("a", "b", "c"))
    judgement = judged(replace(trial, reference=ReferenceRows(own=True, labels=reference, predictions=None, file_version="2")))
    assert judgement.verdict is Verdict.ACCEPT
    assert ACCEPTED.fullmatch(judgement.reason)


def test_three_hundred_incidents_of_equal_versions_are_never_accepted() -> None:
    rng = np.random.default_rng(7)
    world = World()
    base = world.trial(world.run("2"), world.run("1"), labelled_reference=False)
    accepted = 0
    for _ in range(100):
        live, candidate = (np.clip(sigmoid(2 * world.z + rng.normal(0, 0.4, N)), 0, 1) for _ in range(2))
        y = (rng.random(N) < sigmoid(2 * world.z)).astype(float)
        trial = replace(base, live=replace(base.live, outputs=live), candidates=(replace(base.candidates[0], outputs=candidate),), logged=live, labels=y)
        for n in (200, 500, N):
            accepted += judge(replace(trial, usable=np.arange(N) < n), SETTINGS).verdict is Verdict.ACCEPT
    assert accepted == 0
