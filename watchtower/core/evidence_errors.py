"""Evidence from labels: paired losses of live and a candidate on the same rows."""

import math
from dataclasses import dataclass

import numpy as np

from watchtower.core.eprocess import log_e_classes, log_e_minus, log_e_minus_classes, log_e_plus, log_p_mcnemar, p_text
from watchtower.nouns.batch import Flags, Floats, PredictionKind

PAIRS = 100
"""A verdict from paired rows needs at least so many."""
LOG_HOLD = math.log(20)
"""Holding is safe: E⁻ of 20 (a chance of 0.05) suffices to reject."""


@dataclass(frozen=True, slots=True)
class Paired:
    """What paired rows say: d̂ = mean loss of live less that of the candidate; *log_p* is ln of the p-value (or its bound 1/E⁺) against d <= 0.

    *live*, *candidate* are the errors that people read: the share that is wrong (at ½ for a probability), or the mean distance of a number;
    *live_loss*, *candidate_loss* the mean losses that the evidence is made of. *log_harm* is ln E⁺ of the candidate being worse.
    """

    n: int
    effect: float
    log_p: float
    log_e_minus: float
    log_harm: float
    log_harmless: float
    live: float
    candidate: float
    live_loss: float
    candidate_loss: float
    minimum: float

    @property
    def helps(self) -> bool:
        """Whether the difference is large enough to matter."""
        return self.n >= PAIRS and self.effect >= self.minimum

    @property
    def useless(self) -> bool:
        """Whether going back is shown not to help by the minimum effect."""
        return self.n >= PAIRS and self.log_e_minus >= LOG_HOLD

    @property
    def harms(self) -> bool:
        """Whether the candidate is shown to be worse."""
        return self.n >= PAIRS and self.log_harm >= LOG_HOLD

    def compared(self, sign: str) -> str:
        """``candidate error 0.031 < live error 0.094 (n=2,048, p=3e-09)``; mean losses, errors beside them, where the errors do not show the difference."""
        if self.candidate < self.live or sign != "<":
            low, high, beside = self.candidate, self.live, ""
        else:
            low, high, beside = self.candidate_loss, self.live_loss, f"error {self.candidate:.4g} and {self.live:.4g}, "
        digits = next((d for d in range(3, 8) if f"{low:.{d}f}" != f"{high:.{d}f}"), 3)
        word = "loss" if beside else "error"
        return f"candidate {word} {low:.{digits}f} {sign} live {word} {high:.{digits}f} ({beside}n={self.n:,}, p={p_text(self.log_p)})"

    def facts(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "n": self.n,
            "effect": round(self.effect, 6),
            "minimum_effect": self.minimum,
            "p": p_text(self.log_p),
            "log_e_plus": round(-self.log_p, 3),
            "log_e_minus": round(self.log_e_minus, 3),
            "log_e_harm": round(self.log_harm, 3),
            "log_e_harmless": round(self.log_harmless, 3),
            "live_error": _plain(self.live),
            "candidate_error": _plain(self.candidate),
            "live_loss": _plain(self.live_loss),
            "candidate_loss": _plain(self.candidate_loss),
        }


