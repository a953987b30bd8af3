"""Fold batches into the open windows. The Folder is the one mutable thing of the pure floors; what it hands out is frozen."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from watchtower.core.deriving import derived_columns
from watchtower.core.grouping import groups, segment_rows
from watchtower.core.joining import HalvesTally
from watchtower.core.retaining import RowsTally
from watchtower.core.sketching import IdTally
from watchtower.core.slicing import messages_from, sliced
from watchtower.core.tallies import Tally, TotalsTally
from watchtower.core.windowing import Stream, ahead, closed_through, late_rows, streams, watermark
from watchtower.nouns.batch import Decoded, Flags, Messages, PredictionBatch, Reason, Rejection
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.profile import Delta
from watchtower.nouns.settings import WindowSettings
from watchtower.nouns.window import Key, Partition, Progress, moment, window_of

SERVED = "served"
_NEVER = -(2**62)


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A model's binning and the start of the first window that is folded under it (microseconds)."""

    binning: Binning
    valid_from: int
    before: "Bound | None" = None
    """What earlier windows are folded under, where another binning took its place."""

    def at(self, start: int) -> Binning | None:
        """The binning of the window that begins at *start*; None where it is older than any."""
        if start >= self.valid_from:
            return self.binning
        return self.before.at(start) if self.before is not None else None


