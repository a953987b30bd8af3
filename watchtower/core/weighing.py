"""One candidate beside live: every ground, and the verdict that they make together."""

from dataclasses import dataclass, field, replace

from watchtower.core.diagnosing import Signs, diagnose, drift_words, signs_of
from watchtower.core.evidence_errors import PAIRS
from watchtower.core.evidence_facts import facts_of_candidate
from watchtower.core.evidence_predictions import difference
from watchtower.core.grounds import Bar, Ground, by_labels, by_reference, by_speed, by_validity, has_labels, in_use
from watchtower.core.mirroring import LOGGED, restricted
from watchtower.nouns.evidence import Diagnosis, Trial, Verdict, VersionRun
from watchtower.nouns.settings import EvidenceSettings


@dataclass(frozen=True, slots=True)
class Weighed:
    """One candidate's verdict."""

    candidate: VersionRun
    verdict: Verdict
    diagnosis: Diagnosis
    reason: str
    approval_asked: bool = False
    needed: int | None = None
    facts: dict[str, object] = field(default_factory=dict)


def weigh(whole: Trial, candidate: VersionRun, settings: EvidenceSettings, minimum: float) -> Weighed:
    """The verdict on *candidate* by the rows that it answered; *minimum* is m."""
    trial, run = restricted(whole, candidate)
    bar = Bar(settings.alpha, len(trial.candidates), in_use(trial))
    found = (
        by_labels(trial, run, settings, bar, minimum),
        by_reference(trial, run, bar, minimum),
        by_validity(trial, run, settings, bar),
        by_speed(trial, run, settings, bar, minimum),
    )
    grounds = [ground for ground in found if ground is not None]
    signs = signs_of(trial, run, settings, grounds)
    weighed = _verdict(trial, run, grounds, signs)
    mirrored = f" (by {trial.rows:,} logged predictions that version {run.version} mirrored, not run again)" if run.provider == LOGGED else ""
    return replace(weighed, candidate=candidate, reason=weighed.reason + mirrored, facts=facts_of_candidate(trial, run, settings, grounds, signs))


def _verdict(trial: Trial, candidate: VersionRun, grounds: list[Ground], signs: Signs) -> Weighed:
    """Labels of live rows outrank other grounds (speed asks of them itself that no harm is done); else any ground that accepts, then those that reject."""
    labels = next((ground for ground in grounds if ground.name == "labels"), None)
    refused = labels is not None and labels.rejects and not labels.capped
    standing = [ground for ground in grounds if ground.accepts and not ground.capped and not _outweighed(ground, grounds)]
    sufficient = next((ground for ground in standing if ground.name == "speed" or not refused), None)
    if sufficient is not None:
        diagnosis = Diagnosis.INFRASTRUCTURE if sufficient.name == "speed" else Diagnosis.MODEL_REGRESSION
        return Weighed(candidate, Verdict.ACCEPT, diagnosis, sufficient.reason)
    rejected = _rejection(trial, grounds, signs)
    diagnosis = diagnose(trial, grounds, signs, rejected=bool(rejected))
    if rejected:
        return Weighed(candidate, Verdict.REJECT, diagnosis, _headed(diagnosis, rejected))
    return _waiting(trial, candidate, grounds, signs, diagnosis)


def _outweighed(ground: Ground, grounds: list[Ground]) -> bool:
    """Whether fewer invalid answers are bought with more harm, as labelled reference rows show."""
    pairs = next((each.pairs for each in grounds if each.name == "reference" and not each.capped), None)
    return ground.name == "invalid" and pairs is not None and pairs.harms and -pairs.effect >= ground.gain


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
    by_name = {ground.name: ground for ground in grounds}
    capped = next((ground for ground in grounds if ground.capped and (ground.accepts or ground.rejects)), None)
    if capped is not None:
        reason = f"{capped.reason}; {capped.capped}"
        return Weighed(candidate, Verdict.INCONCLUSIVE, diagnosis, reason, approval_asked=capped.accepts, needed=_needed(by_name))
    labels = by_name.get("labels")
    if labels is not None:
        return Weighed(candidate, Verdict.INCONCLUSIVE, diagnosis, labels.reason + _wanted(labels) + _others(by_name), needed=_needed(by_name))
    assert trial.live.outputs is not None
    assert candidate.outputs is not None
    apart = difference(trial.kind, trial.live.outputs, candidate.outputs, trial.scale)
    reference = by_name.get("reference")
    seen = f"{reference.reason} on labelled reference rows{_wanted(reference)}" if reference is not None else "nothing is labelled, and different is not worse"
    reason = f"{seen}; candidate's predictions differ from live's by {apart:.2f} on average (n={trial.rows:,}){_others(by_name)}"
    asked = signs.live_is_odd and not has_labels(trial)
    return Weighed(candidate, Verdict.INCONCLUSIVE, diagnosis, reason, approval_asked=asked, needed=_needed(by_name))


def _needed(grounds: dict[str, Ground]) -> int | None:
    """Rows that would do: of the ground that outranks the others."""
    return next((ground.needed for name in ("labels", "reference", "invalid") if (ground := grounds.get(name)) is not None and ground.needed), None)


def _wanted(ground: Ground) -> str:
    """How many rows would tell; where none would, why."""
    if ground.pairs is None or ground.n < PAIRS:  # its reason says how many it takes at least
        return ""
    if ground.wanted or ground.capped or ground.pairs.helps:
        return ground.wanted
    return f"; below the minimum effect {ground.pairs.minimum:.4g} no number of rows would accept"


def _others(grounds: dict[str, Ground]) -> str:
    """Grounds beside labels and reference rows that are on their way."""
    return "".join(f"; {ground.reason}{ground.wanted}" for name in ("invalid", "speed") if (ground := grounds.get(name)) is not None and ground.needed)
