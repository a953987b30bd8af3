"""Would going back help? A trial becomes a judgement, by arithmetic that a person can check."""

from dataclasses import dataclass, field, replace

import numpy as np

from watchtower.core.diagnosing import Signs, diagnose, drift_words, signs_of
from watchtower.core.evidence_errors import PAIRS, minimum_effect, paired
from watchtower.core.evidence_predictions import agreement, difference
from watchtower.core.grounds import Bar, Ground, by_labels, by_reference, by_speed, by_validity, has_labels, in_use, labelled
from watchtower.nouns.evidence import Diagnosis, Judgement, Trial, Verdict, VersionRun
from watchtower.nouns.settings import EvidenceSettings

CPU = "CPUExecutionProvider"
_NO_CANDIDATE = "no earlier healthy version"


@dataclass(frozen=True, slots=True)
class Weighed:
    """One candidate beside live."""

    candidate: VersionRun
    verdict: Verdict
    diagnosis: Diagnosis
    reason: str
    approval_asked: bool = False
    needed: int | None = None
    facts: dict[str, object] = field(default_factory=dict)


def judge(trial: Trial, settings: EvidenceSettings) -> Judgement:
    """The verdict on *trial* as it stands: ACCEPT, REJECT and BROKEN are final, INCONCLUSIVE is so once the trial has ended."""
    if not trial.candidates:
        return _broken(trial, _NO_CANDIDATE)
    live_failed = failure_of(trial.live, trial.shadow_device)
    if live_failed:
        return _broken(trial, f"live version {trial.live.version}: {live_failed}", trial.candidates[0].version)
    working = [run for run in trial.candidates if not failure_of(run, trial.shadow_device)]
    if not working:
        failures = "; ".join(f"candidate {run.version}: {failure_of(run, trial.shadow_device)}" for run in trial.candidates)
        return _broken(trial, failures, trial.candidates[0].version)
    unsound = _integrity(trial, settings)
    if unsound is not None:
        return unsound
    return _combined(trial, settings, [_weigh(trial, run, settings) for run in working])


def failure_of(run: VersionRun, device: str) -> str:
    """Why a version's answers cannot be used, "" if they can."""
    if run.failure or run.outputs is None:
        return run.failure or "it was not run"
    if device == "cuda" and run.provider == CPU:
        return f"device: cuda was asked, and it ran on {run.provider}"
    return ""


def _integrity(trial: Trial, settings: EvidenceSettings) -> Judgement | None:
    """A judgement where what live served cannot be had again, or not yet be compared; None where all is well."""
    if trial.expired and trial.rows < PAIRS:
        return _undecided(trial, f"inputs expired: {trial.expired}")
    assert trial.live.outputs is not None
    if not trial.has_logged and trial.rows and np.isfinite(trial.live.outputs).mean() > 1 - settings.agreement:
        return _undecided(trial, "no logged predictions: what live served cannot be compared with its re-run")
    share = agreement(trial, settings)
    if share < settings.agreement and (trial.rows >= PAIRS or trial.ended):
        odd = "" if trial.live.deterministic else "; two runs on the same inputs differ"
        had = f"{share:.3f} of {trial.rows:,} logged predictions are had again by re-running version {trial.live.version}"
        reason = f"serving and artefact differ: {had} (at least {settings.agreement:g}){odd}"
        return _broken(trial, reason, trial.candidates[0].version, Diagnosis.SERVING_SKEW)
    if trial.rows < PAIRS:
        return _undecided(trial, f"{trial.rows:,} of at least {PAIRS} rows to compare what live served with its re-run")
    return None


def _weigh(trial: Trial, candidate: VersionRun, settings: EvidenceSettings) -> Weighed:
    minimum = effect_of(trial, settings)
    bar = Bar(settings.alpha, len(trial.candidates), in_use(trial))
    found = (
        by_labels(trial, candidate, settings, bar, minimum),
        by_reference(trial, candidate, bar, minimum),
        by_validity(trial, candidate, settings, bar),
        by_speed(trial, candidate, settings, bar, minimum),
    )
    grounds = [ground for ground in found if ground is not None]
    signs = signs_of(trial, candidate, settings, grounds)
    facts: dict[str, object] = {ground.name: {**ground.facts, "reason": ground.reason, "capped": ground.capped} for ground in grounds}
    facts["moved"] = signs.facts()
    return replace(_verdict(trial, candidate, grounds, signs), facts=facts)


