"""What a trial measured, and what is concluded from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from watchtower.nouns.batch import Flags, Floats, Ints, PredictionKind


class Verdict(StrEnum):
    """Only ACCEPT acts."""

    ACCEPT = "accept"
    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"
    BROKEN = "broken"


class Diagnosis(StrEnum):
    """What is most likely wrong."""

    MODEL_REGRESSION = "model_regression"
    DATA_DRIFT = "data_drift"
    CONCEPT_DRIFT = "concept_drift"
    SERVING_SKEW = "serving_skew"
    INFRASTRUCTURE = "infrastructure"
    UPSTREAM_DATA_QUALITY = "upstream_data_quality"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class VersionRun:
    """One version's answers to the trial's rows.

    Attributes:
        version: which.
        provider: the execution provider that really ran (``CPUExecutionProvider``), "" where it never ran.
        outputs: float64[n] answers to the trial's rows, in row order: P(positive), the number, or the class's code in
            :attr:`Trial.classes`; NaN where the answer is missing or not finite.
        reference_outputs: the same on the reference rows (``Trial.reference``); None where there are none.
        batch_seconds: float64[batches], warm, in the batches' order (the same batches for every version).
        memory_bytes: peak device or resident memory of the run, 0 if unknown.
        failure: why there are no answers: BROKEN evidence ("" if there are).
        deterministic: the same inputs, run again and at another place of a batch, gave the same answers up to rounding.
        jitter: how far those answers were apart at most: abs difference of P(positive) or the number, 1 for another class; a missing one beside a
            present one counts as max(1, abs(present)).
        note: what to know about how it ran ("2 of 40 nodes ran on the CPU: …"), "" if nothing.
        usage: what the device's meter said while it ran: ``utilization_mean utilization_peak`` (shares), ``memory_peak_bytes``, ``power_mean_watts
            power_peak_watts``, ``samples``; empty where no device was metered.
    """

    version: str
    provider: str = ""
    outputs: Floats | None = None
    reference_outputs: Floats | None = None
    batch_seconds: Floats | None = None
    memory_bytes: int = 0
    failure: str = ""
    deterministic: bool = True
    jitter: float = 0.0
    note: str = ""
    usage: Mapping[str, float] = field(default_factory=dict)
    timed_rows: int = 0
    """Rows behind :attr:`batch_seconds`."""
    mirror: Floats | None = None
    """float64[n] what the version logged of the trial's rows as a mirror (`role: mirror`), paired by id; None where it mirrors nothing."""
    mirrored: Flags | None = None
    """Which rows :attr:`mirror` holds an answer to (which may be an invalid one)."""
    answered: Flags | None = None
    """Which rows :attr:`outputs` are of; None: all. Elsewhere they are NaN."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceRows:
    """Rows of a reference file that versions were re-run on.

    *own* says that they are the live version's own file (or `assume: reference_is_good` stands).
    *labels* float64[n]: 0/1 for a probability (1 is the positive label), the number, or the class's code; NaN where unlabelled; None where no row has one.
    *predictions* float64[n] as the file has them (what its version predicted), None where it has none.
    """

    own: bool
    labels: Floats | None
    predictions: Floats | None
    file_version: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """All that a verdict needs: live beside candidates on the same rows. Arrays of n rows are in position order.

    Attributes:
        kind: what the model answers; classes: the names behind class codes.
        rows: n; asked: how many were wanted; windows: int64[n] start of each row's window (microseconds).
        logged: float64[n] the prediction that was served (same coding as outputs), NaN where it was null or not finite.
        has_logged: any prediction was logged at all.
        labels: float64[n], NaN where not (yet) labelled; None where no labels are configured.
        candidates: newest healthy first.
        drifted: features with PSI >= 0.2 and p < alpha on the incident's inputs against the reference -> PSI.
        features: how many features were compared.
        input_missing: features whose missing share rose by at least 0.05 against the reference -> the share now.
        fired: (rule, measure) of the alerts that fired; latency_fired: one of them is on latency.
        scale: 1 for a probability, the reference predictions' sd for a number (tolerance, and s = 4 sd in the loss).
        ended: no further row will come ("" or why: "rows used", "the alert resolved", "the input ended").
        minimum_effect: m, fixed when the plan opened; None: not yet.
    """

    model: str
    live: VersionRun
    candidates: tuple[VersionRun, ...]
    kind: PredictionKind
    classes: tuple[str, ...]
    rows: int
    asked: int
    found: int
    windows: Ints
    logged: Floats
    has_logged: bool
    labels: Floats | None
    reference: ReferenceRows | None
    drifted: Mapping[str, float]
    features: int
    input_missing: Mapping[str, float]
    fired: tuple[tuple[str, str], ...]
    latency_fired: bool
    scale: float
    ended: str = ""
    minimum_effect: float | None = None
    expired: str = ""
    """Why rows could not be re-read ("" if they could), as it is told: ``inputs expired: …``."""
    shadow_device: str = "auto"
    resolved: bool = False
    usable: Flags | None = None
    """Rows logged after the alert began firing: only they are paired with labels. None: all."""
    device_hour: float | None = None
    """The price of a device for an hour, None where it is not configured."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """A verdict with its reason (arithmetic a person can check) and every number behind it.

    *final* False means: look again as the next window closes. *approval_asked*: a person may decide although the verdict does not act.
    *rows_needed* accompanies INCONCLUSIVE where it can be computed. *evidence* holds plain JSON values only.
    """

    verdict: Verdict
    diagnosis: Diagnosis
    reason: str
    candidate: str | None
    final: bool
    evidence: Mapping[str, object] = field(default_factory=dict)
    approval_asked: bool = False
    rows_needed: int | None = None
    minimum_effect: float | None = None
    judged_at: datetime | None = None
