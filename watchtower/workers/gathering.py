"""The rows of a trial: which windows are read again, and what of them is taken."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from watchtower.core.answers import answers_as_numbers
from watchtower.core.keeping import Kept, unpacked, without_mirrors
from watchtower.core.slicing import joined, sliced
from watchtower.core.trialling import chosen, mirrored, threshold
from watchtower.nouns.batch import PredictionBatch, PredictionKind, Schema
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.plan import Plan
from watchtower.nouns.profile import Profile
from watchtower.nouns.window import Partition, Span, Window, micros, moment
from watchtower.store.windows import ClosedRow, WindowRows
from watchtower.workers.rows import Aside, RowReader

log = logging.getLogger(__name__)
_FIRED_ROWS, _FIRED_LEAST, _FIRED_WINDOWS = 200, 2, 30
"""Rows that fired serve integrity, invalid answers and drift: so many, out of at least 2 and at most 30 windows."""
_BEFORE = 8
"""Windows before those of a look, that say in which partitions where the next rows could have been."""
Ends = dict[Partition, int]


@dataclass(frozen=True, slots=True)
class Gathering:
    """Extends what a trial kept by the windows since its last look.

    *with_ids*: labels are awaited. *not_kept*: why kept rows will not do, "" where they do: a feature that they lack would be run as missing.
    *mirroring*: versions that mirrored anything, ever. Their messages may stand between the windows' served rows: where a producer writes one batch a
    window, that of the mirror comes behind (or before) that of the served rows.
    """

    windows: WindowRows
    rows: RowReader
    size: timedelta
    with_ids: bool
    not_kept: str = ""
    mirroring: frozenset[str] = frozenset()

    def begun(self, plan: Plan, blob: bytes | None, through: datetime, most: int) -> Kept:
        """What earlier looks kept. A later trial of the same incident goes on with the same evidence, on further *most* rows."""
        kept = unpacked(blob) if blob is not None else None
        if kept is not None and kept.plan == plan.id:
            return kept
        fired = self._fired(plan)
        start = micros(fired[0].window.start if fired else through)
        wanted = threshold(most, fired[-1].profiles[plan.live, ""].rows if fired else 0)
        if kept is None or not _goes_on(plan, kept):
            return Kept(plan.id, start, wanted, most)
        kept = replace(kept, runs=tuple(run for run in kept.runs if run.version in {plan.live, *plan.candidates}))
        kept = kept if kept.mirrors in {(), plan.candidates} else without_mirrors(kept)
        none = np.zeros(0, dtype=np.int64)
        return replace(kept, plan=plan.id, through=max(kept.through, start), threshold=wanted, limit=kept.rows + most, cells=none, folded=0, binning="")

    def extended(self, plan: Plan, kept: Kept, through: datetime, schema: Schema) -> tuple[Kept, PredictionBatch | None, str]:
        """*kept* with the windows up to *through*, their new rows, and why some of the trial's rows could not be had ("" if all could).

        Where the source is away the windows from there on are tried again; what is gone for good is noted, and the trial goes on with what is left.
        """
        since = moment(kept.through)
        count = max(0, -((since - through) // self.size))
        pieces: list[PredictionBatch] = []
        earlier: Ends | None = {} if self.mirroring & {*plan.candidates} else None
        for each in self.windows.history(plan.model, through, count + (0 if earlier is None else _BEFORE)) if count else ():
            profile = each.profiles.get((plan.live, ""))
            if each.window.end <= since:
                _went_on(earlier, profile)
                continue
            try:
                if profile is not None and kept.rows < kept.limit:
                    kept = self._with_rows(plan, kept, each.window, profile, schema, earlier or {}, into=pieces)
            except Unavailable as away:
                log.warning("trial_rows_unread model=%s window=%s reason=%s", plan.model, each.window.end, away)
                return kept, joined(pieces) if pieces else None, f"inputs are away for now: {away}"
            _went_on(earlier, profile)
            kept = replace(_counted(kept, profile), through=micros(each.window.end))
        return kept, joined(pieces) if pieces else None, kept.expired

    def _fired(self, plan: Plan) -> list[ClosedRow]:
        """The newest windows of live (or of the canary) up to the one that fired, back until they hold some rows; those without any are passed over."""
        taken: list[ClosedRow] = []
        rows = 0
        for each in reversed(self.windows.history(plan.model, plan.opened_at, _FIRED_WINDOWS)):
            if (taken and each.live != plan.live and not plan.canary) or (rows >= _FIRED_ROWS and len(taken) >= _FIRED_LEAST):
                break
            profile = each.profiles.get((plan.live, ""))
            if profile is not None:
                taken.append(each)
                rows += profile.rows
        return taken[::-1]

    def _with_rows(  # noqa: PLR0913, PLR0917  one step of a fold
        self, plan: Plan, kept: Kept, window: Window, profile: Profile, schema: Schema, earlier: Ends, *, into: list[PredictionBatch]
    ) -> Kept:
        """*kept* with the chosen rows of one window, which are added to *into*; mirrored ones from where the rows of *earlier* windows end."""
        aside: Aside = []
        between = [Span(at, earlier[at], each.first - 1) for each in profile.spans if (at := each.partition) in earlier and earlier[at] + 1 < each.first]
        if between:
            self.rows.beside(plan.model, between, schema, aside)
        batch, gone = self._left(plan, window, profile, schema, aside)
        if gone:
            log.warning("trial_rows_expired model=%s window=%s reason=%s", plan.model, window.end, gone)
            kept = replace(kept, expired=f"inputs expired: {gone}")
        if batch is None:
            return replace(kept, asked=kept.asked + profile.rows)
        index, keys = chosen(batch, plan.live, kept)
        piece = sliced(batch, index)
        if len(index):
            into.append(piece)
        classes = {name: code for code, name in enumerate(kept.classes)}
        logged = answers_as_numbers(piece.prediction, schema.prediction or PredictionKind.NUMBER, classes, len(index))
        more = replace(
            kept,
            asked=kept.asked + profile.rows,
            found=kept.found + _of(batch, plan.live),
            classes=tuple(classes),
            keys=np.concatenate([kept.keys, keys]),
            times=np.concatenate([kept.times, piece.times]),
            logged=np.concatenate([kept.logged, logged]),
            usable=np.concatenate([kept.usable, piece.times >= micros(plan.opened_at)]),
            ids=(*kept.ids, *(piece.ids or [""] * len(index))) if self.with_ids else (),
        )
        return _with_mirrors(plan, more, aside, schema) if aside or more.mirrors else more

    def _left(self, plan: Plan, window: Window, profile: Profile, schema: Schema, aside: Aside) -> tuple[PredictionBatch | None, str]:
        """What is left of a window's rows, in the source or kept, and why not all of those that the trial would take are."""
        left = self.rows.left(plan.model, profile.spans, window.start, window.end, schema, from_kept=not self.not_kept, aside=aside)
        had = _of(left.batch, plan.live)
        if not left.gone and not left.was_kept and had < profile.rows:
            left = replace(left, gone=f"{profile.rows - had:,} of {profile.rows:,} rows are no longer where they were read: was the file replaced?")
            left = left if self.not_kept else self.rows.filled(left, plan.model, window.start, window.end, schema)
        if not left.gone or left.was_kept:
            return left.batch, ""
        return left.batch, f"{left.gone}; {self.not_kept}" if self.not_kept else left.gone


