"""Which rows a trial takes, and what it is made of. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from watchtower.core.keeping import Kept, KeptRun, Keys
from watchtower.nouns.batch import Codes, Flags, Floats, Ints, PredictionBatch, PredictionKind
from watchtower.nouns.binning import PREDICTION, Binning, NumericBins
from watchtower.nouns.evidence import ReferenceRows, Trial, VersionRun
from watchtower.nouns.plan import Plan
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Pair
from watchtower.statistics.psi import Psi

ALL = 2**64 - 1
"""The threshold that takes every row."""
LOOKS = 8
"""With much traffic a trial's rows are spread over about so many windows."""
DRIFTED = 0.2
"""A feature's PSI from which it counts as drifted."""
MISSING = 0.05
"""A rise of the missing share that counts as upstream trouble."""
_STEP, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class Drift:
    """Which inputs of the incident drifted (PSI), in which more is missing (the share now), of how many that were compared."""

    drifted: Mapping[str, float]
    missing: Mapping[str, float]
    features: int


def row_hash(partition: int | Codes, positions: Ints, ordinals: Codes) -> Keys:
    """uint64[n], evenly spread and repeatable: splitmix64 over partition number, position and ordinal.

    Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators.
    """
    with np.errstate(over="ignore"):
        mixed = _mixed(positions.astype(np.uint64) + _mixed(ordinals.astype(np.uint64)))
        return _mixed(mixed + _mixed(np.asarray(partition).astype(np.uint64) + np.uint64(1)))


def _mixed(x: NDArray[np.uint64]) -> Keys:
    z = x + _STEP
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def threshold(rows: int, per_window: float) -> int:
    """The largest hash that is taken so that *rows* come from about eight windows of *per_window* rows; less traffic takes all."""
    share = rows / (LOOKS * per_window) if per_window > 0 else 1.0
    return ALL if share >= 1 else int(share * ALL)


def chosen(batch: PredictionBatch, version: str, kept: Kept) -> tuple[Ints, Keys]:
    """Which rows of *batch* extend the trial, in position order, and their keys.

    Rows that *version* answered with status ``ok``, whose position hash is under the threshold, each id once, no more than the limit.
    """
    hashes = row_hash(_numbers(batch), batch.positions, batch.ordinals)
    answered = _of(batch.versions.names, batch.versions.codes, version) & _of(batch.statuses.names, batch.statuses.codes, "ok")
    wanted = answered & (hashes <= np.uint64(kept.threshold))
    rows = np.flatnonzero(wanted)
    rows = rows[np.lexsort((batch.ordinals[rows], batch.positions[rows], batch.partition[rows]))]
    keys = _keys(batch, rows, hashes)
    _, first = np.unique(keys, return_index=True)
    fresh = np.zeros(len(rows), dtype=np.bool_)
    fresh[first] = True
    fresh &= ~np.isin(keys, kept.keys)
    room = max(0, kept.limit - kept.rows)
    return rows[fresh][:room], keys[fresh][:room]


def mirrored(batch: PredictionBatch, version: str) -> tuple[Ints, Keys]:
    """Which rows of *batch* have an id and an answer of *version*, and their keys: those of the served rows of the same ids."""
    if batch.ids is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    named = np.array([bool(each) for each in batch.ids], dtype=np.bool_)
    rows = np.flatnonzero(named & _of(batch.versions.names, batch.versions.codes, version) & _of(batch.statuses.names, batch.statuses.codes, "ok"))
    return rows, _keys(batch, rows, np.zeros(len(batch), dtype=np.uint64))


def _numbers(batch: PredictionBatch) -> Codes:
    return np.array([partition.number for partition in batch.partitions], dtype=np.int32)[batch.partition]


def _of(names: Sequence[str], codes: Codes, name: str) -> Flags:
    return codes == names.index(name) if name in names else np.zeros(len(codes), dtype=np.bool_)


def _keys(batch: PredictionBatch, rows: Ints, hashes: Keys) -> Keys:
    if batch.ids is None:
        return hashes[rows]
    ids = batch.ids
    named = [int.from_bytes(blake2b(ids[i].encode(errors="surrogatepass"), digest_size=8).digest(), "big") if ids[i] else int(hashes[i]) for i in rows.tolist()]
    return np.array(named, dtype=np.uint64)


