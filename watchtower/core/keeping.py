"""What a trial keeps between two looks: the answers that were had, so that only new rows are run."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from watchtower.nouns.batch import Flags, Floats, Ints

Keys = NDArray[np.uint64]
T = TypeVar("T", "Kept", "KeptRun")
_FORM = 1


@dataclass(frozen=True, slots=True, eq=False)
class KeptRun:
    """One version's answers so far, in the coding of the trial; *reference* None until the reference rows were run."""

    version: str
    sha256: str = ""
    provider: str = ""
    memory_bytes: int = 0
    failure: str = ""
    deterministic: bool = True
    jitter: float = 0.0
    note: str = ""
    usage: Mapping[str, float] = field(default_factory=dict)
    answers: Floats = field(default_factory=lambda: np.zeros(0))
    reference: Floats | None = None
    batch_seconds: Floats = field(default_factory=lambda: np.zeros(0))
    timed_rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A trial so far; arrays of n rows are in position order.

    Attributes:
        plan: whose trial; through: microseconds up to which rows were read; threshold: the largest position hash that is taken.
        limit: how many rows this trial may have in all; asked, found: rows wanted and had.
        scale, minimum_effect: fixed at the first look, None before.
        classes: the names behind class codes.
        keys: what makes a row one and the same (its id, else its position); times: event times in microseconds.
        cells: counts of the incident's inputs under *binning*, rows the number behind them.
        labels, predictions: of the reference rows; None where there are none.
        ids: request ids, kept where labels are awaited, else empty.
        mirrors: versions that mirror; mirror_keys, mirror_of, mirror_answers: whose row (as *keys*), which of *mirrors*, and what it answered.
        expired: why rows of some windows are gone for good, "" if none are.
    """

    plan: str
    through: int
    threshold: int
    limit: int
    asked: int = 0
    found: int = 0
    scale: float | None = None
    minimum_effect: float | None = None
    classes: tuple[str, ...] = ()
    keys: Keys = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    times: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    logged: Floats = field(default_factory=lambda: np.zeros(0))
    usable: Flags = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    runs: tuple[KeptRun, ...] = ()
    binning: str = ""
    cells: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    folded: int = 0
    file_version: str = ""
    own: bool = False
    labels: Floats | None = None
    predictions: Floats | None = None
    ids: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    mirror_keys: Keys = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    mirror_of: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    mirror_answers: Floats = field(default_factory=lambda: np.zeros(0))
    expired: str = ""

    @property
    def rows(self) -> int:
        """N."""
        return len(self.keys)


_ARRAYS = ("keys", "times", "logged", "usable", "cells", "labels", "predictions", "mirror_keys", "mirror_of", "mirror_answers")
_PLAIN = (
    *("plan", "through", "threshold", "limit", "asked", "found", "scale", "minimum_effect", "classes", "binning", "folded", "file_version", "own", "ids"),
    *("mirrors", "expired"),
)
_RUN_ARRAYS = ("answers", "reference", "batch_seconds")
_RUN_PLAIN = ("version", "sha256", "provider", "memory_bytes", "failure", "deterministic", "jitter", "note", "usage", "timed_rows")


def packed(kept: Kept) -> bytes:
    """*kept* as bytes."""
    arrays: dict[str, NDArray[np.generic]] = {name: array for name in _ARRAYS if (array := getattr(kept, name)) is not None}
    for i, run in enumerate(kept.runs):
        arrays |= {f"{name}{i}": array for name in _RUN_ARRAYS if (array := getattr(run, name)) is not None}
    plain = {name: getattr(kept, name) for name in _PLAIN} | {"form": _FORM, "runs": [_plain(run) for run in kept.runs]}
    out = io.BytesIO()
    arrays["plain"] = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()


def unpacked(blob: bytes) -> Kept | None:
    """What :func:`packed` made; None where another version of Watchtower made it, or the bytes are broken: the trial then begins anew."""
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as arrays:
            plain = json.loads(arrays["plain"].tobytes())
            return _kept(plain, {name: arrays[name] for name in arrays.files}) if plain.get("form") == _FORM else None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        return None


def _plain(run: KeptRun) -> dict[str, object]:
    return {name: dict(value) if isinstance(value := getattr(run, name), Mapping) else value for name in _RUN_PLAIN}


def _kept(plain: Mapping[str, object], arrays: Mapping[str, NDArray[np.generic]]) -> Kept:
    runs = plain["runs"]
    assert isinstance(runs, list)
    values: dict[str, object] = {name: tuple(value) if isinstance(value := plain[name], list) else value for name in _PLAIN if name in plain}
    values |= {name: arrays[name] for name in _ARRAYS if name in arrays}
    kept_runs = tuple(
        _filled(KeptRun(""), {**run, **{name: arrays[f"{name}{i}"] for name in _RUN_ARRAYS if f"{name}{i}" in arrays}}) for i, run in enumerate(runs)
    )
    return _filled(Kept("", 0, 0, 0), values | {"runs": kept_runs})


def _filled(empty: T, values: Mapping[str, object]) -> T:
    """*empty*, which nobody else has seen, with *values*."""
    for name, value in values.items():
        object.__setattr__(empty, name, value)
    return empty


def extended(run: KeptRun, answers: Floats, batch_seconds: Sequence[float], timed_rows: int = 0) -> KeptRun:
    """*run* with the answers to further rows; *timed_rows* are behind *batch_seconds*."""
    seconds = np.concatenate([run.batch_seconds, batch_seconds])
    return replace(run, answers=np.concatenate([run.answers, answers]), batch_seconds=seconds, timed_rows=run.timed_rows + timed_rows)


def without_mirrors(kept: Kept) -> Kept:
    """*kept* without what was mirrored."""
    none = np.zeros(0, dtype=np.int64)
    return replace(kept, mirrors=(), mirror_keys=none.astype(np.uint64), mirror_of=none, mirror_answers=np.zeros(0))
