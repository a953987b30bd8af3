"""The grounds on which a candidate may be accepted or rejected, each weighed by itself."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from watchtower.core.eprocess import p_text, rows_needed
from watchtower.core.evidence_errors import LOG_HOLD, PAIRS, Paired, loss, paired, selected
from watchtower.core.evidence_predictions import SLOWER, Share, agreeing, invalid_shares, is_one_value, speed
from watchtower.nouns.batch import Flags, Floats, PredictionKind
from watchtower.nouns.evidence import Trial, VersionRun
from watchtower.nouns.settings import EvidenceSettings

WINDOWS = 2
"""A verdict from paired live rows needs rows of at least so many windows."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What evidence must reach: ln(k·g/α) of *candidates* k and *grounds* g."""

    alpha: float
    candidates: int
    grounds: int

    @property
    def log(self) -> float:
        """ln(k·g/α)."""
        return math.log(self.candidates * self.grounds / self.alpha)


@dataclass(frozen=True, slots=True)
class Ground:
    """One kind of evidence for one candidate.

    *accepts*: it would suffice; *rejects*: it shows that going back does not help; *capped*: why it counts for a person only ("" if it counts).
    *reason* is arithmetic; *needed* how many of *rows* (of their kind, in all) would do, where that can be said, of which *n* are there.
    """

    name: str
    accepts: bool
    rejects: bool
    reason: str
    capped: str = ""
    needed: int | None = None
    pairs: Paired | None = None
    facts: dict[str, object] = field(default_factory=dict)
    rows: str = "rows"
    n: int = 0
    gain: float = 0.0
    """Of invalid answers: by how much their share would fall."""

    @property
    def wanted(self) -> str:
        """``; about 5,120 labelled rows would tell, 4,020 more``; "" where that cannot be said."""
        return f"; about {self.needed:,} {self.rows} would tell, {max(1, self.needed - self.n):,} more" if self.needed else ""


def usable(trial: Trial) -> Flags:
    """Which rows may be paired with labels: those logged after the alert began firing."""
    return trial.usable if trial.usable is not None else np.ones(trial.rows, dtype=np.bool_)


def labelled(trial: Trial) -> Floats:
    """Labels of the rows that may be paired, NaN elsewhere."""
    return np.where(usable(trial), trial.labels, np.nan) if trial.labels is not None else np.full(trial.rows, np.nan)


def in_use(trial: Trial) -> int:
    """g: how many grounds this trial has."""
    reference = trial.reference is not None and trial.reference.own and has_labels(trial)
    return 1 + (trial.labels is not None) + reference + trial.latency_fired


def has_labels(trial: Trial) -> bool:
    """Whether reference rows are labelled."""
    return trial.reference is not None and trial.reference.labels is not None and bool(np.isfinite(trial.reference.labels).any())


def by_labels(trial: Trial, candidate: VersionRun, settings: EvidenceSettings, bar: Bar, minimum: float) -> Ground | None:
    """Paired losses on labelled rows logged after the alert began firing."""
    if trial.labels is None or trial.live.outputs is None or candidate.outputs is None:
        return None
    labels = labelled(trial)
    pairs = paired(trial.kind, labels, trial.live.outputs, candidate.outputs, scale=trial.scale, minimum=minimum, once=False)
    windows = len(np.unique(trial.windows[np.isfinite(labels)]))
    gaps = [selected(trial.kind, labels, usable(trial), answers, settings.alpha) for answers in (trial.live.outputs, candidate.outputs)]
    gap = max((each for each in gaps if each is not None), default=None)
    of = int(usable(trial).sum())
    facts = {**pairs.facts(), "windows": windows, "of": of, "coverage": round(pairs.n / max(1, of), 4), "selected": gap}
    ground = Ground("labels", accepts=False, rejects=False, reason="", pairs=pairs, facts=facts, rows="labelled rows", n=pairs.n)
    if pairs.n < PAIRS or windows < WINDOWS:
        least = PAIRS if pairs.n < PAIRS else None
        return replace(ground, reason=f"{pairs.n:,} of {PAIRS} labelled rows, {windows} of {WINDOWS} windows", needed=least)
    accepts = pairs.helps and -pairs.log_p >= bar.log
    capped = f"labelled rows are a selection: their predictions differ from those of unlabelled rows by {gap:.2f}" if gap is not None else ""
    needed = None if accepts or pairs.useless else _needed(trial, trial.live.outputs, candidate.outputs, labels, pairs, bar)
    return replace(ground, accepts=accepts, rejects=pairs.useless, reason=_compared(pairs, accepts=accepts), capped=capped, needed=needed)