def effect_of(trial: Trial, settings: EvidenceSettings) -> float:
    """m: fixed when the plan opens, of the newest candidate that runs."""
    if trial.minimum_effect is not None:
        return trial.minimum_effect
    run = next((run for run in trial.candidates if not failure_of(run, trial.shadow_device)), None)
    return minimum_effect(trial.kind, run.reference_outputs if run else None, settings.minimum_effect)


def _verdict(trial: Trial, candidate: VersionRun, grounds: list[Ground], signs: Signs) -> Weighed:
    """Labels of live rows outrank every other ground; else any ground that accepts, then those that reject."""
    labels = next((ground for ground in grounds if ground.name == "labels"), None)
    refused = labels is not None and labels.rejects and not labels.capped
    sufficient = next((ground for ground in grounds if ground.accepts and not ground.capped), None)
    if sufficient is not None and not refused:
        diagnosis = Diagnosis.INFRASTRUCTURE if sufficient.name == "speed" else Diagnosis.MODEL_REGRESSION
        return Weighed(candidate, Verdict.ACCEPT, diagnosis, sufficient.reason)
    rejected = _rejection(trial, grounds, signs)
    diagnosis = diagnose(trial, grounds, signs, rejected=bool(rejected))
    if rejected:
        return Weighed(candidate, Verdict.REJECT, diagnosis, _headed(diagnosis, rejected))
    return _waiting(trial, candidate, grounds, signs, diagnosis)


def _rejection(trial: Trial, grounds: list[Ground], signs: Signs) -> str:
    """Why going back would not help; "" where that is not shown."""
    by_name = {ground.name: ground for ground in grounds}
    labels, reference, speed = by_name.get("labels"), by_name.get("reference"), by_name.get("speed")
    harmed = any(ground.pairs is not None and ground.pairs.harms and not ground.capped for ground in grounds)
    if trial.latency_fired and speed is not None and not speed.rejects and not harmed:
        return ""
    if trial.labels is not None:
        return labels.reason if labels is not None and labels.rejects and not labels.capped else ""
    if signs.inputs_explain:
        moved = f"the candidate's predictions moved {signs.candidate_moved:.2f} with the inputs, live's {signs.live_moved:.2f} (n={trial.rows:,})"
        return f"{drift_words(trial)}, and {moved}"
    if speed is not None and speed.rejects and signs.only_latency:
        return speed.reason
    # where inputs drifted and live alone suffers, old rows say nothing about what comes in now
    if reference is not None and reference.rejects and not reference.capped and not (trial.drifted and not signs.inputs_explain):
        return reference.reason
    return ""


def _headed(diagnosis: Diagnosis, reason: str) -> str:
    named = diagnosis in {Diagnosis.DATA_DRIFT, Diagnosis.UPSTREAM_DATA_QUALITY, Diagnosis.CONCEPT_DRIFT}
    head = f"{diagnosis.replace('_', ' ')}: " if named else ""
    return f"{head}going back would not help: {reason}"


def _waiting(trial: Trial, candidate: VersionRun, grounds: list[Ground], signs: Signs, diagnosis: Diagnosis) -> Weighed:
    """Nothing is decided: what a person may want to know, and how many rows would do."""
    capped = next((ground for ground in grounds if ground.capped and (ground.accepts or ground.rejects)), None)
    if capped is not None:
        return Weighed(candidate, Verdict.INCONCLUSIVE, diagnosis, f"{capped.reason}; {capped.capped}", approval_asked=capped.accepts)
    labels = next((ground for ground in grounds if ground.name == "labels"), None)
    if labels is not None:
        wanted = f"; about {labels.needed:,} labelled rows would tell" if labels.needed else ""
        if labels.pairs is not None and labels.pairs.n >= PAIRS and not wanted:
            wanted = f"; below the minimum effect {labels.pairs.minimum:.4g} no number of rows would accept"
        return Weighed(candidate, Verdict.INCONCLUSIVE, diagnosis, labels.reason + wanted, needed=labels.needed)
    assert trial.live.outputs is not None
    assert candidate.outputs is not None
    apart = difference(trial.kind, trial.live.outputs, candidate.outputs, trial.scale)
    reference = next((ground for ground in grounds if ground.name == "reference"), None)
    seen = f"{reference.reason} on labelled reference rows" if reference is not None else "nothing is labelled, and different is not worse"
    reason = f"{seen}; candidate's predictions differ from live's by {apart:.2f} on average (n={trial.rows:,})"
    return Weighed(candidate, Verdict.INCONCLUSIVE, diagnosis, reason, approval_asked=signs.live_is_odd and not has_labels(trial))


