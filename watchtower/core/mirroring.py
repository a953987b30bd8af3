"""Mirrored predictions: a version that answered the same requests without serving them is evidence without a re-run. Pure."""

from dataclasses import replace

import numpy as np

from watchtower.core.evidence_errors import PAIRS
from watchtower.core.evidence_predictions import agreeing
from watchtower.nouns.batch import Flags, Floats
from watchtower.nouns.evidence import Trial, VersionRun
from watchtower.nouns.settings import EvidenceSettings

LOGGED = "logged predictions"
"""Stands for the provider of answers that were not run again."""


def pairs_of(run: VersionRun) -> int:
    """How many of the trial's rows a version mirrored."""
    return int(run.mirrored.sum()) if run.mirrored is not None else 0


def stands_in(run: VersionRun) -> bool:
    """Whether what a version mirrored is enough to be judged by."""
    return pairs_of(run) >= PAIRS


def as_mirrored(run: VersionRun) -> VersionRun:
    """*run* with what it mirrored in the place of answers that cannot be had by running it."""
    return replace(run, failure="", provider=LOGGED, outputs=run.mirror, answered=run.mirrored, reference_outputs=None, batch_seconds=None, deterministic=True)


def as_logged(trial: Trial) -> VersionRun:
    """Live with what it served in the place of answers that cannot be had by running it."""
    return replace(trial.live, failure="", provider=LOGGED, outputs=trial.logged, reference_outputs=None, batch_seconds=None, deterministic=True)


def mirror_agreement(trial: Trial, run: VersionRun, settings: EvidenceSettings) -> float | None:
    """The share of what a version mirrored that is had again by running it; None where there are under 100 pairs."""
    if run.mirror is None or run.mirrored is None or run.outputs is None or run.provider == LOGGED or pairs_of(run) < PAIRS:
        return None
    at = run.mirrored
    return float(agreeing(trial.kind, run.mirror[at], run.outputs[at], scale=trial.scale, tolerance=settings.tolerance).mean())


def restricted(trial: Trial, candidate: VersionRun) -> tuple[Trial, VersionRun]:
    """*trial* and *candidate* with the rows alone that the candidate answered."""
    at = candidate.answered
    if at is None:
        return trial, candidate

    def of(values: Floats | None) -> Floats | None:
        return None if values is None else values[at]

    smaller = replace(
        trial,
        rows=int(at.sum()),
        windows=trial.windows[at],
        logged=trial.logged[at],
        labels=of(trial.labels),
        usable=None if trial.usable is None else trial.usable[at],
        live=replace(trial.live, outputs=of(trial.live.outputs)),
    )
    return smaller, replace(candidate, outputs=of(candidate.outputs), answered=None)


def answered_by(one: VersionRun, other: VersionRun, rows: int) -> Flags:
    """bool[n]: the rows that both answered."""
    every = np.ones(rows, dtype=np.bool_)
    return (every if one.answered is None else one.answered) & (every if other.answered is None else other.answered)