def _went_on(earlier: Ends | None, profile: Profile | None) -> None:
    """*earlier* learns where the last rows of a window stand."""
    if earlier is not None and profile is not None:
        earlier.update({each.partition: max(each.last, earlier.get(each.partition, each.last)) for each in profile.spans})


def _of(batch: PredictionBatch | None, version: str) -> int:
    """How many rows of *batch* are of *version*."""
    if batch is None or version not in batch.versions.names:
        return 0
    return int(np.count_nonzero(batch.versions.codes == batch.versions.names.index(version)))


def _goes_on(plan: Plan, kept: Kept) -> bool:
    """Whether a later trial goes on with what an earlier one of the incident kept: every version is there, and one was judged, not only broken."""
    runs = {run.version: run for run in kept.runs}
    judged = plan.live in runs and not runs[plan.live].failure and any(not runs[version].failure for version in plan.candidates if version in runs)
    return judged and {plan.live, *plan.candidates} <= {*runs}


def _with_mirrors(plan: Plan, kept: Kept, aside: Aside, schema: Schema) -> Kept:
    """*kept* with what candidates mirrored among the rows just read. Of earlier ones only those of the trial's rows stay: an id may come a window late."""
    old = np.isin(kept.mirror_keys, kept.keys)
    keys, owners, answers = [kept.mirror_keys[old]], [kept.mirror_of[old]], [kept.mirror_answers[old]]
    classes = {name: code for code, name in enumerate(kept.classes)}
    for batch in aside:
        for owner, version in enumerate(plan.candidates):
            rows, found = mirrored(batch, version)
            fresh = ~np.isin(found, kept.mirror_keys[old & (kept.mirror_of == owner)])
            rows = rows[fresh]
            keys.append(found[fresh])
            owners.append(np.full(len(rows), owner, dtype=np.int64))
            column = sliced(batch, rows).prediction
            answers.append(answers_as_numbers(column, schema.prediction or PredictionKind.NUMBER, classes, len(rows)))
    their_keys, of = np.concatenate(keys), np.concatenate(owners)
    return replace(kept, mirrors=plan.candidates, mirror_keys=their_keys, mirror_of=of, mirror_answers=np.concatenate(answers), classes=tuple(classes))


def key_of(plan: Plan) -> str:
    """Where the store keeps a trial's evidence: all trials of one incident and live version share it."""
    return f"{plan.incident}|{plan.live}"


def _counted(kept: Kept, profile: Profile | None) -> Kept:
    """*kept* with the cells of one more window; another binning begins anew."""
    if profile is None or not profile.binning:
        return kept
    same = kept.binning == profile.binning
    cells, folded = (kept.cells, kept.folded) if same else (np.zeros_like(profile.cells), 0)
    return replace(kept, binning=profile.binning, cells=cells + profile.cells, folded=folded + profile.rows)