@dataclass(slots=True)
class Folder:
    """Open windows in memory, between two checkpoints.

    Attributes:
        settings: how windows are cut.
        progress: how far each assigned partition was read; *stored*: as the store says.
        closed: closed-through, microseconds; never goes back.
        bound: the binnings by model.
        counted: whether ids of a model's rows are counted (a rule asks for duplicates).
        halves: predictions and labels that wait for each other.
        rows: rows that are kept beside their summaries.
        apart: partitions that bring labels only: no window waits for them.
    """

    settings: WindowSettings
    progress: dict[Partition, Progress] = field(default_factory=dict)
    stored: dict[Partition, Progress] = field(default_factory=dict)
    closed: int | None = None
    bound: dict[str, Bound] = field(default_factory=dict)
    halves: HalvesTally = field(default_factory=HalvesTally)
    rows: RowsTally = field(default_factory=RowsTally)
    apart: set[Partition] = field(default_factory=set)
    counted: Callable[[str], bool] = field(default=lambda _model: False)
    _carry: dict[Partition, Messages] = field(default_factory=dict)
    _tallies: dict[tuple[Key, bool], Tally] = field(default_factory=dict)
    _totals: defaultdict[tuple[str, str], TotalsTally] = field(default_factory=lambda: defaultdict(TotalsTally))
    _rejected: list[Rejection] = field(default_factory=list)
    _messages: int = 0

    def reset(self, progress: Mapping[Partition, Progress], closed: int | None) -> None:
        """Drops all that is in memory and goes on from what the store says."""
        self.stored, self.closed = dict(progress), closed
        self.progress = {}
        self._carry = {}
        self._clear()
        self.rows.clear()

    def assign(self, partitions: Sequence[Partition]) -> None:
        """Reads exactly *partitions* from now on; known ones keep their progress."""
        self.progress = {each: self.progress.get(each) or self.stored.get(each) or Progress(0) for each in partitions}

    # ---------------------------------------------------------------------------------------- taking in

    def with_carry(self, messages: Sequence[Messages]) -> Sequence[Messages]:
        """*messages* behind those that could not be decided before."""
        carried, self._carry = self._carry, {}
        return [*carried.values(), *messages]

    def add(self, messages: Sequence[Messages], decoded: Decoded, *, now: datetime | None, ended: bool) -> None:
        """Folds what *messages* were decoded to. *ended*: nothing more can be read right now (a file's end), so jumps ahead are decided."""
        files = {each.partition for each in messages if len(each.appended) and each.appended[0] < 0}
        batches = tuple(decoded.predictions)
        keep = [np.ones(len(batch), dtype=bool) for batch in batches]
        late = [np.zeros(len(batch), dtype=bool) for batch in batches]
        marks = {each: watermark(progress, None, self.settings) for each, progress in self._waited_for().items()}
        held: dict[Partition, int] = {}
        for stream in streams(batches):
            allowed = self._allowed(stream, held, now, ended=ended) if stream.partition in files else None
            self._mark_late(stream if allowed is None else _only(stream, allowed, keep), marks, late)
        for batch, good, behind in zip(batches, keep, late, strict=True):
            self._fold(batch if good.all() else sliced(batch, np.flatnonzero(good)), behind[good])
        if decoded.labels is not None:
            self.halves.add_labels(decoded.labels)
        self._rejected += [each for each in decoded.rejected if each.position < held.get(each.partition, each.position + 1)]
        for each in messages:
            self._read(each, held.get(each.partition), now)

    def _allowed(self, stream: Stream, held: dict[Partition, int], now: datetime | None, *, ended: bool) -> Flags | None:
        """Which rows of a file may be folded (None: all); rejects what jumps ahead."""
        newest = self.progress.get(stream.partition, Progress(0)).newest
        bad, undecided = ahead(stream, newest, self.settings.max_ahead, ended=ended, now=now)
        if undecided is None and not len(bad):
            return None
        self._rejected += [Rejection(stream.partition, int(position), Reason.TIME_IN_FUTURE, -1, None) for position in bad]
        allowed: Flags = ~np.isin(stream.positions, bad)
        if undecided is None:
            return allowed
        held[stream.partition] = undecided
        return allowed & (stream.positions < undecided)

    def _mark_late(self, stream: Stream, marks: Mapping[Partition, int | None], late: Sequence[Flags]) -> None:
        if not len(stream.times):
            return
        lateness, size = _micros(self.settings.lateness), _micros(self.settings.size)
        known = self.progress.get(stream.partition, Progress(0))
        newest = int(stream.times.max()) if known.newest is None else max(known.newest, int(stream.times.max()))
        self.progress[stream.partition] = replace(known, newest=newest)
        others = min((_NEVER if mark is None else mark for partition, mark in marks.items() if partition != stream.partition), default=None)
        reach = max(self.closed if self.closed is not None else _NEVER, newest - lateness if others is None else min(newest - lateness, others))
        if (int(stream.times.min()) // size + 1) * size > reach:
            return
        flags = late_rows(stream, known.newest, others, self.closed, size, lateness)
        for i in np.unique(stream.owner[flags]):
            late[i][stream.row[flags & (stream.owner == i)]] = True

    def _read(self, messages: Messages, held: int | None, now: datetime | None) -> None:
        """Notes how far *messages* were consumed; what could not be decided is kept for the next time."""
        if held is not None and held < messages.next_position:
            rest = messages_from(messages, held)
            if len(rest.values):
                self._carry[messages.partition] = _one_after_other(self._carry.get(messages.partition), rest)
        through = messages.next_position if held is None else min(held, messages.next_position)
        known = self.progress.get(messages.partition, Progress(0))
        appended = known.appended_at
        if len(messages.values):
            appended = moment(int(messages.appended[-1])) if messages.appended[-1] >= 0 else now
        self._messages += int(np.searchsorted(messages.positions, through))
        self.progress[messages.partition] = replace(known, position=through, appended_at=appended, end=messages.end if messages.end is not None else known.end)

    def saw_end(self, partition: Partition, position: int, end: int, at: datetime) -> None:
        """Notes an end as the source gave it at *at*, and the client's own position (a transaction's marker moves it without a message)."""
        known = self.progress.get(partition)
        if known is None:
            return
        ahead_of = position if partition not in self._carry else known.position
        caught_up = at if ahead_of >= end else known.caught_up_at
        self.progress[partition] = replace(known, position=max(known.position, ahead_of), end=end, caught_up_at=caught_up)

    # ---------------------------------------------------------------------------------------- folding

    def _fold(self, batch: PredictionBatch, late: Flags) -> None:
        if not len(batch):
            return
        names = batch.roles.names
        served = batch.roles.codes == names.index(SERVED) if SERVED in names else np.zeros(len(batch), dtype=bool)
        if not served.all():
            self._count_others(batch, ~served)
            batch, late = sliced(batch, np.flatnonzero(served)), late[served]
        bound = self.bound.get(batch.model)
        self.halves.add(batch, None if bound is None else bound.binning)
        keeps = self.rows.wants(batch.model)
        for version, start, is_late, part in groups(self._derived(batch), late, _micros(self.settings.size)):
            self._totals[batch.model, version].add(part, late=is_late)
            self._fold_window(part, version, start, late=is_late)
            if keeps:
                self.rows.add(Key(batch.model, version, "", window_of(start, self.settings.size)), part)

    def _derived(self, batch: PredictionBatch) -> PredictionBatch:
        """*batch* with what is made of its columns, once for all windows and segments."""
        bound = self.bound.get(batch.model)
        if bound is None or not bound.binning.derived:
            return batch
        columns = {**batch.features, **({PREDICTION: batch.prediction} if batch.prediction is not None else {})}
        return replace(batch, derived=derived_columns(bound.binning.derived, bound.binning.widths, columns))

    def _count_others(self, batch: PredictionBatch, others: Flags) -> None:
        pairs = {*zip(batch.versions.codes[others].tolist(), batch.roles.codes[others].tolist(), strict=True)}
        for version, role in pairs:
            n = int((others & (batch.versions.codes == version) & (batch.roles.codes == role)).sum())
            self._totals[batch.model, batch.versions.names[version]].add_others(batch.roles.names[role], n)

    def _fold_window(self, part: PredictionBatch, version: str, start: int, *, late: bool) -> None:
        window = window_of(start, self.settings.size)
        bound = self.bound.get(part.model)
        binning = bound.at(start) if bound is not None else None
        tally = self._tally(Key(part.model, version, "", window), binning, late=late)
        part = part if bound is None or tally.binning is bound.binning else replace(part, derived=None)  # made as the newest binning has it
        tally.add(part)
        for column, values in (binning.segments if binning is not None else {}).items():
            for value, rows in segment_rows(part.features.get(column), values, len(part)):
                self._tally(Key(part.model, version, f"{column}={value}", window), binning, late=late).add(sliced(part, rows))

    def _tally(self, key: Key, binning: Binning | None, *, late: bool) -> Tally:
        found = self._tallies.get((key, late))
        if found is None:
            found = self._tallies[key, late] = Tally(binning, ids=IdTally() if self.counted(key.model) else None)
        return found

    # ---------------------------------------------------------------------------------------- handing out

    def advance(self, now: datetime | None) -> int | None:
        """Moves closed-through as far as the partitions, and the clock, allow; microseconds."""
        self.closed = closed_through(self._waited_for(), now, self.settings, self.closed)
        return self.closed

    def _waited_for(self) -> dict[Partition, Progress]:
        return {each: progress for each, progress in self.progress.items() if each not in self.apart} if self.apart else self.progress

    def close_all(self) -> None:
        """Closes every window that any row was read for (the end of a replay)."""
        newest = max((each.newest for each in self.progress.values() if each.newest is not None), default=None)
        if newest is not None:
            size = _micros(self.settings.size)
            self.closed = max(self.closed if self.closed is not None else _NEVER, (newest // size + 1) * size)

    def take(self, now: datetime | None) -> Delta:
        """What has come since the last call, frozen; memory is empty afterwards. :meth:`committed` follows once the store has it."""
        self.advance(now)
        delta = Delta(
            profiles={key: tally.profile() for (key, late), tally in self._tallies.items() if not late},
            late={key: tally.profile() for (key, late), tally in self._tallies.items() if late},
            totals={key: tally.totals() for key, tally in self._totals.items()},
            rejected=tuple(self._rejected),
            progress={each: (self.stored.get(each), new) for each, new in self.progress.items() if self.stored.get(each) != new},
            closed_through=self.closed,
            messages=self._messages,
            halves=self.halves.take(),
            rows=self.rows.take(),
        )
        self._clear()
        return delta

    def committed(self, delta: Delta) -> None:
        """The store has *delta*."""
        self.stored |= {each: new for each, (_, new) in delta.progress.items()}

    def _clear(self) -> None:
        self._tallies.clear()
        self._totals.clear()
        self._rejected = []
        self._messages = 0
        self.halves.clear()


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _only(stream: Stream, allowed: Flags, keep: Sequence[Flags]) -> Stream:
    """The allowed rows of *stream*; the others are crossed out in *keep*."""
    for i in np.unique(stream.owner[~allowed]):
        keep[i][stream.row[~allowed & (stream.owner == i)]] = False
    return Stream(stream.partition, stream.times[allowed], stream.positions[allowed], stream.owner[allowed], stream.row[allowed])


def _one_after_other(first: Messages | None, second: Messages) -> Messages:
    if first is None:
        return second
    values = [*first.values, *second.values]
    return replace(
        second, values=values, positions=np.concatenate([first.positions, second.positions]), appended=np.concatenate([first.appended, second.appended])
    )
