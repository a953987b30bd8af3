"""Evidence without labels: integrity, invalid answers, how far predictions moved, speed."""

import math
from dataclasses import dataclass

import numpy as np

from watchtower.core.eprocess import log_e_classes, p_text
from watchtower.core.evidence_errors import distance_of
from watchtower.nouns.batch import Flags, Floats, PredictionKind
from watchtower.nouns.evidence import Trial, VersionRun
from watchtower.nouns.settings import EvidenceSettings

CONSTANT_ROWS = 200
SLOWER = 1.2


@dataclass(frozen=True, slots=True)
class Share:
    """A paired comparison of two shares of *n* rows: *only_live* of them speak against live alone, *only_candidate* against the candidate alone."""

    n: int
    live: float
    candidate: float
    log_p: float
    only_live: int = 0
    only_candidate: int = 0
    live_constant: bool = False
    """Live's answers are invalid because they are always the same."""

    @property
    def effect(self) -> float:
        """How much larger live's share is."""
        return self.live - self.candidate

    def facts(self) -> dict[str, object]:
        """As plain JSON values."""
        return {"n": self.n, "live": round(self.live, 6), "candidate": round(self.candidate, 6), "p": p_text(self.log_p)}


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a version's answers to the incident's inputs are from its own to the reference inputs, and whether that is no chance."""

    distance: float
    beyond_chance: bool


@dataclass(frozen=True, slots=True)
class Speed:
    """Paired batches: the median of live's time over the candidate's, and ln E⁺ that live is (is not) slower by :data:`SLOWER`."""

    batches: int
    ratio: float
    log_slower: float
    log_not_slower: float
    slower: int
    """Batches for which live took longer."""


def agreeing(kind: PredictionKind, one: Floats, other: Floats, *, scale: float, tolerance: float) -> Flags:
    """Where *one* is the re-run *other*: abs(one - other) <= tolerance x max(scale, abs(other)); a missing one agrees with an invalid other."""
    missing = ~np.isfinite(one)
    invalid = ~np.isfinite(other)
    if kind is PredictionKind.CLASS:
        same = one == other
    else:
        with np.errstate(invalid="ignore"):
            same = np.abs(one - other) <= tolerance * np.maximum(scale, np.abs(other))
    return np.where(missing | invalid, missing & invalid, same)


def agreement(trial: Trial, settings: EvidenceSettings) -> float:
    """The share of rows whose logged prediction is had again by re-running live; 1 for no rows."""
    outputs = trial.live.outputs
    if outputs is None or not len(outputs):
        return 1.0
    return float(agreeing(trial.kind, trial.logged, outputs, scale=trial.scale, tolerance=settings.tolerance).mean())


def constant(answers: Floats, other: Floats, alpha: float, apart: float) -> bool:
    """Whether *answers* are always the same where *other* varies.

    Always the same: one value over at least 200 rows, and *other*'s most frequent value, with what lies within *apart* of it, would fill as many rows by
    chance with less than *alpha*. (Two saturated versions answer 1 and 0.9999998: neither tells anything.)
    """
    finite = answers[np.isfinite(answers)]
    return len(finite) >= CONSTANT_ROWS and len(finite) == len(answers) and is_one_value(finite) and _varies(other, len(finite), alpha, apart)


def invalid_shares(kind: PredictionKind, live: Floats, candidate: Floats, alpha: float, apart: float = 0.0) -> Share:
    """Invalid answers of live beside the candidate's, on the same rows: missing, not finite, no probability, or :func:`constant`."""
    stuck = constant(live, candidate, alpha, apart)
    ours, theirs = _invalid(kind, live) | stuck, _invalid(kind, candidate) | constant(candidate, live, alpha, apart)
    b, c = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    n = len(live)
    return Share(n, float(ours.mean()) if n else 0.0, float(theirs.mean()) if n else 0.0, min(0.0, -log_e_classes(b, c)), b, c, stuck)


def _invalid(kind: PredictionKind, answers: Floats) -> Flags:
    return ~np.isfinite(answers) | ((answers < 0) | (answers > 1) if kind is PredictionKind.PROBABILITY else False)


def moved(kind: PredictionKind, run: VersionRun, alpha: float) -> Moved | None:
    """How far inputs alone move a version; None where it was not run on reference rows. KS for numbers, total variation for classes."""
    if run.outputs is None or run.reference_outputs is None or not len(run.outputs) or not len(run.reference_outputs):
        return None
    distance, log_p = distance_of(kind, run.outputs, run.reference_outputs)
    return Moved(distance, log_p < math.log(alpha))


def difference(kind: PredictionKind, a: Floats, b: Floats, scale: float) -> float:
    """How far two versions' answers to the same rows are apart: the mean absolute difference over *scale*, or the share of rows that differ (classes).

    An answer that only one of them has counts as 1.
    """
    if not len(a):
        return 0.0
    missing = ~np.isfinite(a) | ~np.isfinite(b)
    both = ~np.isfinite(a) & ~np.isfinite(b)
    gaps = (a != b).astype(np.float64) if kind is PredictionKind.CLASS else np.abs(a - b) / (scale or 1.0)
    return float(np.where(both, 0.0, np.where(missing, 1.0, gaps)).mean())


def speed(live: Floats | None, candidate: Floats | None) -> Speed | None:
    """Live's batch times beside the candidate's, the same batches; None where there are none."""
    if live is None or candidate is None or not len(live) or len(live) != len(candidate):
        return None
    ratios = live / np.maximum(candidate, 1e-9)
    slower = int((ratios > 1).sum())
    clearly = int((ratios >= SLOWER).sum())
    n = len(ratios)
    return Speed(n, float(np.median(ratios)), log_e_classes(slower, n - slower), log_e_classes(n - clearly, clearly), slower)


def cost_per_thousand(run: VersionRun, device_hour: float | None) -> float | None:
    """What a thousand predictions cost on a device of that price an hour, warm and busy with nothing else; None where price or times are not there."""
    if device_hour is None or run.batch_seconds is None or not run.timed_rows:
        return None
    return float(run.batch_seconds.sum()) / run.timed_rows * 1000 * device_hour / 3600


def is_one_value(values: Floats) -> bool:
    """Whether finite *values*, of which there is one at least, are all the same."""
    return float(values.max() - values.min()) <= 1e-9 * max(1.0, abs(float(values[0])))


def _varies(values: Floats, rows: int, alpha: float, apart: float) -> bool:
    finite = values[np.isfinite(values)]
    if not len(finite) or is_one_value(finite):
        return False
    different, counts = np.unique(finite, return_counts=True)
    most = float((np.abs(finite - different[counts.argmax()]) <= apart).mean())
    return most < 1 and rows * math.log(most) < math.log(alpha)
