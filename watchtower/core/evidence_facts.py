"""Every number of a trial as plain JSON values: what is kept, told and audited."""

from collections.abc import Sequence

import numpy as np

from watchtower.core.diagnosing import Signs
from watchtower.core.evidence_errors import distance_of
from watchtower.core.evidence_predictions import agreement, cost_per_thousand, difference, speed
from watchtower.core.grounds import Ground
from watchtower.core.mirroring import LOGGED, mirror_agreement, pairs_of
from watchtower.nouns.evidence import Trial, VersionRun
from watchtower.nouns.settings import EvidenceSettings

Facts = dict[str, object]


def facts_of(trial: Trial, settings: EvidenceSettings) -> Facts:
    """What the trial saw: its rows, integrity, inputs, and how each version ran."""
    runs = (trial.live, *trial.candidates)
    return {
        "rows": trial.rows,
        "found": trial.found,
        "asked": trial.asked,
        "windows": len(np.unique(trial.windows)),
        "live": trial.live.version,
        "agreement": round(agreement(trial, settings), 6) if trial.live.outputs is not None and trial.live.provider != LOGGED else None,
        "integrity": _integrity(trial, settings),
        "providers": {run.version: run.provider for run in runs},
        "deterministic": {run.version: run.deterministic for run in runs},
        "jitter": {run.version: run.jitter for run in runs if run.jitter},
        "notes": {run.version: run.note for run in runs if run.note},
        "usage": {run.version: {name: round(value, 4) for name, value in run.usage.items()} for run in runs if run.usage},
        "memory_bytes": {run.version: run.memory_bytes for run in runs},
        "failures": {run.version: run.failure for run in runs if run.failure},
        "features": trial.features,
        "drifted": {name: round(value, 4) for name, value in trial.drifted.items()},
        "missing": {name: round(value, 4) for name, value in trial.input_missing.items()},
        "fired": [list(each) for each in trial.fired],
        "expired": trial.expired,
    }


def facts_of_candidate(trial: Trial, run: VersionRun, settings: EvidenceSettings, grounds: Sequence[Ground], signs: Signs) -> Facts:
    """What one candidate's answers say: each ground, the distances of predictions, speed, memory and cost."""
    facts: Facts = {
        ground.name: {
            **ground.facts,
            "reason": ground.reason,
            "accepts": ground.accepts,
            "rejects": ground.rejects,
            "capped": ground.capped,
            "needed": ground.needed,
        }
        for ground in grounds
    }
    facts["moved"] = signs.facts()
    facts["predictions"] = _predictions(trial, run)
    facts["speed"] = {**_speed(trial, run), **_dict(facts.get("speed"))}
    if run.mirrored is not None:
        share = mirror_agreement(trial, run, settings)
        facts["mirror"] = {"pairs": pairs_of(run), "agreement": None if share is None else round(share, 6), "instead_of_a_run": run.provider == LOGGED}
    return facts


def _integrity(trial: Trial, settings: EvidenceSettings) -> Facts:
    rests = LOGGED if trial.live.provider == LOGGED else "re-run"
    return {"rests_on": rests, "rows": trial.rows, "wanted": settings.agreement, "tolerance": settings.tolerance, "logged": trial.has_logged}


def _predictions(trial: Trial, run: VersionRun) -> Facts:
    """How far the two are apart, and each from what the reference's version predicted."""
    live, candidate = trial.live.outputs, run.outputs
    assert live is not None
    assert candidate is not None
    expected = None if trial.reference is None else trial.reference.predictions
    told: Facts = {"differ": round(difference(trial.kind, live, candidate, trial.scale), 6)}
    if expected is not None and len(expected):
        told |= {
            name: round(distance_of(trial.kind, x, expected)[0], 4) for name, x in (("live_from_reference", live), ("candidate_from_reference", candidate))
        }
    return told


def _speed(trial: Trial, run: VersionRun) -> Facts:
    """Times of the same batches, memory and cost; None where there is no number."""
    found = speed(trial.live.batch_seconds, run.batch_seconds)
    costs = [cost_per_thousand(each, trial.device_hour) for each in (trial.live, run)]
    memory = [each.memory_bytes or None for each in (trial.live, run)]
    return {
        "batches": found.batches if found else 0,
        "ratio": round(found.ratio, 4) if found else None,
        "live_rows_per_second": _rate(trial.live),
        "candidate_rows_per_second": _rate(run),
        "live_memory_bytes": memory[0],
        "candidate_memory_bytes": memory[1],
        "memory_ratio": round(memory[0] / memory[1], 4) if memory[0] and memory[1] else None,
        "live_cost_per_thousand": None if costs[0] is None else round(costs[0], 9),
        "candidate_cost_per_thousand": None if costs[1] is None else round(costs[1], 9),
    }


def _rate(run: VersionRun) -> float | None:
    taken = 0.0 if run.batch_seconds is None else float(run.batch_seconds.sum())
    return round(run.timed_rows / taken, 1) if taken > 0 and run.timed_rows else None


def _dict(value: object) -> Facts:
    return value if isinstance(value, dict) else {}
