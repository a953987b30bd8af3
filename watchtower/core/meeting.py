"""One model's waiting room: predictions and labels that have not met yet, and what happens to them at the end of a window. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from watchtower.core.joining import joined_labels, joined_predictions, kept, labels_at, no_labels, no_predictions, predictions_at
from watchtower.core.labelled import Met, at, labelled, numbers
from watchtower.nouns.batch import Flags, Floats, Ints, PredictionKind
from watchtower.nouns.labels import Hashes, Joined, LabelHalf, Labelled, Place, PredictionHalf, Waiting
from watchtower.nouns.settings import PredictionSettings

Segments = Mapping[str, Sequence[str]]
_MICRO = timedelta(microseconds=1)
_SMALL = 64
"""Stored pieces of so few rows are not rewritten: they go once they are empty."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long halves wait (event time), how much longer rows may come in late, and how many predictions may wait."""

    wait: timedelta = timedelta(hours=24)
    lateness: timedelta = timedelta(seconds=30)
    max_rows: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows as they were stored in one checkpoint: how many, and the newest event time."""

    rows: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """Who waits. Predictions are sorted by hash and each id stands once (the first counts); labels by hash, then time.

    Attributes:
        owners, label_owners: the stored piece that each row is from.
        pieces, label_pieces: by id.
        joins: (revision, moment, ids) of earlier joins that still matter, oldest first; met: all of these ids, sorted.
        began: event time of the first prediction; through: rows older than this were settled before.
        now: how the model stands; revision: of the last join; last: the newest piece of predictions and of labels.
    """

    now: Waiting
    predictions: PredictionHalf = field(default_factory=no_predictions)
    owners: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    pieces: Mapping[int, Piece] = field(default_factory=dict)
    labels: LabelHalf = field(default_factory=no_labels)
    label_owners: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    label_pieces: Mapping[int, Piece] = field(default_factory=dict)
    joins: tuple[tuple[int, int, Hashes], ...] = ()
    met: Hashes = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    began: int | None = None
    through: int = -(2**62)
    revision: int = 0
    last: tuple[int, int] = (0, 0)


def remembering(room: Room, joins: Sequence[tuple[int, int, Hashes]]) -> Room:
    """The room, knowing which ids have met."""
    met = np.sort(np.concatenate([room.met, *(hashes for _, _, hashes in joins)]), kind="stable")
    return replace(room, joins=(*room.joins, *joins), met=met)


def come_in(room: Room, predictions: Sequence[tuple[int, PredictionHalf]], labels: Sequence[tuple[int, LabelHalf]]) -> Room:
    """The room with newly stored pieces, in their order; ids that have met, and those that are no longer kept, do not wait."""
    if predictions:
        room = _with_predictions(room, predictions)
    return _with_labels(room, labels) if labels else room


def _with_predictions(room: Room, new: Sequence[tuple[int, PredictionHalf]]) -> Room:
    whole = joined_predictions([room.predictions, *(half for _, half in new)])
    owners = np.concatenate([room.owners, *(np.full(len(half.times), piece) for piece, half in new)])
    there = np.flatnonzero(kept(whole.hashes, room.now.halvings) & (whole.times >= room.through) & ~_among(whole.hashes, room.met))
    _, first = np.unique(whole.hashes[there], return_index=True)
    rows = there[first]
    began = min([int(half.times.min()) for _, half in new] + ([] if room.began is None else [room.began]))
    pieces = {piece: Piece(len(half.times), int(half.times.max())) for piece, half in new}
    last = (max(piece for piece, _ in new), room.last[1])
    return replace(room, predictions=predictions_at(whole, rows), owners=owners[rows], pieces={**room.pieces, **pieces}, began=began, last=last)


def _with_labels(room: Room, new: Sequence[tuple[int, LabelHalf]]) -> Room:
    whole = joined_labels([room.labels, *(half for _, half in new)])
    owners = np.concatenate([room.label_owners, *(np.full(len(half.times), piece) for piece, half in new)])
    there = np.flatnonzero(kept(whole.hashes, room.now.halvings) & (whole.times >= room.through) & ~_among(whole.hashes, room.met))
    rows = there[np.lexsort((whole.times[there], whole.hashes[there]))]
    pieces = {piece: Piece(len(half.times), int(half.times.max())) for piece, half in new}
    last = (room.last[0], max(piece for piece, _ in new))
    return replace(room, labels=labels_at(whole, rows), label_owners=owners[rows], label_pieces={**room.label_pieces, **pieces}, last=last)


def _among(hashes: Hashes, known: Hashes) -> Flags:
    """Which *hashes* are in the sorted *known*."""
    if not len(known):
        return np.zeros(len(hashes), dtype=np.bool_)
    found: Flags = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)] == hashes
    return found


# ------------------------------------------------------------------------------------------------------ at the end of a window


def meet(room: Room, end: int, terms: Terms, prediction: PredictionSettings, segments: Segments) -> tuple[Joined, Room]:
    """What meets in the window that ends at *end* (microseconds), and the room after it; *segments* are those that the window is folded by.

    A pair meets in the first window that is evaluated after both have happened; its label may be at most `wait` younger than the prediction. Of several
    labels of an id the last one by event time counts, of several predictions the first that was read. Who has waited for `wait` and the lateness leaves.
    """
    wait = terms.wait // _MICRO
    keep_after = end - wait - terms.lateness // _MICRO
    rows, labels = _pairs(room, end, wait)
    gone = np.zeros(len(room.owners), dtype=np.bool_)
    gone[rows] = True
    expired = ~gone & (room.predictions.times < keep_after)
    profiles = _profiles(room, rows, labels, expired, prediction, segments)
    if room.began is None or room.through < room.began:
        profiles = {key: replace(each, unsettled=1) for key, each in profiles.items()}
    hashes = np.sort(room.predictions.hashes[rows])
    after = _without(room, gone | expired, hashes, keep_after)
    after = _within(after, terms.max_rows)
    joined, after = _written(room, after, hashes, end, keep_after, terms.max_rows)
    counts = Waiting(
        room.now.model,
        predictions=len(after.owners),
        labels=sum(piece.rows for piece in after.label_pieces.values()),
        joined=room.now.joined + len(rows),
        expired=room.now.expired + int(expired.sum()),
        halvings=after.now.halvings,
    )
    return replace(joined, profiles=profiles, now=counts, began=room.began), replace(after, now=counts, through=keep_after)


def _pairs(room: Room, end: int, wait: int) -> tuple[Ints, Ints]:
    """Indexes of predictions and of their labels that meet now."""
    ready = np.flatnonzero(room.labels.times < end)
    hashes = room.labels.hashes[ready]
    last = ready[np.append(hashes[1:] != hashes[:-1], True)] if len(ready) else ready
    hashes = room.labels.hashes[last]
    if not len(last) or not len(room.owners):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    where = np.minimum(np.searchsorted(room.predictions.hashes, hashes), len(room.owners) - 1)
    times = room.predictions.times[where]
    fits = (room.predictions.hashes[where] == hashes) & (times < end) & (room.labels.times[last] - times <= wait)
    return where[fits], last[fits]


def _profiles(  # noqa: PLR0913, PLR0917  all that one join found
    room: Room, rows: Ints, labels: Ints, expired: Flags, prediction: PredictionSettings, segments: Segments
) -> dict[tuple[str, str], Labelled]:
    half, scale = room.predictions, float(2**room.now.halvings)
    weights: Floats = np.full(len(half.times), scale) if half.weights is None else half.weights * scale
    met = Met(at(half.values, rows), at(room.labels.values, labels), (room.labels.times[labels] - half.times[rows]) / 1e6, weights[rows])
    centre = _centre(met) if prediction.kind is PredictionKind.NUMBER else 0.0
    found: dict[tuple[str, str], Labelled] = {}
    left = np.flatnonzero(expired)
    for key, places in _members(half.places, segments).items():
        mine, late = np.flatnonzero(np.isin(half.codes[rows], places)), left[np.isin(half.codes[left], places)]
        if not len(mine) and not len(late):
            continue
        summary = labelled(met.at(mine), prediction.kind, prediction.positive, centre) if len(mine) else Labelled(prediction.kind)
        found[key] = replace(summary, expired=float(weights[late].sum()), settled_rows=summary.settled_rows + len(late))
    return found


def _centre(met: Met) -> float:
    labels = numbers(met.labels)
    there = labels[np.isfinite(labels)]
    return float(there.mean()) if len(there) else 0.0


def _members(places: Sequence[Place], frozen: Segments) -> dict[tuple[str, str], list[int]]:
    """(version, segment) -> the places that belong to it; segment "" is the whole, a value that is not frozen is *other*."""
    found: dict[tuple[str, str], list[int]] = {}
    for code, (version, segments) in enumerate(places):
        split = (each.partition("=") for each in segments)
        known = (f"{name}={value if value in frozen[name] else 'other'}" for name, _, value in split if name in frozen)
        for segment in ("", *known):
            found.setdefault((version, segment), []).append(code)
    return found


def _without(room: Room, gone: Flags, hashes: Hashes, keep_after: int) -> Room:
    """The room after those have left who met or waited too long."""
    rows = np.flatnonzero(~gone)
    labels = np.flatnonzero((room.labels.times >= keep_after) & ~_among(room.labels.hashes, hashes))
    return _only(room, rows, labels)


def _only(room: Room, rows: Ints, labels: Ints) -> Room:
    return replace(
        room,
        predictions=predictions_at(room.predictions, rows),
        owners=room.owners[rows],
        labels=labels_at(room.labels, labels),
        label_owners=room.label_owners[labels],
    )


def _within(room: Room, most: int) -> Room:
    """The room with at most *most* predictions: the share of ids that are kept is halved until they fit, on both sides."""
    halvings = room.now.halvings
    while np.count_nonzero(kept(room.predictions.hashes, halvings)) > most:
        halvings += 1
    if halvings == room.now.halvings:
        return room
    fewer = _only(room, np.flatnonzero(kept(room.predictions.hashes, halvings)), np.flatnonzero(kept(room.labels.hashes, halvings)))
    return replace(fewer, now=replace(room.now, halvings=halvings))


def _written(before: Room, after: Room, hashes: Hashes, end: int, keep_after: int, most: int) -> tuple[Joined, Room]:  # noqa: PLR0913, PLR0917  what changed, and the bounds
    """What the store must change so that it holds *after*, and *after* as it then is."""
    revision = before.revision + 1
    joins = (*after.joins, (revision, end, hashes)) if len(hashes) else after.joins
    young = tuple(each for each in joins if each[1] >= keep_after)
    crowded = sum(len(each[2]) for each in young) > 2 * most
    alive = dict(zip(*(each.tolist() for each in np.unique(after.owners, return_counts=True)), strict=True))
    empty = tuple(piece for piece in after.pieces if piece not in alive)
    worn = [piece for piece, n in alive.items() if n < after.pieces[piece].rows and (crowded or (n < after.pieces[piece].rows / 2 and n >= _SMALL))]
    rewritten = {piece: predictions_at(after.predictions, np.flatnonzero(after.owners == piece)) for piece in worn}
    if crowded:
        young = _newest(young, most)
    pieces = {piece: Piece(len(rewritten[piece].times), each.last) if piece in rewritten else each for piece, each in after.pieces.items() if piece in alive}
    dropped = _outdated(after.label_pieces, end, keep_after, most)
    labels = np.flatnonzero(~np.isin(after.label_owners, dropped))
    left = _only(after, np.arange(len(after.owners)), labels)
    changed = young != after.joins
    met = np.sort(np.concatenate([after.met[:0], *(each[2] for each in young)]), kind="stable") if changed else after.met
    through = 0 if not young else young[0][0]
    joined = Joined({}, before.revision, hashes, end, keep_after, empty, rewritten, dropped, through if young else revision + 1, after.now)
    label_pieces = {piece: each for piece, each in after.label_pieces.items() if piece not in set(dropped)}
    return joined, replace(left, pieces=pieces, label_pieces=label_pieces, joins=young, met=met, revision=revision)


def _newest(joins: tuple[tuple[int, int, Hashes], ...], most: int) -> tuple[tuple[int, int, Hashes], ...]:
    """The newest joins that hold at most *most* ids, at least one of them."""
    total, first = 0, len(joins)
    while first > 0 and (total == 0 or total + len(joins[first - 1][2]) <= most):
        first -= 1
        total += len(joins[first][2])
    return joins[first:]


def _outdated(pieces: Mapping[int, Piece], end: int, keep_after: int, most: int) -> tuple[int, ...]:
    """Stored labels that nobody will ask for: too old, or beyond twice as many as predictions may wait (the oldest of those that have happened)."""
    old = [piece for piece, each in pieces.items() if each.last < keep_after]
    happened = [(piece, each.rows) for piece, each in sorted(pieces.items()) if keep_after <= each.last < end]
    total = sum(rows for _, rows in happened)
    for piece, rows in happened:
        if total <= 2 * most:
            break
        old.append(piece)
        total -= rows
    return tuple(old)
