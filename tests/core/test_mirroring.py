"""What a version mirrored is evidence without a re-run."""

from dataclasses import replace

import numpy as np
import pytest

from tests.core.test_judging import MINUTE, SETTINGS, N, World, judged
from watchtower.core.judging import judge
from watchtower.core.keeping import Kept, packed, unpacked
from watchtower.core.mirroring import LOGGED, mirror_agreement, pairs_of
from watchtower.core.trialling import mirrored
from watchtower.nouns.batch import Floats, TextColumn
from watchtower.nouns.evidence import Diagnosis, Trial, Verdict, VersionRun

NAN = float("nan")


def mirroring(run: VersionRun, answers: Floats, rows: slice = slice(None), **change: object) -> VersionRun:
    at = np.zeros(N, dtype=np.bool_)
    at[rows] = True
    return replace(run, mirror=np.where(at, answers, NAN), mirrored=at, **change)  # type: ignore[arg-type]


def gone(run: VersionRun) -> VersionRun:
    return VersionRun(run.version, failure=f"{run.version}/model.onnx is missing")


def labelled_trial(world: World, live: VersionRun, candidate: VersionRun) -> Trial:
    base = world.trial(world.run("2", noise=3), candidate, labelled_reference=False)
    return replace(base, live=live, logged=base.logged if live.outputs is None else live.outputs, labels=world.y)


def test_a_candidate_whose_artefact_is_gone_is_judged_by_what_it_mirrored() -> None:
    world = World()
    good = world.run("1")
    assert good.outputs is not None
    candidate = mirroring(gone(good), good.outputs, slice(0, 600))
    judgement = judged(labelled_trial(world, world.run("2", noise=3), candidate))
    assert (judgement.verdict, judgement.candidate) == (Verdict.ACCEPT, "1")
    assert judgement.reason.endswith("(by 600 logged predictions that version 1 mirrored, not run again)")
    found = judgement.evidence["candidates"]
    assert isinstance(found, dict)
    assert (found["1"]["labels"]["n"], found["1"]["mirror"]) == (600, {"pairs": 600, "agreement": None, "instead_of_a_run": True})
    assert judgement.evidence["failures"] == {"1": "1/model.onnx is missing"}


def test_two_versions_that_were_only_logged_are_compared_and_integrity_says_what_it_rests_on() -> None:
    world = World()
    good, bad = world.run("1"), world.run("2", noise=3)
    assert good.outputs is not None
    assert bad.outputs is not None
    trial = labelled_trial(world, gone(bad), mirroring(gone(good), good.outputs))
    judgement = judged(replace(trial, logged=bad.outputs))
    assert judgement.verdict is Verdict.ACCEPT
    assert judgement.evidence["integrity"] == {"rests_on": LOGGED, "rows": N, "wanted": 0.99, "tolerance": 1e-4, "logged": True}
    assert judgement.evidence["agreement"] is None


def test_a_live_version_that_cannot_be_run_is_broken_beside_a_candidate_that_only_can() -> None:
    """What live served against a re-run would take a serving skew for a worse model."""
    world = World()
    judgement = judged(labelled_trial(world, gone(world.run("2")), world.run("1")))
    assert (judgement.verdict, judgement.reason) == (Verdict.BROKEN, "live version 2: 2/model.onnx is missing")


def test_few_mirrored_predictions_are_waited_for_until_the_trial_ends() -> None:
    world = World()
    good = world.run("1")
    assert good.outputs is not None
    trial = labelled_trial(world, world.run("2", noise=3), mirroring(gone(good), good.outputs, slice(0, 60)))
    judgement = judged(trial)
    assert (judgement.verdict, judgement.final) == (Verdict.INCONCLUSIVE, False)
    assert judgement.reason.startswith("60 of 100 predictions that version 1 mirrored")
    assert judged(replace(trial, ended="the alert resolved")).verdict is Verdict.BROKEN


def test_a_candidate_that_mirrors_otherwise_than_its_artefact_answers_is_skewed() -> None:
    world = World()
    good = world.run("1")
    assert good.outputs is not None
    judgement = judged(labelled_trial(world, world.run("2", noise=3), mirroring(good, good.outputs / 2)))
    assert (judgement.verdict, judgement.diagnosis) == (Verdict.BROKEN, Diagnosis.SERVING_SKEW)
    assert "0.000 of the 800 predictions that it mirrored" in judgement.reason


def test_a_candidate_that_runs_is_run_and_its_mirror_is_told_beside() -> None:
    world = World()
    good = world.run("1")
    assert good.outputs is not None
    run = mirroring(good, np.round(good.outputs, 5))
    trial = labelled_trial(world, world.run("2", noise=3), run)
    assert mirror_agreement(trial, run, SETTINGS) == 1.0
    found = judged(trial).evidence["candidates"]
    assert isinstance(found, dict)
    assert found["1"]["mirror"] == {"pairs": N, "agreement": 1.0, "instead_of_a_run": False}
    assert pairs_of(run) == N


def test_mirrored_pairs_come_out_of_two_windows_too() -> None:
    world = World()
    good = world.run("1")
    assert good.outputs is not None
    trial = labelled_trial(world, world.run("2", noise=3), mirroring(gone(good), good.outputs, slice(0, 150)))
    assert judge(trial, SETTINGS).verdict is Verdict.INCONCLUSIVE
    assert judge(replace(trial, windows=np.arange(N) % 2 * MINUTE), SETTINGS).reason.startswith(("candidate error", "candidate loss"))


def test_an_older_version_is_chosen_over_a_newer_one_by_rows_that_both_answered() -> None:
    world = World()
    live, newer, older = world.run("3", slope=-2), world.run("2", noise=3), world.run("1")
    assert older.outputs is not None
    trial = replace(labelled_trial(world, live, newer), candidates=(newer, mirroring(gone(older), older.outputs, slice(0, 700))))
    assert judged(trial).candidate == "1"


# ------------------------------------------------------------------------------------------------------------------ pairing by id


def test_mirrored_rows_are_those_of_the_version_that_have_an_id_and_an_answer() -> None:
    from tests.core.test_trialling import batch

    rows = batch(5, ids=["a", "b", "", "d", "a"], versions=["1", "1", "1", "2", "1"])
    rows = replace(rows, statuses=TextColumn(np.array([0, 1, 0, 0, 0], dtype=np.int32), ("ok", "error")))
    index, keys = mirrored(rows, "1")
    assert index.tolist() == [0, 4]
    assert keys[0] == keys[1]
    assert mirrored(replace(rows, ids=None), "1")[0].tolist() == []


def test_what_was_mirrored_is_kept_over_a_restart_and_an_older_release_kept_none() -> None:
    kept = Kept(
        "p", 0, 1, 10, mirrors=("1", "0"), mirror_keys=np.array([3, 5], dtype=np.uint64), mirror_of=np.array([0, 1]), mirror_answers=np.array([0.1, NAN])
    )
    again = unpacked(packed(kept))
    assert again is not None
    assert (again.mirrors, again.mirror_keys.tolist(), again.mirror_of.tolist()) == (("1", "0"), [3, 5], [0, 1])
    assert again.mirror_answers.tolist() == pytest.approx([0.1, NAN], nan_ok=True)