def by_reference(trial: Trial, candidate: VersionRun, bar: Bar, minimum: float) -> Ground | None:
    """Paired losses on labelled reference rows, which find damaged weights; looked at once, so they do not grow."""
    reference = trial.reference
    live, theirs = trial.live.reference_outputs, candidate.reference_outputs
    if reference is None or reference.labels is None or not has_labels(trial) or live is None or theirs is None:
        return None
    pairs = paired(trial.kind, reference.labels, live, theirs, scale=trial.scale, minimum=minimum, once=True)
    facts = {**pairs.facts(), "file_version": reference.file_version, "own": reference.own}
    ground = Ground("reference", accepts=False, rejects=False, reason="", pairs=pairs, facts=facts, rows="labelled reference rows", n=pairs.n)
    if pairs.n < PAIRS:
        return replace(ground, reason=f"{pairs.n:,} of {PAIRS} labelled reference rows", needed=PAIRS)
    accepts = pairs.helps and -pairs.log_p >= bar.log
    needed = None if accepts or pairs.useless else _needed(trial, live, theirs, reference.labels, pairs, bar)
    return replace(ground, accepts=accepts, rejects=pairs.useless, reason=_compared(pairs, accepts=accepts), capped=_old(trial), needed=needed)


def _old(trial: Trial) -> str:
    """Why labelled reference rows count for a person only; "" where they count."""
    assert trial.reference is not None
    if not trial.reference.own:
        return f"the labelled reference rows are version {trial.reference.file_version or 'unknown'}'s, not version {trial.live.version}'s"
    if most_drifted(trial):
        return f"{len(trial.drifted)} of {trial.features} features drifted, so reference rows say little of what comes in now"
    return ""


def most_drifted(trial: Trial) -> bool:
    """Whether at least half of the features drifted."""
    return bool(trial.features) and len(trial.drifted) * 2 >= trial.features


def by_validity(trial: Trial, candidate: VersionRun, settings: EvidenceSettings, bar: Bar) -> Ground | None:
    """Invalid answers: missing, not finite, no probability, or always the same."""
    if trial.live.outputs is None or candidate.outputs is None:
        return None
    apart = 0.0 if trial.kind is PredictionKind.CLASS else settings.tolerance * trial.scale
    shares = invalid_shares(trial.kind, trial.live.outputs, candidate.outputs, settings.alpha, apart)
    enough = shares.n >= PAIRS and len(np.unique(trial.windows)) >= WINDOWS
    accepts = enough and shares.effect >= settings.minimum_effect and -shares.log_p >= bar.log
    sign = "<" if shares.candidate < shares.live else ">" if shares.candidate > shares.live else "="
    reason = f"candidate's invalid outputs {shares.candidate:.3f} {sign} live's {shares.live:.3f} (n={shares.n:,}, p={p_text(shares.log_p)})"
    needed = None if accepts or shares.effect <= 0 else _invalid_needed(shares, settings, bar)
    capped = _moved_there(trial) if shares.live_constant else ""
    return Ground("invalid", accepts, rejects=False, reason=reason, capped=capped, needed=needed, facts=shares.facts(), n=shares.n, gain=shares.effect)


def _moved_there(trial: Trial) -> str:
    """Why live's constant answers count for a person only: drifted inputs may all lie where it answers the same. "" where it is constant anyway."""
    there = trial.live.reference_outputs
    finite = there[np.isfinite(there)] if there is not None else np.zeros(0)
    if not trial.drifted or (len(finite) and is_one_value(finite)):
        return ""
    return f"{len(trial.drifted)} of {trial.features} features drifted, and nothing shows that live answers the same to other inputs too"


