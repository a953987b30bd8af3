"""Reads: poll, decode, fold, checkpoint. The only thread that touches the sources' sessions."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic

from watchtower import line
from watchtower.core.profiling import Folder
from watchtower.edges.points import reached
from watchtower.formats import Format
from watchtower.nouns.batch import Catalog, FeatureType, Messages, Schema
from watchtower.nouns.errors import Fenced, Unavailable
from watchtower.nouns.profile import Delta
from watchtower.nouns.settings import FileReference, Watched
from watchtower.nouns.window import Partition
from watchtower.sources import SourceSession
from watchtower.store import Store
from watchtower.store.labels import SPOOL
from watchtower.workers.labels import only_labels
from watchtower.workers.polling import GATHER, GLANCE, gathered, pieces
from watchtower.workers.references import References

log = logging.getLogger(__name__)
LABELS_AGAIN = 5.0
"""Seconds between two tries of a source of labels that is away, …"""
LABELS_GONE = 60.0
"""… and of one that was deleted, or denies access: predictions are watched without it."""
ENDS_EVERY = 1.0
"""Seconds between two looks at the ends of the partitions."""


@dataclass(slots=True)
class Feed:
    """One open source, its format, and where its dead letters keep originals."""

    session: SourceSession
    format: Format
    keep_original: bool = False
    partitions: tuple[Partition, ...] = ()
    labels: bool = False
    """It brings labels only, and windows do not wait for it."""
    away_until: float = 0.0
    """When to try again where labels could not be read (monotonic seconds)."""


@dataclass(slots=True)
class Intake:
    """Moves messages from the sources into the store.

    Attributes:
        models: models with settings of their own (their references may be made before the first row).
        checkpoint_every: how often what was read is committed.
        now_moves: whether the clock may move watermarks (False in replay).
        committed: told of every committed delta (metrics, waking the evaluator).
        took: told how many seconds a checkpoint took.
        seen: told the lag of every assigned partition, and what was lost before it could be read.
    """

    store: Store
    feeds: Sequence[Feed]
    folder: Folder
    references: References
    watched: Callable[[str], Watched]
    models: Sequence[str]
    checkpoint_every: timedelta
    committed: Callable[[Delta], None]
    took: Callable[[str, float], None] = lambda _what, _seconds: None
    seen: Callable[[Mapping[Partition, int], Mapping[Partition, int]], None] = lambda _lag, _lost: None
    now_moves: bool = True
    max_ahead: timedelta = timedelta(minutes=5)
    _catalog: Catalog | None = None
    _bindings: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _asked_first: set[str] = field(default_factory=set)
    _last_checkpoint: float = 0.0
    _last_ends: float = 0.0
    _closed: int | None = None
    _torn: bool = True
    """Memory, the sessions and the store may disagree on what was read: everything begins anew from the store."""

    def begin(self) -> None:
        """Drops all that is in memory, reads the store, seeks: at the start, and when fenced."""
        state = self.store.intake.load()
        self.folder.reset(state.progress, state.closed_through)
        self._closed = state.closed_through
        self._catalog = None
        for feed in self.feeds:
            feed.partitions = ()
            self._seek(feed, list(feed.session.assigned()))
        self._bind()
        self._last_checkpoint = monotonic()
        self._torn = False

    def step(self, now: datetime) -> bool:
        """Polls until there is enough, folds it, and commits where it is time; Unavailable, after all had their turn, where a source or the store is away."""
        if self._torn:
            self.begin()
        try:
            did, away = self._turns(now)
            if self.now_moves:
                self._look_at_ends()
            if self._is_due(now):
                self.checkpoint(now)
        except Fenced as fenced:
            log.warning("intake_fenced reason=%s", fenced)
            self._torn = True
            self.begin()
            return False
        if away is not None:
            raise away
        return did

    def drain(self, feed: Feed, now: datetime) -> None:
        """Reads *feed* to its end, and commits it: labels of a replay, which are joined by event time, stand ready before the first window is over."""
        self._seek(feed, list(feed.session.fresh()))
        while self._read(feed, now):
            self.checkpoint(now)

    def _turns(self, now: datetime) -> tuple[bool, Unavailable | None]:
        """Reads every source once: whether anything came, and which one is away."""
        did, away = False, None
        for feed in self.feeds:
            began = monotonic()
            if feed.away_until > began:
                continue
            try:
                self._let_go(feed, now)
                self._seek(feed, list(feed.session.fresh()))
                did = self._read(feed, now) or did
            except Unavailable as gone:
                if self._torn or (gone.for_good and not feed.labels):
                    raise
                away = self._missed(feed, gone, monotonic() - began) or away
        return did, away

    @staticmethod
    def _missed(feed: Feed, gone: Unavailable, took: float) -> Unavailable | None:
        """Predictions are waited for; labels are tried again in a while, the later the longer it took to learn that they are away: that held predictions up."""
        if not feed.labels:
            return gone
        log.log(logging.ERROR if gone.for_good else logging.WARNING, "labels_away reason=%s", gone)
        feed.away_until = monotonic() + max(LABELS_GONE if gone.for_good else LABELS_AGAIN, 10 * took)
        return None

    def checkpoint(self, now: datetime) -> None:
        """Commits what was folded since the last time, and learns of new binnings."""
        with self._whole():
            delta = self.folder.take(now if self.now_moves else None)
            self._last_checkpoint = began = monotonic()
            changed = not delta.is_empty or bool(delta.progress) or delta.closed_through != self._closed
            if changed:
                reached("fold.done")
                self.store.intake.checkpoint(delta, keep_original={each.topic for feed in self.feeds if feed.keep_original for each in feed.partitions})
                self._closed = delta.closed_through
                self.folder.committed(delta)
        if changed:
            self.took("checkpoint", monotonic() - began)
            self.committed(delta)
        self._bind()

    def finish(self, now: datetime) -> None:
        """Commits everything that a poll returned; the last thing before the daemon ends. What was left halfway is read again by the next one."""
        if not self._torn:
            self.checkpoint(now)

    # ------------------------------------------------------------------------------------------------ parts

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What is begun here is finished, or all that is in memory is dropped: a poll's messages, a checkpoint's delta are nowhere else."""
        outer, self._torn = self._torn, True
        yield
        self._torn = outer

    def _let_go(self, feed: Feed, now: datetime) -> None:
        """Partitions that are no longer ours: their rows in memory are committed with their positions; Fenced where somebody went on from the old ones."""
        if set(feed.partitions) - set(feed.session.assigned()):
            self.checkpoint(now)

    def _seek(self, feed: Feed, fresh: list[Partition]) -> None:
        if fresh or feed.partitions != tuple(feed.session.assigned()):
            feed.partitions = tuple(feed.session.assigned())
            self.folder.assign([each for other in self.feeds for each in other.partitions])
            self.folder.apart = {each for other in self.feeds if other.labels for each in other.partitions}
        if fresh:
            feed.session.seek({each: self.folder.progress[each].position if each in self.folder.stored else None for each in fresh})

    def _read(self, feed: Feed, now: datetime) -> bool:
        """Gathers about 10,000 messages, or 4 MB, or 200 ms, and folds them piece by piece, with checkpoints between where it is time."""
        with self._whole():
            found, away = gathered(feed.session, _patience(feed))
            ended = away is None and not feed.labels and feed.session.caught_up()
            if found or ended:
                self._first_rows(feed, found)
            for piece in pieces(found) or [[]] * ended:
                if feed.labels:
                    found_in = only_labels(piece, feed.format.decode(piece, self._known_to(feed)))
                    self.folder.add(piece, found_in, now=now if self.now_moves else None, ended=False)
                else:
                    line.fold(piece, feed.format, self._known(), self.folder, now=now if self.now_moves else None, ended=ended)
                if self.now_moves and self._is_due(now):
                    self.checkpoint(now)
        if away is not None:
            raise away
        return bool(found)

    def _known(self) -> Catalog:
        if self._catalog is None:
            schemas = {model: self._schema(model) for model in {*self._bindings, *self.models} - {"*"}}
            self._catalog = Catalog(schemas, Schema(open=self.folder.rows.wants("*")), max_ahead=self.max_ahead // timedelta(microseconds=1))
        return self._catalog

    def _known_to(self, feed: Feed) -> Catalog:
        """Times of what was posted were looked at then: what was accepted is kept."""
        return replace(self._known(), max_ahead=None) if feed.partitions == (SPOOL,) else self._known()

    def _schema(self, model: str) -> Schema:
        """How the model's rows are decoded; what waits for labels keeps its segments, before there is a binning too."""
        known, segments = self.references.schema(model), self.watched(model).segments
        if model not in self._bindings and self.folder.rows.wants(model):
            return replace(known, open=True)  # rows are kept before there is a binning too, as they are
        if model in self._bindings or not segments or not self.folder.halves.waits(model):
            return known
        return replace(known, features={**dict.fromkeys(segments, FeatureType.CATEGORICAL), **known.features})

    def _first_rows(self, feed: Feed, gathered: Sequence[Messages]) -> None:
        """Before the first row of a model is folded, its reference is made where that is a file."""
        awaited = [
            model
            for model in self.models
            if model not in self._bindings and model not in self._asked_first and isinstance(self.watched(model).reference, FileReference)
        ]
        if not gathered or not awaited:
            return
        for batch in feed.format.decode(gathered, Catalog()).predictions:
            if batch.model not in self._bindings and batch.model not in self._asked_first and len(batch):
                self._asked_first.add(batch.model)
                self.references.first_seen(batch.model, batch.versions.names[batch.versions.codes[0]])
        self._bind()

    def _bind(self) -> None:
        """Folds later windows under binnings that were frozen meanwhile, and keeps as many halves as there is room for."""
        self._bind_labels()
        current = self.store.references.ids()
        if current == self._bindings:
            return
        for model, (binning_id, valid_from) in current.items():
            if self._bindings.get(model) != (binning_id, valid_from):
                bound = self.references.bound(model)
                if bound is not None:
                    self.folder.bound[model] = bound
        self._bindings = dict(current)
        self._catalog = None

    def _bind_labels(self) -> None:
        """Keeps as many predictions and labels as the last joins left room for."""
        if self.folder.halves.every or self.folder.halves.halvings or self._torn:
            self.folder.halves.halvings.update(self.store.labels.halvings())

    def _look_at_ends(self) -> None:
        if monotonic() - self._last_ends < ENDS_EVERY:
            return
        self._last_ends = monotonic()
        reach: dict[Partition, tuple[int, int]] = {}
        lost: dict[Partition, int] = {}
        for feed in (each for each in self.feeds if each.away_until <= monotonic()):
            for partition, (position, end, at) in feed.session.ends().items():
                self.folder.saw_end(partition, position, end, at)
                known = self.folder.progress.get(partition)
                if known is not None:
                    reach[partition] = (known.position, end)
            lost |= feed.session.lost()
        for partition, messages in lost.items():
            log.error("messages_lost topic=%s partition=%d messages=%d (retention or a recreated topic took them)", partition.topic, partition.number, messages)
        self.seen({partition: max(0, end - position) for partition, (position, end) in reach.items()}, lost)
        self.store.intake.set_ends(reach)

    def _is_due(self, now: datetime) -> bool:
        """It is time, or a window has ended."""
        if monotonic() - self._last_checkpoint >= self.checkpoint_every.total_seconds():
            return True
        before, size = self.folder.closed, self.folder.settings.size // timedelta(microseconds=1)
        after = self.folder.advance(now if self.now_moves else None)
        return after is not None and (before is None or after // size > (self._closed or before) // size)


def _patience(feed: Feed) -> float:
    """How long a turn waits for what a feed brings: for labels a moment only, so that predictions are not held up (until there are partitions, four)."""
    if not feed.labels:
        return GATHER
    return GLANCE if feed.session.assigned() else GLANCE * 4