def sample(count: int, most: int, preferred: Flags | None) -> Ints:
    """At most *most* of *count* row numbers, evenly spread and repeatable, in order; *preferred* rows come first."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    hashes = row_hash(0, np.arange(count, dtype=np.int64), np.zeros(count, dtype=np.int32))
    later = ~preferred if preferred is not None else np.zeros(count, dtype=np.bool_)
    return np.sort(np.lexsort((hashes, later))[:most])


def drift(binning: Binning, reference: Profile | None, current: Profile | None, alpha: float) -> Drift:
    """Which features of *current* drifted: PSI >= 0.2 and p < *alpha*; and where the missing share rose by at least 0.05."""
    indexes = tuple(i for i, subject in enumerate(binning.subjects) if not binning.is_of_prediction(subject))
    if reference is None or current is None or not indexes or len(current.cells) != binning.size or len(reference.cells) != binning.size:
        return Drift({}, {}, 0)
    scores = Psi().score(Pair(binning, reference, current, indexes))
    drifted = {
        subject: float(value)
        for subject, value, p, reason in zip(scores.subjects, scores.values, scores.p_values, scores.reasons, strict=True)
        if reason is None and value >= DRIFTED and p < alpha
    }
    before, now = _missing(binning, reference, indexes), _missing(binning, current, indexes)
    sure = {subject for subject, p, reason in zip(scores.subjects, scores.p_values, scores.reasons, strict=True) if reason is None and p < alpha}
    missing = {binning.subjects[i]: now[i] for i in indexes if now[i] - before[i] >= MISSING and binning.subjects[i] in sure}
    return Drift(drifted, missing, sum(reason is None for reason in scores.reasons))


def _missing(binning: Binning, profile: Profile, indexes: Sequence[int]) -> dict[int, float]:
    """The share of the missing cell, which is each subject's last."""
    sums = {i: int(profile.cells[binning.offsets[i] : binning.offsets[i + 1]].sum()) for i in indexes}
    return {i: float(profile.cells[binning.offsets[i + 1] - 1]) / sums[i] if sums[i] else 0.0 for i in indexes}


def scale_of(kind: PredictionKind, binning: Binning | None, predictions: Floats | None) -> float:
    """1 for a probability or a class; for a number the sd of the reference predictions, 1 where there is none."""
    if kind in {PredictionKind.PROBABILITY, PredictionKind.CLASS}:
        return 1.0
    if predictions is not None and np.isfinite(predictions).any():
        return float(np.nanstd(predictions)) or 1.0
    if binning is not None and PREDICTION in binning.subjects:
        bins = binning.bins[binning.subjects.index(PREDICTION)]
        return bins.sd if isinstance(bins, NumericBins) and bins.sd > 0 else 1.0
    return 1.0


def assemble(  # noqa: PLR0913  a trial is all of these
    plan: Plan,
    kept: Kept,
    found: Drift,
    *,
    kind: PredictionKind,
    window: timedelta,
    labels: Floats | None,
    ended: str,
    expired: str,
    device: str,
    device_hour: float | None = None,
) -> Trial:
    """The trial as it stands."""
    by_version = {run.version: run for run in kept.runs}
    step = window // timedelta(microseconds=1)
    reference = ReferenceRows(kept.own, kept.labels, kept.predictions, kept.file_version) if kept.labels is not None or kept.predictions is not None else None
    return Trial(
        model=plan.model,
        live=_run(by_version.get(plan.live), plan.live),
        candidates=tuple(_with_mirror(_run(by_version.get(version), version), kept) for version in plan.candidates),
        kind=kind,
        classes=kept.classes,
        rows=kept.rows,
        asked=kept.asked,
        found=kept.found,
        windows=kept.times // step * step,
        logged=kept.logged,
        has_logged=bool(np.isfinite(kept.logged).any()),
        labels=labels,
        reference=reference,
        drifted=found.drifted,
        features=found.features,
        input_missing=found.missing,
        fired=plan.fired,
        latency_fired=any(measure.startswith("latency.") for _, measure in plan.fired),
        scale=kept.scale or 1.0,
        ended=ended,
        minimum_effect=kept.minimum_effect,
        expired=expired,
        shadow_device=device,
        resolved=ended == "the alert resolved",
        usable=kept.usable,
        device_hour=device_hour,
    )


def _run(kept: KeptRun | None, version: str) -> VersionRun:
    if kept is None:
        return VersionRun(version, failure="it was not run")
    if kept.failure:
        return VersionRun(version, kept.provider, failure=kept.failure, note=kept.note)
    return VersionRun(
        version=version,
        provider=kept.provider,
        outputs=kept.answers,
        reference_outputs=kept.reference,
        batch_seconds=kept.batch_seconds,
        memory_bytes=kept.memory_bytes,
        deterministic=kept.deterministic,
        jitter=kept.jitter,
        note=kept.note,
        usage=kept.usage,
        timed_rows=kept.timed_rows,
    )


def _with_mirror(run: VersionRun, kept: Kept) -> VersionRun:
    """*run* with what the version mirrored of the trial's rows."""
    if run.version not in kept.mirrors:
        return run
    mine = np.flatnonzero(kept.mirror_of == kept.mirrors.index(run.version))
    mine = mine[np.argsort(kept.mirror_keys[mine], kind="stable")]
    keys = kept.mirror_keys[mine]
    at = np.searchsorted(keys, kept.keys)
    there = np.zeros(kept.rows, dtype=np.bool_) if not len(keys) else keys[np.minimum(at, len(keys) - 1)] == kept.keys
    answers = np.full(kept.rows, np.nan)
    answers[there] = kept.mirror_answers[mine][at[there]]
    return replace(run, mirror=answers, mirrored=there)
