"""Artefacts of far away, on this machine: bounded, sealed with their digests, written atomically, verified again at every use.

An entry is a folder: the files, and ``seal.json`` with their digests. It is filled under another name and renamed when it is whole, so readers see all of it
or nothing; of several that fill the same one at once the first stays. What was used last goes last, and what was used within :data:`IN_USE` not at all, since a
child may be about to read it.
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import Field

from watchtower.model_stores._files import digest_of
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.written import Frozen, PathText

SEAL = "seal.json"
IN_USE = 3600.0
"""Seconds after its last use in which an entry is not removed, even where the cache is full."""
_PART, _GONE = ".part-", ".gone-"
_TRIES = 5


class CacheSettings(Frozen):
    """Where artefacts of far away are kept on this machine."""

    path: PathText = Field(default="watchtower-cache", validate_default=True)
    """A folder (relative to the settings file); what it holds may be deleted at any time."""
    max_bytes: int = Field(default=10_000_000_000, ge=1)
    """What was used last goes last; a single artefact that is larger is not fetched."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Files that were verified a moment ago. *stamp* and *note* are what was given when it was filled."""

    folder: Path
    stamp: str
    note: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Cache:
    """Used by any number of threads and processes at once."""

    folder: Path
    max_bytes: int

    def kept(self, key: str, stamp: str | None) -> Entry | None:
        """The entry of *key* under *stamp* (None: whichever was used last), if it is whole and its files have the digests of its seal; None else."""
        if stamp is not None:
            return _used(self.folder / _name(key, stamp))
        stamps = sorted(self.folder.glob(f"{_name(key, None)}-*"), key=lambda each: _changed(each / SEAL))
        return _used(stamps[-1]) if stamps else None

    def filled(self, key: str, stamp: str, note: Mapping[str, object], fill: Callable[[Path], None]) -> Entry:
        """The entry of *key* under *stamp*, which *fill* wrote into the folder that it is given. Those under other stamps age and go.

        ShadowError where *fill* raises it, where the files are larger than the cache, or where the disk refuses.
        """
        part = self.folder / f"{_PART}{uuid.uuid4().hex}"
        try:
            part.mkdir(parents=True, mode=0o700)
            try:
                fill(part)
                self._sealed(part, stamp, note)
                self._placed(part, self.folder / _name(key, stamp))
            finally:
                shutil.rmtree(part, ignore_errors=True)
            self._trim()
        except OSError as bad:
            msg = f"the cache {self.folder} cannot be written: {bad}"
            raise ShadowError(msg) from bad
        found = self.kept(key, stamp)
        if found is None:
            msg = f"the cache {self.folder} lost what was put into it: is its disk failing, or does something else write there?"
            raise ShadowError(msg)
        return found

    def _sealed(self, part: Path, stamp: str, note: Mapping[str, object]) -> None:
        files = {str(path.relative_to(part)): digest_of(path, "") for path in sorted(part.rglob("*")) if path.is_file()}
        self.check(size_of(part))
        (part / SEAL).write_text(json.dumps({"stamp": stamp, "files": files, "note": dict(note)}), encoding="utf-8")

    def check(self, size: int) -> None:
        """ShadowError where *size* bytes are more than the cache may hold."""
        if size > self.max_bytes:
            msg = f"the artefact has {size:,} bytes, more than the cache may hold ({self.max_bytes:,}): raise cache.max_bytes"
            raise ShadowError(msg)

    def _placed(self, part: Path, at: Path) -> None:
        """What another one placed meanwhile stays, if it is whole."""
        for _ in range(_TRIES):
            if _used(at) is not None:
                return
            self._remove(at)
            try:
                part.rename(at)
            except OSError:
                continue
            return

    def _trim(self) -> None:
        """Removes what was used longest ago until the rest fits, and what killed fillings left."""
        entries = sorted(self._entries(), reverse=True)
        newest = entries[0][0] if entries else 0.0
        for path in self.folder.glob(".*-*"):
            if path.name.startswith((_PART, _GONE)) and _changed(path) < newest - IN_USE:
                shutil.rmtree(path, ignore_errors=True)
        total = 0
        for used, path in entries:
            total += size_of(path)
            if total > self.max_bytes and used < newest - IN_USE:
                self._remove(path)

    def _entries(self) -> Iterator[tuple[float, Path]]:
        """(when it was used last, by the file system's clock; its folder)."""
        for path in self.folder.iterdir():
            if not path.name.startswith(".") and (used := _changed(path / SEAL)):
                yield used, path

    def _remove(self, at: Path) -> None:
        """In one step: a reader who has a file of it open reads on."""
        gone = self.folder / f"{_GONE}{uuid.uuid4().hex}"
        try:
            at.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Bytes of all files in *folder*; what is removed meanwhile does not count."""
    paths = (os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)  # noqa: PTH118  as os.walk gives them
    return sum(_bytes(path) for path in paths)


def _bytes(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116  as os.walk gives it
    except OSError:
        return 0


def _name(key: str, stamp: str | None) -> str:
    name = sha256(key.encode()).hexdigest()[:24]
    return name if stamp is None else f"{name}-{sha256(stamp.encode()).hexdigest()[:24]}"


def _used(at: Path) -> Entry | None:
    """The entry at *at*, which counts as used now, if it is whole."""
    seal = _seal(at)
    if seal is None:
        return None
    files, note = seal["files"], seal["note"]
    if not isinstance(files, dict) or not isinstance(note, dict) or not _whole(at, files):
        return None
    try:
        os.utime(at / SEAL)
    except OSError:
        return None
    return Entry(at, str(seal["stamp"]), note)


def _seal(at: Path) -> Mapping[str, object] | None:
    try:
        found = json.loads((at / SEAL).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"stamp", "files", "note"} <= set(found) else None


def _whole(at: Path, files: Mapping[str, object]) -> bool:
    try:
        return all(digest_of(at / name, "") == digest for name, digest in files.items())
    except ShadowError:
        return False


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
