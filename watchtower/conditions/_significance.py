"""Effect and significance: a finding on a tested measure needs both."""

from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema

from watchtower.conditions._reading import Reading, Selection, measure_name
from watchtower.nouns import written
from watchtower.nouns.alert import Finding, Outcome
from watchtower.nouns.batch import Flags, Floats
from watchtower.nouns.score import MeasureName, Need

Measured = Annotated[MeasureName, BeforeValidator(measure_name), WithJsonSchema({"type": "string", "examples": ["drift.psi", "latency.p99"]})]
Significance = Annotated[float, Field(gt=0, lt=1)]
RelativeTo = written.RelativeTo
MinRows = Annotated[int, Field(ge=1)]


def adjusted(p_values: Floats) -> Floats:
    """Benjamini-Hochberg: the smallest false-discovery rate at which each of *p_values* is a discovery; NaN stays NaN and does not count.

    Source: Benjamini and Hochberg (1995), step-up procedure.
    """
    found: Floats = np.full(len(p_values), np.nan)
    there = np.flatnonzero(~np.isnan(p_values))
    if not len(there):
        return found
    order = there[np.argsort(p_values[there], kind="stable")]
    scaled = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found


def judged(reading: Reading, need: Need, scores: Selection, beyond: Flags, significance: float | None) -> list[Outcome]:
    """FOUND where *beyond* and, for a tested measure, the corrected p-value is below *significance*; UNKNOWN where there is no score.

    The correction is over all of *scores* that have a p-value: every subject and segment that the rule scores for one model in one evaluation. A tested
    measure without one is never FOUND.
    """
    tested = need.measure.is_tested or need.against != "reference"
    corrected = adjusted(scores.p_values)
    with np.errstate(invalid="ignore"):
        sure = np.ones(len(beyond), dtype=bool) if not tested or significance is None else corrected < significance
    return [_outcome(reading, scores, i, found=bool(beyond[i] and sure[i]), corrected=float(corrected[i])) for i in range(len(scores.subjects))]


def _outcome(reading: Reading, scores: Selection, i: int, *, found: bool, corrected: float) -> Outcome:
    reason = scores.reasons[i]
    version = reading.version_of(scores, i)
    if reason is not None or np.isnan(scores.values[i]):
        return Outcome(version, scores.segments[i], scores.subjects[i], Finding.UNKNOWN, reason=reason or "not a number")
    p_value = float(scores.p_values[i])
    has_p = not np.isnan(p_value)
    return Outcome(
        version,
        scores.segments[i],
        scores.subjects[i],
        Finding.FOUND if found else Finding.CLEAR,
        value=float(scores.values[i]),
        p_value=p_value if has_p else None,
        p_adjusted=corrected if has_p and not np.isnan(corrected) else None,
    )