def _combined(trial: Trial, settings: EvidenceSettings, weighed: list[Weighed]) -> Judgement:
    """Each candidate has its own verdict; ACCEPT if any, REJECT only if all that run reject."""
    accepted = [each for each in weighed if each.verdict is Verdict.ACCEPT]
    undecided = next((each for each in weighed if each.verdict is Verdict.INCONCLUSIVE), weighed[0])
    chosen = _best(trial, settings, accepted) if accepted else undecided
    reason = chosen.reason
    if chosen.verdict is Verdict.INCONCLUSIVE and trial.ended:
        reason = f"{reason} ({trial.ended})"
    by_candidate = {each.candidate.version: {"verdict": str(each.verdict), "reason": each.reason, **each.facts} for each in weighed}
    facts = facts_of(trial, settings) | {"candidates": by_candidate}
    return Judgement(
        verdict=chosen.verdict,
        diagnosis=chosen.diagnosis,
        reason=reason,
        candidate=chosen.candidate.version,
        final=chosen.verdict is not Verdict.INCONCLUSIVE or bool(trial.ended),
        evidence=facts,
        approval_asked=chosen.approval_asked,
        rows_needed=chosen.needed,
        minimum_effect=effect_of(trial, settings),
    )


def _best(trial: Trial, settings: EvidenceSettings, accepted: list[Weighed]) -> Weighed:
    """The newest accepted candidate; an older one only where it is shown to be better than that: E⁺ >= k/α and d̂ >= m."""
    best = accepted[0]
    bar = Bar(settings.alpha, len(trial.candidates), 1)
    for older in accepted[1:]:
        if _better(trial, older.candidate, best.candidate, bar, effect_of(trial, settings)):
            best = older
    return best


def _better(trial: Trial, older: VersionRun, newer: VersionRun, bar: Bar, minimum: float) -> bool:
    if trial.labels is not None and older.outputs is not None and newer.outputs is not None:
        pairs = paired(trial.kind, labelled(trial), newer.outputs, older.outputs, scale=trial.scale, minimum=minimum, once=False)
    elif trial.reference is not None and trial.reference.labels is not None and older.reference_outputs is not None and newer.reference_outputs is not None:
        pairs = paired(trial.kind, trial.reference.labels, newer.reference_outputs, older.reference_outputs, scale=trial.scale, minimum=minimum, once=True)
    else:
        return False
    return pairs.helps and -pairs.log_p >= bar.log


def facts_of(trial: Trial, settings: EvidenceSettings) -> dict[str, object]:
    """What the trial saw, as plain JSON values."""
    runs = (trial.live, *trial.candidates)
    return {
        "rows": trial.rows,
        "found": trial.found,
        "asked": trial.asked,
        "windows": len(np.unique(trial.windows)),
        "live": trial.live.version,
        "agreement": round(agreement(trial, settings), 6) if trial.live.outputs is not None else None,
        "providers": {run.version: run.provider for run in runs},
        "deterministic": {run.version: run.deterministic for run in runs},
        "jitter": {run.version: run.jitter for run in runs},
        "notes": {run.version: run.note for run in runs if run.note},
        "usage": {run.version: dict(run.usage) for run in runs if run.usage},
        "memory_bytes": {run.version: run.memory_bytes for run in runs},
        "failures": {run.version: run.failure for run in runs if run.failure},
        "features": trial.features,
        "drifted": {name: round(value, 4) for name, value in trial.drifted.items()},
        "missing": {name: round(value, 4) for name, value in trial.input_missing.items()},
        "fired": [list(each) for each in trial.fired],
        "expired": trial.expired,
    }


def _broken(trial: Trial, reason: str, candidate: str | None = None, diagnosis: Diagnosis = Diagnosis.UNKNOWN) -> Judgement:
    return Judgement(Verdict.BROKEN, diagnosis, reason, candidate, final=True, evidence=_plain_facts(trial))


def _undecided(trial: Trial, reason: str) -> Judgement:
    text = f"{reason} ({trial.ended})" if trial.ended else reason
    return Judgement(Verdict.INCONCLUSIVE, Diagnosis.UNKNOWN, text, trial.candidates[0].version, final=bool(trial.ended), evidence=_plain_facts(trial))


def _plain_facts(trial: Trial) -> dict[str, object]:
    return facts_of(trial, EvidenceSettings())
