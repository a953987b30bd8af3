"""Labels: what is posted is read like a partition, and what has met is put into the window in which the label arrived."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from watchtower.core.labelled import merge_labelled
from watchtower.core.meeting import Room, Terms, meet
from watchtower.core.merging import empty
from watchtower.core.spanning import Profiles
from watchtower.nouns.batch import Decoded, Messages, PredictionBatch, Reason, Rejection
from watchtower.nouns.binning import Binning
from watchtower.nouns.labels import Joined
from watchtower.nouns.settings import Watched
from watchtower.nouns.window import Partition, Window, micros
from watchtower.store import Store
from watchtower.store.labels import SPOOL

_AT_ONCE = 5_000


@dataclass(slots=True)
class SpoolSession:
    """Posted labels as a source: one partition whose positions are their numbers in the store. Reading never waits."""

    store: Store
    _next: int = 0
    _fresh: bool = True

    def poll(self, timeout: float) -> Sequence[Messages]:  # noqa: ARG002  what was posted is there
        """The next posts."""
        found = self.store.labels.spooled(self._next - 1, _AT_ONCE)
        if not found:
            return []
        numbers = np.array([number for number, _, _ in found], dtype=np.int64)
        moments = np.array([moment for _, moment, _ in found], dtype=np.int64)
        self._next = int(numbers[-1]) + 1
        return [Messages(SPOOL, [body for _, _, body in found], numbers, self._next, moments, int(moments[-1]))]

    def assigned(self) -> Sequence[Partition]:
        """The one partition."""
        return [SPOOL]

    def fresh(self) -> Sequence[Partition]:
        """The one partition, once."""
        fresh, self._fresh = self._fresh, False
        return [SPOOL] if fresh else []

    def seek(self, positions: Mapping[Partition, int | None]) -> None:
        """Goes on behind what was read."""
        self._next = positions.get(SPOOL) or 0

    def ends(self) -> Mapping[Partition, tuple[int, int, datetime]]:
        """Nobody waits for it, so it has no lag to tell."""
        return {}

    def lost(self) -> Mapping[Partition, int]:
        """A store loses nothing."""
        return {}

    def caught_up(self) -> bool:
        """A poll gives all that there is, up to a few thousand."""
        return True

    def close(self) -> None:
        """The store is closed by who opened it."""


def only_labels(messages: Sequence[Messages], decoded: Decoded) -> Decoded:
    """What a source of labels brought: a message that is a prediction lacks its label, and is rejected for that."""
    wrong = [rejection for batch in decoded.predictions for rejection in _unlabelled(messages, batch)]
    return Decoded((), decoded.labels, (*decoded.rejected, *wrong)) if wrong else replace(decoded, predictions=())


def _unlabelled(messages: Sequence[Messages], batch: PredictionBatch) -> list[Rejection]:
    found: list[Rejection] = []
    for each in messages:
        rows = [i for i, partition in enumerate(batch.partitions) if partition == each.partition]
        there = np.isin(each.positions, batch.positions[np.isin(batch.partition, rows)])
        said = ((int(each.positions[i]), int(each.appended[i]), each.values[i]) for i in np.flatnonzero(there).tolist())
        found += [Rejection(each.partition, position, Reason.MISSING_FIELD, appended, value) for position, appended, value in said]
    return found


@dataclass(slots=True)
class Joiner:
    """Joins labels with predictions, a model and a window at a time; used by the evaluator's thread alone.

    What it remembers of a model is the store's waiting room again, brought up to date at every window, and forgotten whenever a commit fails.
    """

    store: Store
    terms: Terms
    watched: Callable[[str], Watched]
    _rooms: dict[str, Room] = field(default_factory=dict)
    _next: dict[str, Room] = field(default_factory=dict)

    def join(self, model: str, window: Window, binning: Binning | None) -> Joined | None:
        """What meets in *window*, which is folded under *binning*; :meth:`done` follows once it is committed.

        None where the model has never had a label, or a prediction that waits for one.
        """
        room = self.store.labels.room(model, self._rooms.pop(model, None))
        if room is None:
            return None
        joined, after = meet(room, micros(window.end), self.terms, self.watched(model).prediction, {} if binning is None else binning.segments)
        self._next[model] = after
        return joined

    def done(self, model: str) -> None:
        """The store has the join."""
        if model in self._next:
            self._rooms[model] = self._next.pop(model)


def with_labels(opened: Profiles, joined: Joined | None, binning: Binning | None) -> Profiles:
    """The window's profiles with the labels that arrived in it; a version that served nothing in it gets one of no rows."""
    if joined is None or not joined.profiles:
        return opened
    found = dict(opened)
    for key, labelled in joined.profiles.items():
        profile = found.get(key) or empty(binning)
        found[key] = replace(profile, labelled=merge_labelled([profile.labelled, labelled]))
    return found
