"""What is most likely wrong: drifted inputs, a changed meaning of labels, infrastructure, the model."""

from dataclasses import dataclass

import numpy as np

from watchtower.core.evidence_errors import distance_of, loss, risen
from watchtower.core.evidence_predictions import Moved, difference, moved
from watchtower.core.grounds import Ground, labelled
from watchtower.nouns.batch import Floats
from watchtower.nouns.evidence import Diagnosis, Trial, VersionRun
from watchtower.nouns.settings import EvidenceSettings

HALF = 0.5
DIFFERENT = 0.1
"""A distance of predictions (KS, or the mean difference of pairs) worth a word."""
_INFRASTRUCTURE = ("latency.", "errors.", "gpu.", "resource.", "traffic.")


@dataclass(frozen=True, slots=True)
class Signs:
    """What the incident looks like beside the grounds.

    *inputs_explain*: inputs drifted, and move the candidate at least half as far as live. *together*: inputs moved both versions although no feature
    drifted by itself: many did by a little. *live_is_odd*: live's answers to its own
    reference inputs are not those that its file holds, or they moved although inputs did not. *meaning_changed*: every version's
    error rose against its error on labelled reference rows although inputs did not move. *only_latency*: nothing but infrastructure fired.
    """

    live_moved: float
    candidate_moved: float
    inputs_explain: bool
    together: bool
    live_is_odd: bool
    meaning_changed: bool
    only_infrastructure: bool
    only_latency: bool

    def facts(self) -> dict[str, object]:
        """As plain JSON values."""
        distances = {"live": round(self.live_moved, 4), "candidate": round(self.candidate_moved, 4)}
        return {**distances, "inputs_explain": self.inputs_explain, "together": self.together, "live_is_odd": self.live_is_odd}


def signs_of(trial: Trial, candidate: VersionRun, settings: EvidenceSettings, grounds: list[Ground]) -> Signs:
    """Reads the signs of one candidate's trial."""
    ours, theirs = moved(trial.kind, trial.live, settings.alpha), moved(trial.kind, candidate, settings.alpha)
    changed = _artefact_changed(trial)
    together = _moved_together(ours, theirs)
    measures = [measure for _, measure in trial.fired]
    return Signs(
        live_moved=ours.distance if ours else 0.0,
        candidate_moved=theirs.distance if theirs else 0.0,
        inputs_explain=bool(trial.drifted) and not changed and _moved_alike(ours, theirs),
        together=together and not trial.drifted and not changed and _moved_alike(ours, theirs),
        live_is_odd=changed or _apart(trial, candidate),
        meaning_changed=not together and not trial.drifted and not trial.input_missing and _every_error_rose(trial, candidate, grounds),
        only_infrastructure=bool(measures) and all(measure.startswith(_INFRASTRUCTURE) for measure in measures),
        only_latency=trial.latency_fired and all(measure.startswith("latency.") for measure in measures),
    )


def diagnose(trial: Trial, grounds: list[Ground], signs: Signs, *, rejected: bool) -> Diagnosis:
    """The likeliest cause where a trial does not accept."""
    if signs.only_infrastructure:
        return Diagnosis.INFRASTRUCTURE
    if trial.input_missing and (rejected or signs.inputs_explain):
        return Diagnosis.UPSTREAM_DATA_QUALITY
    if (trial.drifted and (rejected or signs.inputs_explain)) or signs.together:
        return Diagnosis.DATA_DRIFT
    if signs.meaning_changed:
        return Diagnosis.CONCEPT_DRIFT
    if rejected and any(ground.pairs is not None and ground.pairs.harms for ground in grounds):
        return Diagnosis.MODEL_REGRESSION
    return Diagnosis.UNKNOWN


def drift_words(trial: Trial) -> str:
    """``2 of 6 features drifted (amount PSI 1.92, age PSI 1.10)``; missing shares come first."""
    worst = sorted(trial.drifted.items(), key=lambda each: -each[1])[:3]
    missing = sorted(trial.input_missing.items(), key=lambda each: -each[1])[:3]
    told = [f"{name} is missing in {share:.0%}" for name, share in missing] + [f"{name} PSI {value:.2f}" for name, value in worst]
    return f"{len(trial.drifted)} of {trial.features} features drifted ({', '.join(told)})"


def _moved_alike(ours: Moved | None, theirs: Moved | None) -> bool:
    """The candidate moved at least half as far as live, or live did not move beyond chance."""
    if ours is None or theirs is None:
        return False
    return theirs.distance >= HALF * ours.distance or not ours.beyond_chance


def _moved_together(ours: Moved | None, theirs: Moved | None) -> bool:
    """Inputs moved both versions: each is beside its own answers to the reference inputs, which only other inputs can do."""
    return all(each is not None and each.beyond_chance and each.distance > DIFFERENT for each in (ours, theirs))


def _artefact_changed(trial: Trial) -> bool:
    """Whether live's re-run answers to its own reference inputs are not those that its reference file holds."""
    reference, answers = trial.reference, trial.live.reference_outputs
    if reference is None or reference.predictions is None or answers is None or reference.file_version != trial.live.version:
        return False
    return _differ(trial, answers, reference.predictions)


def _apart(trial: Trial, candidate: VersionRun) -> bool:
    if trial.drifted or trial.live.outputs is None or candidate.outputs is None:
        return False
    return _differ(trial, trial.live.outputs, candidate.outputs)


def _differ(trial: Trial, a: Floats, b: Floats) -> bool:
    """Whether two sets of answers to the same rows differ by more than equally good versions do: as distributions, or row by row."""
    return distance_of(trial.kind, a, b)[0] > DIFFERENT or difference(trial.kind, a, b, trial.scale) > DIFFERENT


def _every_error_rose(trial: Trial, candidate: VersionRun, grounds: list[Ground]) -> bool:
    reference, pairs = trial.reference, next((ground.pairs for ground in grounds if ground.name == "labels"), None)
    if reference is None or reference.labels is None or pairs is None:
        return False
    labels, known = labelled(trial), np.isfinite(reference.labels)
    now = np.isfinite(labels)
    for run in (trial.live, candidate):
        if run.outputs is None or run.reference_outputs is None:
            return False
        before = loss(trial.kind, run.reference_outputs[known], reference.labels[known], trial.scale)
        if not risen(loss(trial.kind, run.outputs[now], labels[now], trial.scale), before, pairs.minimum):
            return False
    return True
