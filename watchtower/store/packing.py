"""Profiles, binnings and boards as bytes and back: versioned, compact, exact to the bit.

A frame is two bytes (``W`` and the version) and a zlib stream (level 1: speed before size) of msgpack. An array is written in
the smallest integer type that holds it (whole-numbered floats too), and by its non-zero elements alone where that is shorter.
"""

import zlib
from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec
import numpy as np

from watchtower.nouns.batch import FeatureType
from watchtower.nouns.binning import Binning, Bins, CategoryBins, Derivation, Derived, NumericBins
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.profile import Durations, GpuReadings, Ids, Profile
from watchtower.nouns.score import Board, Scores, Slot
from watchtower.nouns.window import Span, Window
from watchtower.store._arrays import Packed, floats, ints, pack
from watchtower.store.label_packing import pack_labelled, unpack_labelled

_MAGIC = b"W\x01"
T = TypeVar("T")


class _Durations(msgspec.Struct, array_like=True, frozen=True):
    counts: Packed
    weight: float
    total: float
    largest: float
    rows: int


class _Ids(msgspec.Struct, array_like=True, frozen=True):
    rows: int
    hashes: Packed
    counts: Packed
    is_whole: bool


class _Profile(msgspec.Struct, array_like=True, frozen=True):
    binning: str
    rows: int
    weight: float
    cells: Packed
    moments: Packed
    oddities: Packed
    durations: tuple[_Durations | None, _Durations | None, _Durations | None]
    statuses: dict[str, float]
    status_rows: dict[str, int]
    instances: dict[str, float]
    gpu: dict[str, GpuReadings]
    spans: tuple[Span, ...]
    labelled: bytes | None = None
    ids: _Ids | None = None
    unknown: tuple[str, ...] = ()


class _Numeric(msgspec.Struct, array_like=True, frozen=True, tag="n"):
    edges: Packed
    single: Packed
    mean: float
    sd: float
    by_hand: bool


class _Category(msgspec.Struct, array_like=True, frozen=True, tag="c"):
    names: tuple[str, ...]
    others: tuple[str, ...]
    hashed: bool = False


class _Derived(msgspec.Struct, array_like=True, frozen=True):
    source: str
    how: Derivation
    words: Packed
    rare: Packed
    logits: bool
    makers: Packed


class _Binning(msgspec.Struct, array_like=True, frozen=True):
    id: str
    subjects: tuple[str, ...]
    types: tuple[FeatureType, ...]
    bins: tuple[_Numeric | _Category, ...]
    offsets: tuple[int, ...]
    segments: dict[str, tuple[str, ...]]
    derived: dict[str, _Derived] = {}
    widths: dict[str, int] = {}


class _Scores(msgspec.Struct, array_like=True, frozen=True):
    slot: Slot
    subjects: tuple[str, ...]
    values: Packed
    p_values: Packed
    n: Packed
    reasons: tuple[str | None, ...]
    low: Packed | None = None
    high: Packed | None = None
    excess: Packed | None = None
    notes: tuple[str, ...] | None = None


class _Board(msgspec.Struct, array_like=True, frozen=True):
    model: str
    window: Window
    live: str | None
    scores: tuple[_Scores, ...]
    versions: dict[str, float]
    seen: tuple[tuple[str, str, str], ...]