def _invalid_needed(shares: Share, settings: EvidenceSettings, bar: Bar) -> int | None:
    """Rows until more invalid answers are sure, going by those that are there."""
    gain = np.repeat([1.0, -1.0, 0.0], [shares.only_live, shares.only_candidate, shares.n - shares.only_live - shares.only_candidate])
    return _more(rows_needed(gain, settings.minimum_effect, bar.candidates * bar.grounds, bar.alpha, classes=True), shares.n)


def by_speed(trial: Trial, candidate: VersionRun, settings: EvidenceSettings, bar: Bar, minimum: float) -> Ground | None:
    """Speed counts only where a latency rule fired, and only for a candidate whose answers do no harm."""
    found = speed(trial.live.batch_seconds, candidate.batch_seconds)
    if found is None or not trial.latency_fired or trial.live.outputs is None or candidate.outputs is None:
        return None
    slower = found.ratio >= SLOWER and found.log_slower >= bar.log
    same = agreeing(trial.kind, trial.live.outputs, candidate.outputs, scale=trial.scale, tolerance=settings.tolerance)
    share = float(same.mean()) if len(same) else 0.0
    harmless = share >= settings.agreement or (trial.labels is not None and _harmless(trial, candidate, minimum))
    took = f"live takes {found.ratio:.2f} times as long as the candidate (median of {found.batches} paired batches, p={p_text(-found.log_slower)})"
    facts: dict[str, object] = {"p": p_text(-found.log_slower), "agreement": round(share, 6)}
    capped = "" if harmless else "the candidate's answers differ from live's, and nothing shows that they do no harm"
    wins = np.repeat([1.0, -1.0], [found.slower, found.batches - found.slower])
    needed = None if slower or found.ratio < SLOWER else _more(rows_needed(wins, 0.0, bar.candidates * bar.grounds, bar.alpha, classes=True), found.batches)
    rejects = found.log_not_slower >= LOG_HOLD
    told = f"{took}, predictions agree in {share:.3f}"
    return Ground("speed", slower, rejects, told, capped, needed, facts=facts, rows="paired batches", n=found.batches)


def _harmless(trial: Trial, candidate: VersionRun, minimum: float) -> bool:
    assert trial.live.outputs is not None
    assert candidate.outputs is not None
    pairs = paired(trial.kind, labelled(trial), trial.live.outputs, candidate.outputs, scale=trial.scale, minimum=minimum, once=False)
    return pairs.n >= PAIRS and pairs.log_harmless >= LOG_HOLD


def _compared(pairs: Paired, *, accepts: bool) -> str:
    if accepts:
        return pairs.compared("<")
    if pairs.useless:
        sizes = f"candidate error {pairs.candidate:.3f}, live error {pairs.live:.3f}"
        shown = f"(loss difference {pairs.effect:.4f}, n={pairs.n:,}, p={p_text(-pairs.log_e_minus)})"
        return f"{sizes}: not lower by the minimum effect {pairs.minimum:.4g} {shown}"
    return f"candidate error {pairs.candidate:.3f}, live error {pairs.live:.3f} (loss difference {pairs.effect:.4f}, n={pairs.n:,}, p={p_text(pairs.log_p)})"


def _needed(trial: Trial, live: Floats, candidate: Floats, labels: Floats, pairs: Paired, bar: Bar) -> int | None:  # noqa: PLR0913, PLR0917  two answers and the truth, and what they must reach
    known = np.isfinite(labels)
    y = labels[known]
    gain = loss(trial.kind, live[known], y, trial.scale) - loss(trial.kind, candidate[known], y, trial.scale)
    return _more(rows_needed(gain, pairs.minimum, bar.candidates * bar.grounds, bar.alpha, classes=trial.kind is PredictionKind.CLASS), pairs.n)


def _more(needed: int | None, n: int) -> int | None:
    """At least one more than there are: those that are there did not suffice."""
    return None if needed is None else max(needed, n + 1)
