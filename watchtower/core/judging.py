"""Would going back help? A trial becomes a judgement, by arithmetic that a person can check."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchtower.core.evidence_errors import PAIRS, minimum_effect, paired
from watchtower.core.evidence_facts import facts_of
from watchtower.core.evidence_predictions import agreement
from watchtower.core.grounds import Bar, labelled, most_drifted
from watchtower.core.mirroring import answered_by, as_logged, as_mirrored, mirror_agreement, pairs_of, stands_in
from watchtower.core.weighing import Weighed, weigh
from watchtower.nouns.batch import PredictionKind
from watchtower.nouns.evidence import Diagnosis, Judgement, Trial, Verdict, VersionRun
from watchtower.nouns.settings import EvidenceSettings

ON_A_GPU = frozenset({"CUDAExecutionProvider", "TensorrtExecutionProvider"})
_NO_CANDIDATE = "no earlier healthy version"
_SKEWED = "serving and artefact differ"


@dataclass(frozen=True, slots=True)
class _Field:
    """Who can be judged: *working* candidates; *waiting* for more mirrored rows; why the others cannot."""

    working: tuple[VersionRun, ...]
    waiting: str
    failures: dict[str, str]


def judge(trial: Trial, settings: EvidenceSettings) -> Judgement:
    """The verdict on *trial* as it stands: ACCEPT, REJECT and BROKEN are final, INCONCLUSIVE is so once the trial has ended."""
    if not trial.candidates:
        return _broken(trial, settings, _NO_CANDIDATE)
    live_failed = failure_of(trial.live, trial, settings)
    field = _field(trial, settings, live_failed)
    if field.waiting:
        return _undecided(trial, settings, field.waiting)
    if live_failed and not field.working:
        return _broken(trial, settings, f"live version {trial.live.version}: {live_failed}")
    if not field.working:
        skewed = all(why.startswith(_SKEWED) for why in field.failures.values())
        failures = "; ".join(f"candidate {version}: {why}" for version, why in field.failures.items())
        return _broken(trial, settings, failures, Diagnosis.SERVING_SKEW if skewed else Diagnosis.UNKNOWN)
    fit = replace(trial, live=as_logged(trial)) if live_failed else trial
    unsound = None if live_failed else _integrity(fit, settings)
    if unsound is not None:
        return unsound
    m = effect_of(trial, settings)
    return _combined(fit, settings, [weigh(fit, run, settings, m) for run in field.working], field.failures, m)


def _field(trial: Trial, settings: EvidenceSettings, live_failed: str) -> _Field:
    """Candidates that run, and those whose mirrored predictions stand in; where live does not run only these, beside what live served."""
    working, failures, waiting = [], dict[str, str](), ""
    for run in trial.candidates:
        failed = failure_of(run, trial, settings) or (f"live version {trial.live.version} cannot be re-run: {live_failed}" if live_failed else "")
        skewed = failed.startswith(_SKEWED)
        if not failed:
            working.append(run)
        elif stands_in(run) and not skewed and (not live_failed or trial.has_logged):
            working.append(as_mirrored(run))
        else:
            failures[run.version] = failed
            if pairs_of(run) > 0 and not skewed and not trial.ended:
                waiting = waiting or f"{pairs_of(run):,} of {PAIRS} predictions that version {run.version} mirrored; {failed}"
    return _Field(tuple(working), "" if working else waiting, failures)


def failure_of(run: VersionRun, trial: Trial, settings: EvidenceSettings) -> str:
    """Why a version's answers to the trial's rows cannot be used, "" if they can."""
    if run.failure or run.outputs is None:
        return run.failure or "it was not run"
    if trial.shadow_device == "cuda" and run.provider.endswith("ExecutionProvider") and run.provider not in ON_A_GPU:
        return f"device: cuda was asked, and it ran on {run.provider}"
    share = mirror_agreement(trial, run, settings)
    if share is not None and share < settings.agreement:
        had = f"{share:.3f} of the {pairs_of(run):,} predictions that it mirrored are had again by running it"
        return f"{_SKEWED}: {had} (at least {settings.agreement:g})"
    return _fickle(run, trial, settings)


def _fickle(run: VersionRun, trial: Trial, settings: EvidenceSettings) -> str:
    """Why a version that answers the same inputs differently cannot be used; tolerated only within a tolerance that somebody declared."""
    if run.deterministic or run.outputs is None:
        return ""
    finite = np.abs(run.outputs[np.isfinite(run.outputs)])
    size = 1.0 if trial.kind is PredictionKind.CLASS else max(trial.scale, float(finite.max()) if len(finite) else 0.0)
    found = f"it is not deterministic or keeps state: the same inputs twice differ by up to {run.jitter:.3g}"
    if "tolerance" not in settings.model_fields_set:
        return f"{found}; `evidence: {{tolerance: …}}` declares what may be tolerated"
    return "" if run.jitter <= settings.tolerance * size else f"{found} > {settings.tolerance * size:.3g}, the declared tolerance"


def _integrity(trial: Trial, settings: EvidenceSettings) -> Judgement | None:
    """A judgement where what live served cannot be had again, or not yet be compared; None where all is well."""
    if trial.expired and trial.rows < PAIRS:
        return _undecided(trial, settings, trial.expired)
    assert trial.live.outputs is not None
    if not trial.has_logged and trial.rows and np.isfinite(trial.live.outputs).mean() > 1 - settings.agreement:
        return _undecided(trial, settings, "no logged predictions: what live served cannot be compared with its re-run")
    share = agreement(trial, settings)
    if share < settings.agreement and (trial.rows >= PAIRS or trial.ended):
        odd = f"; two runs on the same inputs differ by up to {trial.live.jitter:.3g}" if not trial.live.deterministic else ""
        had = f"{share:.3f} of {trial.rows:,} logged predictions are had again by re-running version {trial.live.version}"
        reason = f"{_SKEWED}: {had} (at least {settings.agreement:g}){odd}"
        return _broken(trial, settings, reason, Diagnosis.SERVING_SKEW)
    if trial.rows < PAIRS:
        reason = f"{trial.rows:,} of at least {PAIRS} rows to compare what live served with its re-run, {PAIRS - trial.rows:,} more"
        return replace(_undecided(trial, settings, reason), rows_needed=PAIRS)
    return None


def effect_of(trial: Trial, settings: EvidenceSettings) -> float:
    """m: fixed when the plan opens, of the newest candidate that runs; where none runs, of what the reference holds."""
    if trial.minimum_effect is not None:
        return trial.minimum_effect
    run = next((run for run in trial.candidates if not failure_of(run, trial, settings)), None)
    answers = run.reference_outputs if run is not None else trial.reference.predictions if trial.reference is not None else None
    return minimum_effect(trial.kind, answers, settings.minimum_effect)


def _combined(trial: Trial, settings: EvidenceSettings, weighed: list[Weighed], failures: dict[str, str], m: float) -> Judgement:
    """Each candidate has its own verdict; ACCEPT if any, REJECT only if all that run reject."""
    accepted = [each for each in weighed if each.verdict is Verdict.ACCEPT]
    open_ones = [each for each in weighed if each.verdict is Verdict.INCONCLUSIVE]
    undecided = next((each for each in open_ones if each.approval_asked), next(iter(open_ones), weighed[0]))
    chosen = _best(trial, settings, accepted, m) if accepted else undecided
    reason = chosen.reason
    if chosen.verdict is Verdict.INCONCLUSIVE and trial.ended:
        reason = f"{reason} ({trial.ended})"
    by_candidate: dict[str, object] = {version: {"verdict": str(Verdict.BROKEN), "reason": why} for version, why in failures.items()}
    by_candidate |= {each.candidate.version: {"verdict": str(each.verdict), "reason": each.reason, **each.facts} for each in weighed}
    seen = replace(trial, candidates=tuple(_seen(run, weighed) for run in trial.candidates))
    return Judgement(
        verdict=chosen.verdict,
        diagnosis=chosen.diagnosis,
        reason=reason,
        candidate=chosen.candidate.version,
        final=chosen.verdict is not Verdict.INCONCLUSIVE or bool(trial.ended),
        evidence=facts_of(seen, settings) | {"minimum_effect": m, "alpha": settings.alpha, "candidates": by_candidate},
        approval_asked=chosen.approval_asked,
        rows_needed=chosen.needed,
        minimum_effect=m,
    )


def _seen(run: VersionRun, weighed: Sequence[Weighed]) -> VersionRun:
    """*run* as it was judged; the failure of one that is judged by what it mirrored stays said."""
    judged = next((each.candidate for each in weighed if each.candidate.version == run.version), run)
    return replace(judged, failure=run.failure)


def _best(trial: Trial, settings: EvidenceSettings, accepted: list[Weighed], m: float) -> Weighed:
    """The newest accepted candidate; an older one only where it is shown to be better than that: E⁺ >= k/α and d̂ >= m."""
    best = accepted[0]
    bar = Bar(settings.alpha, len(trial.candidates), 1)
    for older in accepted[1:]:
        if _better(trial, older.candidate, best.candidate, bar, m):
            best = older
    return best


def _better(trial: Trial, older: VersionRun, newer: VersionRun, bar: Bar, m: float) -> bool:
    """By labels of rows that both answered; where none are configured by labelled reference rows, under the terms of that ground."""
    reference = trial.reference
    if trial.labels is not None and older.outputs is not None and newer.outputs is not None:
        labels = np.where(answered_by(older, newer, trial.rows), labelled(trial), np.nan)
        pairs = paired(trial.kind, labels, newer.outputs, older.outputs, scale=trial.scale, minimum=m, once=False)
    elif trial.labels is None and reference is not None and reference.labels is not None and reference.own and not most_drifted(trial):
        if older.reference_outputs is None or newer.reference_outputs is None:
            return False
        pairs = paired(trial.kind, reference.labels, newer.reference_outputs, older.reference_outputs, scale=trial.scale, minimum=m, once=True)
    else:
        return False
    return pairs.helps and -pairs.log_p >= bar.log


def _broken(trial: Trial, settings: EvidenceSettings, reason: str, diagnosis: Diagnosis = Diagnosis.UNKNOWN) -> Judgement:
    newest = trial.candidates[0].version if trial.candidates else None
    return Judgement(Verdict.BROKEN, diagnosis, reason, newest, final=True, evidence=facts_of(trial, settings))


def _undecided(trial: Trial, settings: EvidenceSettings, reason: str) -> Judgement:
    text = f"{reason} ({trial.ended})" if trial.ended else reason
    newest = trial.candidates[0].version
    return Judgement(Verdict.INCONCLUSIVE, Diagnosis.UNKNOWN, text, newest, final=bool(trial.ended), evidence=facts_of(trial, settings))
