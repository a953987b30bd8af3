"""Models in a folder, on this machine or behind any fsspec address: ``<path>/<version>/model.onnx``, beside it perhaps ``metadata.json``."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pydantic import Field, JsonValue

from watchtower.core import converters
from watchtower.model_stores import Artefact, ModelStore
from watchtower.model_stores._cache import Cache, CacheSettings, Entry
from watchtower.model_stores._files import artefact_at, header_of, moment_of
from watchtower.model_stores._remote import Folder
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.written import Duration, PathText

METADATA = "metadata.json"
TRITON = "config.pbtxt"
_DIGITS = re.compile(r"(\d+)")
_TRITON_FILE = re.compile(r'^\s*default_model_filename\s*:\s*"([^"]+)"', re.MULTILINE)
_TRITON_VERSION = re.compile(r"[1-9]\d*")


class Directory(ModelStore):
    """Versions are folders; `metadata.json` in one may hold `sha256`, `created` and anything else, which is shown.

    Triton's layout is read too: with a `config.pbtxt` in the folder, versions are the folders that are named by a number.
    """

    path: PathText
    """The folder that holds a folder per version (relative to the settings file), or an address such as s3://bucket/models/fraud (extra `fsspec`)."""
    file: str = Field(default="", pattern="^[^/]*$")
    """The model's file in a version's folder; left out: model.onnx, or what Triton's `default_model_filename` says."""
    options: Mapping[str, JsonValue] = Field(default_factory=dict)
    """What fsspec's protocol takes, such as endpoint_url of s3; secrets belong into its own environment variables."""
    cache: CacheSettings = Field(default_factory=CacheSettings, validate_default=True)
    """Where artefacts of an address are kept on this machine."""
    time_limit: Duration = timedelta(minutes=5)
    """How long an address may take to answer."""

    def open(self) -> "DirectorySession":
        """Looks at nothing yet."""
        if "://" not in self.path:
            return DirectorySession(_Here(Path(self.path)), self.file)
        far = Folder.at(self.path, self.options, self.time_limit)
        return DirectorySession(_Away(far, Cache(Path(self.cache.path), self.cache.max_bytes)), self.file)


class _Place(Protocol):
    """A folder of versions, here or away."""

    def shown(self) -> str: ...
    def folders(self) -> Mapping[str, Iterable[str]]: ...
    def names(self, version: str) -> Iterable[str]: ...
    def text(self, version: str, name: str) -> bytes | None: ...
    def model(self, version: str, file: str) -> Path: ...


class DirectorySession:
    """An open folder of models."""

    def __init__(self, place: _Place, file: str) -> None:
        """*file* "": what Triton says, else model.onnx."""
        self._place = place
        self._named = file

    def versions(self) -> Sequence[str]:
        """Every folder that holds the model's file, in natural order (9 before 10). ShadowError where an address cannot be read."""
        found = [name for name, inside in self._place.folders().items() if self._is_version(name) and self._file in inside]
        return tuple(sorted(found, key=natural))

    def created(self, version: str) -> datetime | None:
        """`created` of the metadata; None where there is none, or where it is no time, or cannot be read."""
        try:
            return moment_of(self._metadata(version).get("created"))
        except ShadowError:
            return None

    def fetch(self, version: str) -> Artefact:
        """The artefact with its digest; ShadowError where it is missing, unreadable, or not the one that the metadata recorded."""
        metadata = self._metadata(version)
        if self._file not in self._place.names(version):
            raise self._missing(version)
        path = self._place.model(version, self._file)
        return artefact_at(path, version, metadata, moment_of(metadata.get("created")))

    @cached_property
    def _triton(self) -> str | None:
        """Triton's own settings of the model, None where there are none."""
        found = self._place.text("", TRITON)
        return None if found is None else found.decode(errors="replace")

    @cached_property
    def _file(self) -> str:
        said = _TRITON_FILE.search(self._triton or "")
        return self._named or (said[1] if said else "model.onnx")

    def _is_version(self, name: str) -> bool:
        return self._triton is None or bool(_TRITON_VERSION.fullmatch(name))

    def _missing(self, version: str) -> ShadowError:
        advice = converters.of_files(self._place.names(version))
        return ShadowError(f"version {version} has no artefact: {self._place.shown()}/{version}/{self._file} is missing" + (f"; {advice}" if advice else ""))

    def _metadata(self, version: str) -> Mapping[str, object]:
        if not version or version in {".", ".."} or "/" in version or "\\" in version or "\0" in version:
            msg = f"version {version!r} names no folder of {self._place.shown()}"
            raise ShadowError(msg)
        text = self._place.text(version, METADATA)
        at = f"{self._place.shown()}/{version}/{METADATA}"
        try:
            found = {} if text is None else json.loads(text)
        except ValueError as bad:
            msg = f"the metadata of version {version} cannot be read: {at}: {bad}"
            raise ShadowError(msg) from bad
        if not isinstance(found, dict):
            msg = f"the metadata of version {version} is no JSON object: {at}"
            raise ShadowError(msg)
        return found