_DECODERS: Mapping[type, msgspec.msgpack.Decoder[_Profile] | msgspec.msgpack.Decoder[_Binning] | msgspec.msgpack.Decoder[_Board]] = {
    _Profile: msgspec.msgpack.Decoder(_Profile),
    _Binning: msgspec.msgpack.Decoder(_Binning),
    _Board: msgspec.msgpack.Decoder(_Board),
}
"""Made while this is imported, which one thread does: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""


def pack_profile(profile: Profile) -> bytes:
    """*profile* as bytes."""
    return _framed(
        _Profile(
            binning=profile.binning,
            rows=profile.rows,
            weight=float(profile.weight),
            cells=pack(profile.cells),
            moments=pack(profile.moments),
            oddities=pack(profile.oddities),
            durations=(_pack_durations(profile.latency), _pack_durations(profile.queue), _pack_durations(profile.compute)),
            statuses={name: float(weight) for name, weight in profile.statuses.items()},
            status_rows={name: int(rows) for name, rows in profile.status_rows.items()},
            instances={name: float(weight) for name, weight in profile.instances.items()},
            gpu=dict(profile.gpu),
            spans=profile.spans,
            labelled=None if profile.labelled is None else pack_labelled(profile.labelled),
            ids=None if profile.ids is None else _pack_ids(profile.ids),
            unknown=profile.unknown,
        )
    )


def unpack_profile(blob: bytes) -> Profile:
    """What :func:`pack_profile` wrote; Unavailable (for good) where a newer version did."""
    it = _unframed(blob, _Profile)
    latency, queue, compute = (_unpack_durations(each) for each in it.durations)
    return Profile(
        binning=it.binning,
        rows=it.rows,
        weight=it.weight,
        cells=ints(it.cells),
        moments=floats(it.moments),
        oddities=ints(it.oddities),
        latency=latency,
        queue=queue,
        compute=compute,
        statuses=it.statuses,
        status_rows=it.status_rows,
        instances=it.instances,
        gpu=it.gpu,
        spans=it.spans,
        labelled=None if it.labelled is None else unpack_labelled(it.labelled),
        ids=None if it.ids is None else Ids(it.ids.rows, ints(it.ids.hashes).view(np.uint64), ints(it.ids.counts), it.ids.is_whole),
        unknown=it.unknown,
    )


def pack_binning(binning: Binning) -> bytes:
    """*binning* as bytes."""
    bins = tuple(_pack_bins(each) for each in binning.bins)
    segments = {column: tuple(values) for column, values in binning.segments.items()}
    derived = {subject: _pack_derived(each) for subject, each in binning.derived.items()}
    offsets = tuple(int(each) for each in binning.offsets)
    return _framed(_Binning(binning.id, binning.subjects, binning.types, bins, offsets, segments, derived, dict(binning.widths)))


def unpack_binning(blob: bytes) -> Binning:
    """What :func:`pack_binning` wrote; Unavailable (for good) where a newer version did."""
    it = _unframed(blob, _Binning)
    derived = {subject: _unpack_derived(each) for subject, each in it.derived.items()}
    return Binning(it.id, it.subjects, it.types, tuple(_unpack_bins(each) for each in it.bins), it.offsets, it.segments, derived, it.widths)


def pack_board(board: Board) -> bytes:
    """*board* as bytes."""
    scores = tuple(_pack_scores(slot, each) for slot, each in board.scores.items())
    versions = {version: float(share) for version, share in board.versions.items()}
    return _framed(_Board(board.model, board.window, board.live, scores, versions, tuple(sorted(board.seen))))


def unpack_board(blob: bytes) -> Board:
    """What :func:`pack_board` wrote; Unavailable (for good) where a newer version did."""
    it = _unframed(blob, _Board)
    scores = {each.slot: _unpack_scores(each) for each in it.scores}
    return Board(it.model, it.window, it.live, scores, it.versions, frozenset(it.seen))


def _pack_scores(slot: Slot, scores: Scores) -> _Scores:
    low, high, excess = (None if each is None else pack(each) for each in (scores.low, scores.high, scores.excess))
    return _Scores(slot, scores.subjects, pack(scores.values), pack(scores.p_values), pack(scores.n), scores.reasons, low, high, excess, scores.notes)


def _unpack_scores(it: _Scores) -> Scores:
    low, high, excess = (None if each is None else floats(each) for each in (it.low, it.high, it.excess))
    return Scores(it.subjects, floats(it.values), floats(it.p_values), ints(it.n), it.reasons, low, high, excess, it.notes)


def _pack_durations(durations: Durations | None) -> _Durations | None:
    if durations is None:
        return None
    return _Durations(pack(durations.counts), float(durations.weight), float(durations.total), float(durations.largest), int(durations.rows))


def _unpack_durations(packed: _Durations | None) -> Durations | None:
    return None if packed is None else Durations(floats(packed.counts), packed.weight, packed.total, packed.largest, packed.rows)


def _pack_derived(it: Derived) -> _Derived:
    return _Derived(it.source, it.how, pack(it.words), pack(it.rare), it.logits, pack(it.makers))


def _unpack_derived(it: _Derived) -> Derived:
    return Derived(it.source, it.how, ints(it.words), ints(it.rare), it.logits, ints(it.makers))


def _pack_ids(ids: Ids) -> _Ids:
    return _Ids(int(ids.rows), pack(ids.hashes.view(np.int64)), pack(ids.counts), bool(ids.is_whole))


def _pack_bins(bins: Bins) -> _Numeric | _Category:
    if isinstance(bins, CategoryBins):
        return _Category(bins.names, tuple(sorted(bins.others)), bins.hashed)
    return _Numeric(pack(bins.edges), pack(bins.single), float(bins.mean), float(bins.sd), bins.by_hand)


def _unpack_bins(packed: _Numeric | _Category) -> Bins:
    if isinstance(packed, _Category):
        return CategoryBins(packed.names, frozenset(packed.others), packed.hashed)
    return NumericBins(floats(packed.edges), floats(packed.single), packed.mean, packed.sd, packed.by_hand)


def _framed(frame: msgspec.Struct) -> bytes:
    return _MAGIC + zlib.compress(msgspec.msgpack.encode(frame), 1)


def _unframed(blob: bytes, kind: type[T]) -> T:
    if blob[:2] != _MAGIC:
        msg = "the store holds summaries that this version of Watchtower cannot read: start the newer version that wrote them"
        raise Unavailable(msg, for_good=True)
    return cast("T", _DECODERS[kind].decode(zlib.decompress(blob[2:])))