def _plain(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def loss(kind: PredictionKind, answers: Floats, labels: Floats, scale: float) -> Floats:
    """float64[n] in [0, 1]; class: wrong or not; probability: (p - y)²; number: min(1, abs(ŷ - y)/(4 scale)); an invalid answer costs 1."""
    match kind:
        case PredictionKind.CLASS:
            costs = (answers != labels).astype(np.float64)
        case PredictionKind.PROBABILITY:
            costs = np.where((answers >= 0) & (answers <= 1), (answers - labels) ** 2, 1.0)
        case PredictionKind.NUMBER | PredictionKind.VECTOR | PredictionKind.RANKING:
            costs = np.minimum(1.0, np.abs(answers - labels) / (4 * scale if scale > 0 else 1.0))
    return np.where(np.isfinite(answers), costs, 1.0)


def error(kind: PredictionKind, answers: Floats, labels: Floats) -> float:
    """What people read: the share that is wrong (a probability's at ½; an invalid answer is wrong), the mean absolute distance of a number."""
    if not len(labels):
        return math.nan
    match kind:
        case PredictionKind.CLASS:
            return float((answers != labels).mean())
        case PredictionKind.PROBABILITY:
            return float((~np.isfinite(answers) | ((answers > 0.5) != (labels > 0.5))).mean())
        case PredictionKind.NUMBER | PredictionKind.VECTOR | PredictionKind.RANKING:
            finite = np.isfinite(answers)
            return float(np.abs(answers - labels)[finite].mean()) if finite.any() else math.nan


def minimum_effect(kind: PredictionKind, candidate_on_reference: Floats | None, wanted: float) -> float:
    """m: *wanted*, for probabilities the smaller of it and 0.2 x mean p(1 - p) of the candidate on the reference inputs."""
    if kind is not PredictionKind.PROBABILITY or candidate_on_reference is None:
        return wanted
    p = candidate_on_reference[np.isfinite(candidate_on_reference)]
    spread = float((p * (1 - p)).mean()) if len(p) else 0.0
    return min(wanted, 0.2 * spread) if spread > 0 else wanted


def paired(kind: PredictionKind, labels: Floats, live: Floats, candidate: Floats, *, scale: float, minimum: float, once: bool) -> Paired:  # noqa: PLR0913  the two beside each other, and what a loss is measured by
    """Live beside a candidate where labels are; *once*: looked at a single time, so McNemar's exact test serves classes."""
    known = np.isfinite(labels)
    y, ours, theirs = labels[known], live[known], candidate[known]
    live_loss, candidate_loss = loss(kind, ours, y, scale), loss(kind, theirs, y, scale)
    gain = live_loss - candidate_loss
    log_p, log_e_minus_, log_harm, log_harmless = _by_counts(gain, minimum, once=once) if kind is PredictionKind.CLASS else _by_losses(gain, minimum)
    return Paired(
        n=len(y),
        effect=float(gain.mean()) if len(y) else 0.0,
        log_p=min(0.0, log_p),
        log_e_minus=log_e_minus_,
        log_harm=log_harm,
        log_harmless=log_harmless,
        live=error(kind, ours, y),
        candidate=error(kind, theirs, y),
        live_loss=float(live_loss.mean()) if len(y) else math.nan,
        candidate_loss=float(candidate_loss.mean()) if len(y) else math.nan,
        minimum=minimum,
    )


def _by_counts(gain: Floats, m: float, *, once: bool) -> tuple[float, float, float, float]:
    """Of classes: ln p against d <= 0, ln E⁻, ln E⁺ of harm, ln E⁻ of harm; from how often only one of the two is wrong."""
    n, b, c = len(gain), int((gain > 0).sum()), int((gain < 0).sum())
    log_p = log_p_mcnemar(b, c) if once else -log_e_classes(b, c)
    return log_p, log_e_minus_classes(b, c, n, m), log_e_classes(c, b), log_e_minus_classes(c, b, n, m)


def _by_losses(gain: Floats, m: float) -> tuple[float, float, float, float]:
    """The same of losses."""
    return -log_e_plus(gain), log_e_minus(gain, m), log_e_plus(-gain), log_e_minus(-gain, m)


def risen(now: Floats, before: Floats, minimum: float) -> bool:
    """Whether losses *now* are above those *before* by at least *minimum* and by 3.3 standard errors."""
    if len(now) < PAIRS or len(before) < PAIRS:
        return False
    gap = float(now.mean() - before.mean())
    return gap >= minimum and gap >= 3.3 * math.sqrt(float(now.var()) / len(now) + float(before.var()) / len(before))


def selected(kind: PredictionKind, labels: Floats, usable: Flags, answers: Floats, alpha: float) -> float | None:
    """How far answers of labelled rows are from those of unlabelled ones (none younger than the newest label), if over 0.1 with p < *alpha*; else None.

    KS; of classes, whose codes have no order, total variation.
    """
    known = np.isfinite(labels) & usable
    if not known.any():
        return None
    old_enough = np.arange(len(labels)) <= int(np.flatnonzero(known)[-1])
    distance, log_p = distance_of(kind, answers[known], answers[usable & old_enough & ~known])
    return distance if distance > 0.1 and log_p < math.log(alpha) else None


def distance_of(kind: PredictionKind, a: Floats, b: Floats) -> tuple[float, float]:
    """How far two sets of answers are apart, and ln of the p-value: KS of numbers, total variation and Pearson's test of classes; (0, 0) where one is empty."""
    if kind is not PredictionKind.CLASS:
        return kolmogorov_smirnov(a, b)
    if not len(a) or not len(b):
        return 0.0, 0.0
    from scipy.special import chdtrc  # noqa: PLC0415  31 MB that only a trial needs

    codes = np.unique(np.concatenate([a, b])[np.isfinite(np.concatenate([a, b]))])
    counts = np.array([[np.count_nonzero(x == code) for code in codes] + [np.count_nonzero(~np.isfinite(x))] for x in (a, b)], dtype=np.float64)
    counts = counts[:, counts.sum(axis=0) > 0]
    shares = counts / counts.sum(axis=1, keepdims=True)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    p = float(chdtrc(max(1, counts.shape[1] - 1), ((counts - expected) ** 2 / expected).sum()))
    return float(np.abs(shares[0] - shares[1]).sum() / 2), math.log(p) if p > 0 else -math.inf


def kolmogorov_smirnov(a: Floats, b: Floats) -> tuple[float, float]:
    """The largest distance of two empirical CDFs (invalid answers stand above all numbers) and ln of its asymptotic p-value; (0, 0) where one is empty."""
    from scipy.special import kolmogorov  # noqa: PLC0415  31 MB that only a trial needs

    if not len(a) or not len(b):
        return 0.0, 0.0
    a, b = (np.sort(np.where(np.isfinite(x), x, np.inf)) for x in (a, b))
    grid = np.concatenate([a, b])
    distance = float(np.abs(np.searchsorted(a, grid, "right") / len(a) - np.searchsorted(b, grid, "right") / len(b)).max())
    p = float(kolmogorov(math.sqrt(len(a) * len(b) / (len(a) + len(b))) * distance))
    return distance, math.log(p) if p > 0 else -math.inf