@dataclass(frozen=True, slots=True)
class _Here:
    """On this machine: files are used where they are."""

    path: Path

    def shown(self) -> str:
        return str(self.path)

    def folders(self) -> Mapping[str, Iterable[str]]:
        """Links are none: `current` is one."""
        if not self.path.is_dir():
            return {}
        return {each.name: self.names(each.name) for each in self.path.iterdir() if each.is_dir() and not each.is_symlink()}

    def names(self, version: str) -> Iterable[str]:
        try:
            return [each.name for each in (self.path / version).iterdir()]
        except OSError:
            return ()

    def text(self, version: str, name: str) -> bytes | None:
        try:
            return (self.path / version / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as bad:
            msg = f"{self.path / version / name} cannot be read: {bad}"
            raise ShadowError(msg) from bad

    def model(self, version: str, file: str) -> Path:
        """Triton may have a folder of the model's name, which then holds the file and its tensors."""
        at = self.path / version / file
        return at / file if at.is_dir() else at


@dataclass(frozen=True)
class _Away:
    """Behind an address: files are fetched into the cache."""

    far: Folder
    cache: Cache
    _seen: dict[str, Mapping[str, tuple[int, str]]] = field(default_factory=dict)

    def shown(self) -> str:
        return self.far.shown()

    def folders(self) -> Mapping[str, Iterable[str]]:
        return self.far.tree()

    def names(self, version: str) -> Iterable[str]:
        return {path.partition("/")[0] for path in self._stamps(version)}

    def text(self, version: str, name: str) -> bytes | None:
        if not version:
            return self.far.text(name) if name in self.far.names() else None
        return self.far.inside(version).text(name) if name in self._stamps(version) else None

    def model(self, version: str, file: str) -> Path:
        stamps = {path: seen for path, seen in self._stamps(version).items() if path != METADATA}
        at = file if file in stamps else f"{file}/{file}"
        key, stamp = f"{self.far.url}/{version}/{at}", json.dumps(stamps, sort_keys=True)
        entry = self.cache.kept(key, stamp) or self._fetched(version, at, key, stamp)
        return entry.folder / at

    def _fetched(self, version: str, at: str, key: str, stamp: str) -> Entry:
        far, sizes = self.far.inside(version), {path: size for path, (size, _) in self._stamps(version).items()}

        def fill(folder: Path) -> None:
            self.cache.check(sizes.get(at, 0))
            far.download([at], folder)
            inside = at.rpartition("/")[0]
            tensors = [f"{inside}/{name}" if inside else name for name in header_of(folder / at, version).external]
            self.cache.check(sum(sizes.get(each, 0) for each in (at, *tensors)))
            if tensors:
                far.download(tensors, folder)

        return self.cache.filled(key, stamp, {}, fill)

    def _stamps(self, version: str) -> Mapping[str, tuple[int, str]]:
        """What lies in a version's folder, looked at once a session."""
        if version not in self._seen:
            self._seen[version] = self.far.inside(version).stamps()
        return self._seen[version]


def natural(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key under which numbers inside names count as numbers: 9 before 10, 1.2 before 1.10."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(version) if part)
